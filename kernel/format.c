/* SPDX-License-Identifier: MIT */
/*
 * format.c: printf's conversions, into any sink.
 *
 * Text between conversions goes out in one piece. A conversion is parsed into a
 * struct spec, its argument becomes a text, and put_padded() pads it. The log calls
 * this a lot, so the usual is cheap: a conversion without flags, width and precision
 * is not searched for them, and a piece for a buffer needs no call through a pointer.
 * Limits: no floating point, no %n, no wide characters; a width or precision is
 * cut to MAX_FIELD, and a number gets no more zeros than make MAX_DIGITS.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "format.h"

#include <stdint.h>

#include "string.h"

#define MAX_FIELD   4096
#define MAX_DIGITS  128         /* of a number, with its leading zeros */
#define MAX_PREFIX  2           /* "-" or "0x" */

struct spec {
	bool left;              /* '-': pad on the right */
	bool zero;              /* '0': pad numbers with zeros */
	bool prefix;            /* '#': 0x before hexadecimal */
	bool is_long;           /* 'l', 'll' or 'z': the argument has 64 bits */
	char conversion;
	int width;              /* at least so many characters */
	int precision;          /* of a number: digits; of a string: at most so many; -1 = none */
};

/* What an argument becomes. */
struct text {
	const char *first;      /* NULL: there is no such conversion */
	size_t nr_bytes;
};

static void buffer_write(struct sink *sink, const char *text, size_t nr_bytes)
{
	struct buffer_sink *buffer = (struct buffer_sink *)sink;
	size_t room = buffer->capacity_bytes - buffer->nr_bytes;

	if (nr_bytes > room) {
		nr_bytes = room;
		buffer->cut = true;
	}
	memcpy(buffer->text + buffer->nr_bytes, text, nr_bytes);
	buffer->nr_bytes += nr_bytes;
}

/* The sink that most text goes to is named, so that the compiler can inline its write. */
static inline void put(struct sink *sink, const char *text, size_t nr_bytes)
{
	if (sink->write == buffer_write)
		buffer_write(sink, text, nr_bytes);
	else if (nr_bytes > 0)
		sink->write(sink, text, nr_bytes);
}

/* Puts the text of a conversion, padded to the width of `spec`. */
static void put_padded(struct sink *sink, const struct spec *spec, struct text text)
{
	if (spec->left)
		put(sink, text.first, text.nr_bytes);
	for (int i = (int)text.nr_bytes; i < spec->width; i++)
		put(sink, " ", 1);
	if (!spec->left)
		put(sink, text.first, text.nr_bytes);
}

/* How many digits, zeros included, a number must have at least. */
static int least_digits(const struct spec *spec, int prefix_bytes)
{
	int nr_digits = 1;

	if (spec->precision >= 0)
		nr_digits = spec->precision;
	else if (spec->zero && !spec->left && spec->width > prefix_bytes)
		nr_digits = spec->width - prefix_bytes;
	return nr_digits < MAX_DIGITS ? nr_digits : MAX_DIGITS;
}

/* Builds a number before `end`, from its last digit to its prefix. */
static struct text number_text(char *end, const struct spec *spec, uint64_t value, unsigned base,
			       bool negative)
{
	const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char *last_zero = end - least_digits(spec, 2 * spec->prefix + negative), *first = end;

	for (; value != 0; value /= base)
		*--first = digits[value % base];
	while (first > last_zero)
		*--first = '0';
	if (spec->prefix) {
		*--first = spec->conversion == 'X' ? 'X' : 'x';
		*--first = '0';
	}
	if (negative)
		*--first = '-';
	return (struct text){ first, (size_t)(end - first) };
}

static struct text string_text(const struct spec *spec, const char *text)
{
	if (text == NULL)
		text = "(null)";
	return (struct text){ text, strnlen(text, (size_t)spec->precision) };
}

/* Carries out one conversion. What has to be built for it is built before `end`. */
static struct text convert(struct spec *spec, va_list *arguments, char *end)
{
	int64_t value;
	unsigned base = 10;
	bool negative = false;

	switch (spec->conversion) {
	case 'd':
	case 'i':
		value = spec->is_long ? va_arg(*arguments, long) : va_arg(*arguments, int);
		negative = value < 0;
		spec->prefix = false;
		break;
	case 'u':
	case 'x':
	case 'X':
		value = spec->is_long ? va_arg(*arguments, long) : va_arg(*arguments, unsigned int);
		if (spec->conversion != 'u')
			base = 16;
		if (base == 10 || value == 0)
			spec->prefix = false;
		break;
	case 'p':
		base = 16;
		value = va_arg(*arguments, long);
		spec->prefix = true;
		spec->precision = 16;
		break;
	case 's':
		return string_text(spec, va_arg(*arguments, const char *));
	case 'c':
		*--end = (char)va_arg(*arguments, int);
		return (struct text){ end, 1 };
	case '%':
		return (struct text){ "%", 1 };
	default:
		return (struct text){ NULL, 0 };
	}
	return number_text(end, spec, negative ? -(uint64_t)value : (uint64_t)value, base, negative);
}

/* Reads a number or a '*', whose value may be negative. */
static const char *parse_field(const char *at, int *field, va_list *arguments)
{
	*field = 0;
	if (*at == '*') {
		*field = va_arg(*arguments, int);
		at++;
	} else {
		for (; *at >= '0' && *at <= '9'; at++)
			if (*field < MAX_FIELD)
				*field = *field * 10 + (*at - '0');
	}
	if (*field > MAX_FIELD)
		*field = MAX_FIELD;
	if (*field < -MAX_FIELD)
		*field = -MAX_FIELD;
	return at;
}

/* Reads flags, width and precision. */
static const char *parse_fields(const char *at, struct spec *spec, va_list *arguments)
{
	for (;; at++) {
		if (*at == '-')
			spec->left = true;
		else if (*at == '0')
			spec->zero = true;
		else if (*at == '#')
			spec->prefix = true;
		else
			break;
	}
	at = parse_field(at, &spec->width, arguments);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	if (*at == '.')
		at = parse_field(at + 1, &spec->precision, arguments);
	return at;
}

/* A letter begins neither a flag nor a field: all of those are at most '9' in ASCII. */
static const char *parse_spec(const char *at, struct spec *spec, va_list *arguments)
{
	*spec = (struct spec){ .precision = -1 };
	if (*at <= '9')
		at = parse_fields(at, spec, arguments);
	for (; *at == 'l' || *at == 'z'; at++)
		spec->is_long = true;
	spec->conversion = *at;
	return at + 1;
}

void vformat(struct sink *sink, const char *template, va_list arguments)
{
	const char *at = template, *end = template + strlen(template), *percent;
	char made[MAX_PREFIX + MAX_DIGITS];
	struct spec spec;
	struct text text;
	va_list rest;

	va_copy(rest, arguments);
	while ((percent = memchr(at, '%', (size_t)(end - at))) != NULL) {
		put(sink, at, (size_t)(percent - at));
		at = parse_spec(percent + 1, &spec, &rest);
		text = convert(&spec, &rest, made + sizeof(made));
		if (text.first == NULL) {
			at = percent;
			break;
		}
		if (spec.width == 0)
			put(sink, text.first, text.nr_bytes);
		else
			put_padded(sink, &spec, text);
	}
	put(sink, at, (size_t)(end - at));
	va_end(rest);
}

void format(struct sink *sink, const char *template, ...)
{
	va_list arguments;

	va_start(arguments, template);
	vformat(sink, template, arguments);
	va_end(arguments);
}

void buffer_sink_init(struct buffer_sink *buffer, char *text, size_t capacity_bytes)
{
	*buffer = (struct buffer_sink){
		.sink.write = buffer_write, .text = text, .capacity_bytes = capacity_bytes,
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
