/* SPDX-License-Identifier: MIT */
/*
 * format.c: printf's conversions, into any sink.
 *
 * The text between the conversions, and the output of the conversions, are collected in a
 * piece. The sink gets the piece when it has FORMAT_PIECE_BYTES, and before a text is read, as that
 * may fault. When the sink is full, all loops here end.
 *
 *     piece: | collected, FORMAT_PIECE_BYTES at most | room for one step |
 *
 * A step collects FORMAT_PIECE_BYTES at most, so it need not check that they fit. Text is copied
 * eight bytes at a time, as the log calls this often.
 * Limits: no floating point, no %n, no wide characters.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "format.h"

#include <stdint.h>

#include "memory.h"
#include "string.h"
#include "words.h"

#define MAX_DIGITS   22         /* of 64 bits, in octal */
#define DELETE       0x7f
#define NUMBER_LIMIT 100000000  /* of the template's numbers, which may have one digit more */

struct output {
	struct sink *sink;
	bool one_line;          /* see vformat_line() */
	bool is_full;           /* the sink takes no more */
	size_t nr_bytes;        /* collected */
	char piece[2 * FORMAT_PIECE_BYTES + 1];
};

struct spec {
	bool has_fields;        /* a number is more than its digits: flags, a width, a precision or a sign */
	bool left;              /* '-': pad on the right */
	bool plus, space;       /* '+', ' ': what a number that is not negative starts with */
	bool alternate;         /* '#': 0x before hexadecimal, 0 before octal */
	bool zero;              /* '0': pad numbers with zeros */
	char conversion;
	uint8_t nr_bits;        /* of the argument that count: 8, 16, 32 or 64 */
	int width;              /* at least so many characters, 0 … FORMAT_MAX_FIELD */
	int precision;          /* of a number: digits; of a string: at most so many; < 0 = none */
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Gives the sink what was collected. */
static void flush(struct output *output)
{
	if (output->nr_bytes > 0 && !output->is_full)
		output->is_full = !output->sink->write(output->sink, output->piece, output->nr_bytes);
	output->nr_bytes = 0;
}

/* Where the bytes of the next step go. By words, up to FORMAT_PIECE_BYTES may be written. */
static char *room(struct output *output)
{
	if (output->nr_bytes > FORMAT_PIECE_BYTES)
		flush(output);
	return output->piece + output->nr_bytes;
}

/* Puts what the formatter has built: at most a piece, of which whole words can be read. */
static inline void put_built(struct output *output, const char *text, size_t nr_bytes)
{
	char *to = room(output);

	for (size_t i = 0; i < nr_bytes; i += WORD_BYTES)
		*(struct word *)(to + i) = *(const struct word *)(text + i);
	output->nr_bytes += nr_bytes;
}

/* Puts a byte several times; not at all if that is a negative number. */
static inline void put_fill(struct output *output, char byte, int nr_bytes)
{
	for (; nr_bytes > 0 && !output->is_full; nr_bytes -= FORMAT_PIECE_BYTES) {
		size_t piece_bytes = smaller((size_t)nr_bytes, FORMAT_PIECE_BYTES);
		char *to = room(output);

		for (size_t i = 0; i < piece_bytes; i += WORD_BYTES)
			((struct word *)(to + i))->value = (uint8_t)byte * ONES;
		output->nr_bytes += piece_bytes;
	}
}

/* Puts one byte, which may be one of the special ones. */
static void put_byte(struct output *output, char byte)
{
	static const char digits[] = "0123456789abcdef";
	char *to = room(output);

	if (output->one_line && ((uint8_t)byte < ' ' || byte == DELETE)) {
		to[0] = '\\';
		to[1] = 'x';
		to[2] = digits[(uint8_t)byte / 16];
		to[3] = digits[(uint8_t)byte % 16];
		output->nr_bytes += 4;
	} else {
		to[0] = byte;
		output->nr_bytes++;
	}
}

/*
 * Bit 7 of the lowest byte of a word that cannot simply be copied, which control bytes, NUL among
 * them, and '%' cannot. Bytes above it may be marked for nothing, as sums carry, and so may 0x7e behind
 * 0xff: put_byte() looks what a byte is.
 */
static uint64_t special_bytes(uint64_t word)
{
	uint64_t control = word - ONES * ' ', delete = word + ONES, percent = (word ^ ONES * '%') - ONES;

	return (control | delete | percent) & ~word & HIGH_BITS;
}

/*
 * Puts bytes as far as that goes by words: to the first special byte, or to the limit, which is
 * FORMAT_PIECE_BYTES at most. It stops before the end of the page, as the next may not be there.
 * Return: how many; after 0 the next byte must be put by itself.
 * The last word may have bytes behind the text's end, to which AddressSanitizer would object.
 */
static inline __attribute__((no_sanitize("address")))
size_t put_plain(struct output *output, const char *text, size_t limit_bytes)
{
	size_t page_bytes = PAGE_BYTES - (uintptr_t)text % PAGE_BYTES, nr_bytes = 0;
	char *to = room(output);

	for (; nr_bytes < limit_bytes && nr_bytes + WORD_BYTES <= page_bytes; nr_bytes += WORD_BYTES) {
		struct word word = *(const struct word *)(text + nr_bytes);
		uint64_t special = special_bytes(word.value);

		*(struct word *)(to + nr_bytes) = word;
		if (special != 0) {
			nr_bytes += (unsigned)__builtin_ctzl(special) / 8;
			break;
		}
	}
	nr_bytes = smaller(nr_bytes, limit_bytes);
	output->nr_bytes += nr_bytes;
	return nr_bytes;
}

/* Puts the text up to its NUL, but not more than limit_bytes of it. A new page may fault. */
static void put_text(struct output *output, const char *text, size_t limit_bytes)
{
	size_t nr_bytes;

	flush(output);
	for (; limit_bytes > 0 && !output->is_full; text += nr_bytes, limit_bytes -= nr_bytes) {
		if ((uintptr_t)text % PAGE_BYTES == 0)
			flush(output);
		nr_bytes = put_plain(output, text, smaller(limit_bytes, FORMAT_PIECE_BYTES));
		if (nr_bytes == 0) {
			if (*text == '\0')
				return;
			put_byte(output, *text);
			nr_bytes = 1;
		}
	}
}

static void put_string(struct output *output, const struct spec *spec, const char *text)
{
	size_t limit_bytes = spec->precision < 0 ? SIZE_MAX : (size_t)spec->precision;
	size_t width = (size_t)spec->width;
	int nr_blanks = 0;

	flush(output);
	if (text == NULL)
		text = "(null)";
	if (width > 0)
		nr_blanks = (int)(width - strnlen(text, smaller(limit_bytes, width)));
	if (!spec->left)
		put_fill(output, ' ', nr_blanks);
	put_text(output, text, limit_bytes);
	if (spec->left)
		put_fill(output, ' ', nr_blanks);
}

static void put_char(struct output *output, const struct spec *spec, char byte)
{
	if (!spec->left)
		put_fill(output, ' ', spec->width - 1);
	put_byte(output, byte);
	if (spec->left)
		put_fill(output, ' ', spec->width - 1);
}

/* Builds the digits of a number before `end`, each of so many bits; none for 0. Return: the first. */
static char *build_digits(char *end, uint64_t value, unsigned nr_bits, const char *digits)
{
	for (; value != 0; value >>= nr_bits)
		*--end = digits[value & ((1u << nr_bits) - 1)];
	return end;
}

/* How many digits a number has at least, zeros included. */
static int least_digits(const struct spec *spec, int prefix_bytes)
{
	if (spec->precision >= 0)
		return spec->precision < FORMAT_MAX_FIELD ? spec->precision : FORMAT_MAX_FIELD;
	if (spec->zero && !spec->left && spec->width > prefix_bytes)
		return spec->width - prefix_bytes;
	return 1;
}

/* Puts a number that is not only digits. Not inlined: it would make registers scarce for those that are. */
static __attribute__((noinline))
void put_padded(struct output *output, const struct spec *spec, const char *prefix, const char *digits,
		int nr_digits)
{
	int prefix_bytes = prefix[0] == '\0' ? 0 : prefix[1] == '\0' ? 1 : 2;
	int nr_zeros = least_digits(spec, prefix_bytes) - nr_digits, nr_blanks;

	if (nr_zeros <= 0)
		nr_zeros = spec->alternate && spec->conversion == 'o';
	nr_blanks = spec->width - prefix_bytes - nr_zeros - nr_digits;
	if (!spec->left)
		put_fill(output, ' ', nr_blanks);
	for (; *prefix != '\0'; prefix++)
		put_byte(output, *prefix);
	put_fill(output, '0', nr_zeros);
	put_built(output, digits, (size_t)nr_digits);
	if (spec->left)
		put_fill(output, ' ', nr_blanks);
}

static inline void put_number(struct output *output, const struct spec *spec, const char *prefix,
			      const char *digits, size_t nr_digits)
{
	if (spec->has_fields || nr_digits == 0)
		put_padded(output, spec, prefix, digits, (int)nr_digits);
	else
		put_built(output, digits, nr_digits);
}

/* The ABI passes an argument of any integer type in eight bytes (System V AMD64 ABI, 3.5.7). */
static uint64_t next_number(const struct spec *spec, bool is_signed, va_list *arguments)
{
	uint64_t value = va_arg(*arguments, unsigned long);
	unsigned nr_spare = 64 - spec->nr_bits;
	uint64_t high = value << nr_spare;

	return is_signed ? (uint64_t)((int64_t)high >> nr_spare) : high >> nr_spare;
}

/* Conversions of what is no number. Return: false if there is no such one. */
static bool convert_other(struct output *output, const struct spec *spec, va_list *arguments)
{
	bool is_wide = spec->nr_bits != 32;

	if (spec->conversion == 's' && !is_wide)
		put_string(output, spec, va_arg(*arguments, const char *));
	else if (spec->conversion == 'c' && !is_wide)
		put_char(output, spec, (char)va_arg(*arguments, int));
	else if (spec->conversion == '%')
		put_byte(output, '%');
	else
		return false;
	return true;
}

/* Return: false if there is no such conversion. */
static bool convert(struct output *output, struct spec *spec, va_list *arguments)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
	char made[MAX_DIGITS + WORD_BYTES], *end = made + MAX_DIGITS, *first;
	const char *prefix = "";
	uint64_t value;

	switch (spec->conversion) {
	case 'd':
	case 'i':
		value = next_number(spec, true, arguments);
		prefix = spec->plus ? "+" : spec->space ? " " : "";
		if ((int64_t)value < 0) {
			prefix = "-";
			spec->has_fields = true;
			value = -value;
		}
		first = build_decimal(end, value);
		break;
	case 'u':
		first = build_decimal(end, next_number(spec, false, arguments));
		break;
	case 'o':
		first = build_digits(end, next_number(spec, false, arguments), 3, lower);
		break;
	case 'x':
	case 'X':
		first = build_digits(end, next_number(spec, false, arguments), 4,
				     spec->conversion == 'x' ? lower : upper);
		if (spec->alternate && first != end)
			prefix = spec->conversion == 'x' ? "0x" : "0X";
		break;
	case 'p':
		first = build_digits(end, (uint64_t)va_arg(*arguments, void *), 4, lower);
		prefix = "0x";
		spec->has_fields = true;
		spec->precision = 16;
		break;
	default:
		return convert_other(output, spec, arguments);
	}
	put_number(output, spec, prefix, first, (size_t)(end - first));
	return true;
}

/* Reads a number or a '*', whose value may be negative. */
static const char *parse_field(const char *at, int *field, va_list *arguments)
{
	*field = 0;
	if (*at == '*') {
		*field = va_arg(*arguments, int);
		return at + 1;
	}
	for (; *at >= '0' && *at <= '9'; at++)
		if (*field < NUMBER_LIMIT)
			*field = *field * 10 + (*at - '0');
	return at;
}

/* Reads flags, width and precision. */
static const char *parse_fields(const char *at, struct spec *spec, va_list *arguments)
{
	spec->has_fields = true;
	for (;; at++) {
		if (*at == '-')
			spec->left = true;
		else if (*at == '+')
			spec->plus = true;
		else if (*at == ' ')
			spec->space = true;
		else if (*at == '#')
			spec->alternate = true;
		else if (*at == '0')
			spec->zero = true;
		else
			break;
	}
	at = parse_field(at, &spec->width, arguments);
	if (spec->width < 0)
		spec->left = true;
	if (spec->width > FORMAT_MAX_FIELD || spec->width < -FORMAT_MAX_FIELD)
		spec->width = FORMAT_MAX_FIELD;
	else if (spec->width < 0)
		spec->width = -spec->width;
	if (*at == '.')
		at = parse_field(at + 1, &spec->precision, arguments);
	return at;
}

/* A letter begins neither a flag nor a field: all of those are at most '9' in ASCII. */
static const char *parse_spec(const char *at, struct spec *spec, va_list *arguments)
{
	*spec = (struct spec){ .nr_bits = 32, .precision = -1 };
	if (*at <= '9')
		at = parse_fields(at, spec, arguments);
	for (; *at == 'l' || *at == 'z' || *at == 'j' || *at == 't'; at++)
		spec->nr_bits = 64;
	for (; *at == 'h'; at++)
		spec->nr_bits = spec->nr_bits == 32 ? 16 : 8;
	spec->conversion = *at;
	return at + 1;
}

static void format_to(struct sink *sink, bool one_line, bool ends_line, const char *template,
		      va_list arguments)
{
	const char *at = template, *percent;
	struct output output;           /* its piece is not cleared: that would take as long as a record */
	struct spec spec;
	size_t nr_bytes;
	va_list rest;

	output.sink = sink;
	output.one_line = one_line;
	output.is_full = false;
	output.nr_bytes = 0;
	va_copy(rest, arguments);
	while (!output.is_full) {
		nr_bytes = put_plain(&output, at, FORMAT_PIECE_BYTES);
		at += nr_bytes;
		if (*at == '%') {
			percent = at;
			at = parse_spec(percent + 1, &spec, &rest);
			if (!convert(&output, &spec, &rest)) {
				put_text(&output, percent, SIZE_MAX);
				break;
			}
		} else if (*at == '\0') {
			break;
		} else if (nr_bytes == 0) {
			put_byte(&output, *at++);
		}
	}
	if (ends_line)
		output.piece[output.nr_bytes++] = '\n';
	flush(&output);
	va_end(rest);
}

void vformat(struct sink *sink, const char *template, va_list arguments)
{
	format_to(sink, false, false, template, arguments);
}

void vformat_line(struct sink *sink, const char *template, va_list arguments)
{
	format_to(sink, true, false, template, arguments);
}

void vformat_record(struct sink *sink, const char *template, va_list arguments)
{
	format_to(sink, true, true, template, arguments);
}

void format(struct sink *sink, const char *template, ...)
{
	va_list arguments;

	va_start(arguments, template);
	vformat(sink, template, arguments);
	va_end(arguments);
}

bool buffer_sink_write(struct sink *sink, const char *text, size_t nr_bytes)
{
	struct buffer_sink *buffer = (struct buffer_sink *)sink;
	size_t room_bytes = buffer->capacity_bytes - buffer->nr_bytes;

	if (nr_bytes > room_bytes) {
		nr_bytes = room_bytes;
		buffer->cut = true;
	}
	memcpy(buffer->text + buffer->nr_bytes, text, nr_bytes);
	buffer->nr_bytes += nr_bytes;
	return !buffer->cut;
}

void buffer_sink_init(struct buffer_sink *buffer, char *text, size_t capacity_bytes)
{
	*buffer = (struct buffer_sink){
		.sink.write = buffer_sink_write, .text = text, .capacity_bytes = capacity_bytes,
	};
}

bool format_string(char *text, size_t capacity_bytes, const char *template, ...)
{
	struct buffer_sink buffer;
	va_list arguments;

	buffer_sink_init(&buffer, text, capacity_bytes - 1);
	va_start(arguments, template);
	vformat(&buffer.sink, template, arguments);
	va_end(arguments);
	text[buffer.nr_bytes] = '\0';
	return !buffer.cut;
}
