/* SPDX-License-Identifier: MIT */
/*
 * format.c: printf's conversions, into any sink.
 *
 * Text between conversions goes out in one piece. A conversion is parsed into a
 * struct spec, its argument is turned into digits or a string, and put() pads it.
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
	unsigned width;         /* at least so many characters */
	int precision;          /* of a number: digits; of a string: at most so many; -1 = none */
	char length;            /* 0 = int, 'l' = long or long long, 'z' = size_t */
	char conversion;
};

static void emit(struct sink *sink, const char *text, size_t nr_bytes)
{
	if (nr_bytes > 0)
		sink->write(sink, text, nr_bytes);
}

static void pad(struct sink *sink, size_t nr_bytes)
{
	static const char blanks[16] = "                ";

	for (; nr_bytes > sizeof(blanks); nr_bytes -= sizeof(blanks))
		emit(sink, blanks, sizeof(blanks));
	emit(sink, blanks, nr_bytes);
}

/* Writes the text of a conversion, padded to the width of `spec`. */
static void put(struct sink *sink, const struct spec *spec, const char *text, size_t nr_bytes)
{
	size_t missing = spec->width > nr_bytes ? spec->width - nr_bytes : 0;

	if (!spec->left)
		pad(sink, missing);
	emit(sink, text, nr_bytes);
	if (spec->left)
		pad(sink, missing);
}

/* How many digits, zeros included, a number must have at least. */
static size_t least_digits(const struct spec *spec, size_t prefix_bytes)
{
	size_t nr_digits = 1;

	if (spec->precision >= 0)
		nr_digits = (size_t)spec->precision;
	else if (spec->zero && !spec->left && spec->width > prefix_bytes)
		nr_digits = spec->width - prefix_bytes;
	return nr_digits < MAX_DIGITS ? nr_digits : MAX_DIGITS;
}

/* Builds a number from its last digit to its prefix, and writes it in one piece. */
static void put_number(struct sink *sink, const struct spec *spec, uint64_t value, unsigned base,
		       const char *prefix)
{
	const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	size_t prefix_bytes = strlen(prefix);
	char text[MAX_PREFIX + MAX_DIGITS], *end = text + sizeof(text), *first = end;
	char *last_zero = end - least_digits(spec, prefix_bytes);

	if (base == 16) {
		for (; value != 0; value >>= 4)
			*--first = digits[value & 15];
	} else {
		for (; value != 0; value /= 10)
			*--first = digits[value % 10];
	}
	while (first > last_zero)
		*--first = '0';
	while (prefix_bytes > 0)
		*--first = prefix[--prefix_bytes];
	put(sink, spec, first, (size_t)(end - first));
}

static void put_string(struct sink *sink, const struct spec *spec, const char *text)
{
	if (text == NULL)
		text = "(null)";
	put(sink, spec, text,
	    spec->precision >= 0 ? strnlen(text, (size_t)spec->precision) : strlen(text));
}

static const char *parse_count(const char *at, unsigned *count)
{
	for (*count = 0; *at >= '0' && *at <= '9'; at++)
		if (*count < MAX_FIELD)
			*count = *count * 10 + (unsigned)(*at - '0');
	if (*count > MAX_FIELD)
		*count = MAX_FIELD;
	return at;
}

/* Reads a number or a '*', whose value may be negative. */
static const char *parse_field(const char *at, int *field, va_list *arguments)
{
	unsigned count;

	if (*at == '*') {
		*field = va_arg(*arguments, int);
		if (*field > MAX_FIELD)
			*field = MAX_FIELD;
		if (*field < -MAX_FIELD)
			*field = -MAX_FIELD;
		return at + 1;
	}
	at = parse_count(at, &count);
	*field = (int)count;
	return at;
}

static const char *parse_spec(const char *at, struct spec *spec, va_list *arguments)
{
	int width;

	*spec = (struct spec){ .precision = -1 };
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
	at = parse_field(at, &width, arguments);
	if (width < 0)
		spec->left = true;
	spec->width = (unsigned)(width < 0 ? -width : width);
	if (*at == '.')
		at = parse_field(at + 1, &spec->precision, arguments);
	for (; *at == 'l' || *at == 'z'; at++)
		spec->length = *at;
	spec->conversion = *at;
	return *at == '\0' ? at : at + 1;
}

static void put_signed(struct sink *sink, const struct spec *spec, int64_t value)
{
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;

	put_number(sink, spec, magnitude, 10, value < 0 ? "-" : "");
}

/* Carries out one conversion. Return: false if there is no such conversion. */
static bool convert(struct sink *sink, struct spec *spec, va_list *arguments)
{
	const char *hex_prefix = "";
	uint64_t value;
	char byte;

	switch (spec->conversion) {
	case 'd':
	case 'i':
		put_signed(sink, spec, spec->length ? va_arg(*arguments, long) : va_arg(*arguments, int));
		return true;
	case 'u':
	case 'x':
	case 'X':
		value = spec->length ? va_arg(*arguments, unsigned long)
				     : va_arg(*arguments, unsigned int);
		if (spec->prefix && value != 0)
			hex_prefix = spec->conversion == 'x' ? "0x" : "0X";
		if (spec->conversion == 'u')
			put_number(sink, spec, value, 10, "");
		else
			put_number(sink, spec, value, 16, hex_prefix);
		return true;
	case 'p':
		spec->precision = 16;
		put_number(sink, spec, (uint64_t)va_arg(*arguments, void *), 16, "0x");
		return true;
	case 's':
		put_string(sink, spec, va_arg(*arguments, const char *));
		return true;
	case 'c':
		byte = (char)va_arg(*arguments, int);
		put(sink, spec, &byte, 1);
		return true;
	case '%':
		emit(sink, "%", 1);
		return true;
	default:
		return false;
	}
}

void vformat(struct sink *sink, const char *template, va_list arguments)
{
	const char *text, *at = template;
	struct spec spec;
	va_list rest;

	va_copy(rest, arguments);
	while (*at != '\0') {
		for (text = at; *at != '\0' && *at != '%';)
			at++;
		emit(sink, text, (size_t)(at - text));
		if (*at == '\0')
			break;
		text = at;
		at = parse_spec(at + 1, &spec, &rest);
		if (!convert(sink, &spec, &rest)) {
			emit(sink, text, strlen(text));
			break;
		}
	}
	va_end(rest);
}

void format(struct sink *sink, const char *template, ...)
{
	va_list arguments;

	va_start(arguments, template);
	vformat(sink, template, arguments);
	va_end(arguments);
}

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
