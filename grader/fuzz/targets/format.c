/* SPDX-License-Identifier: MIT */
/*
 * format.c: the kernel's formatter beside the host's snprintf.
 *
 * The first byte of an input says what follows. Either it is a list of conversions that both
 * know, with their arguments, and both must write the same. Or it is a template as it is:
 * whatever stands in it, the formatter must come to an end, keep to its buffer, and write no
 * control bytes into a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "fuzz.h"

#define MAX_CONVERSIONS  4
#define MAX_ARGUMENTS    (3 * MAX_CONVERSIONS)  /* a width, a precision and a value each */
#define MAX_GIVEN        8                      /* to a template as it is */
#define MAX_STAR         128                    /* below FORMAT_MAX_FIELD */
#define TEXT_BYTES       4096

/* Integers and pointers are passed alike, and a conversion takes of one what it needs. */
struct arguments {
	uint64_t values[MAX_ARGUMENTS];
	char *texts[MAX_CONVERSIONS];   /* to be freed */
	unsigned nr_values, nr_texts;
};

#define ALL_OF(values) (values)[0], (values)[1], (values)[2], (values)[3], (values)[4],  \
	(values)[5], (values)[6], (values)[7], (values)[8], (values)[9], (values)[10], (values)[11]
_Static_assert(MAX_ARGUMENTS == 12, "ALL_OF() passes so many");

/* A template that is being written. */
struct writer {
	char text[512];
	size_t nr_bytes;
};

static void add(struct writer *writer, const char *text)
{
	size_t nr_bytes = strlen(text);

	MUST(writer->nr_bytes + nr_bytes < sizeof(writer->text), "the template is too long");
	memcpy(writer->text + writer->nr_bytes, text, nr_bytes + 1);
	writer->nr_bytes += nr_bytes;
}

static void add_number(struct writer *writer, const char *before, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%s%d", before, number);
	add(writer, text);
}

/* A width, or a precision behind a point: none, a number, a * with its argument, or "". */
static void add_field(struct writer *writer, struct arguments *arguments, struct input *input,
		      const char *before)
{
	unsigned how = take_byte(input) % 4;
	int number = (int8_t)take_byte(input) % MAX_STAR;

	if (how == 1) {
		add_number(writer, before, abs(number));
	} else if (how == 3) {
		add(writer, before);
	} else if (how == 2) {
		add(writer, before);
		add(writer, "*");
		arguments->values[arguments->nr_values++] = (uint64_t)number;
	}
}

/* The next bytes as a text; without a NUL it is a piece of memory that ends there. */
static void add_text(struct arguments *arguments, struct input *input, bool has_nul)
{
	size_t nr_bytes = take_byte(input) % 64;
	void *text;

	if (nr_bytes > input->nr_left)
		nr_bytes = input->nr_left;
	text = has_nul ? text_copy(input->next, nr_bytes) : exact_copy(input->next, nr_bytes);
	if (!has_nul)
		arguments->values[arguments->nr_values++] = nr_bytes;
	arguments->values[arguments->nr_values++] = (uint64_t)text;
	arguments->texts[arguments->nr_texts++] = text;
	input->next += nr_bytes;
	input->nr_left -= nr_bytes;
}

static void add_number_of(struct writer *writer, struct arguments *arguments, struct input *input,
			  const char *conversion)
{
	static const char *const lengths[] = { "", "l", "ll", "z", "hh", "h", "j", "t" };

	add(writer, lengths[take_byte(input) % 8]);
	add(writer, conversion);
	arguments->values[arguments->nr_values++] = take_long(input);
}

/* One of the conversions that format.h lists, with what ISO C gives a meaning to. */
static void add_conversion(struct writer *writer, struct arguments *arguments, struct input *input)
{
	static const char *const numbers[] = { "d", "i", "u", "x", "X", "o" };
	enum { NR_NUMBERS = 6, TEXT = NR_NUMBERS, PIECE, CHARACTER, PERCENT, NR_KINDS };
	unsigned kind = take_byte(input) % NR_KINDS, flags = take_byte(input);

	if (kind == PERCENT) {
		add(writer, "%%");
		return;
	}
	add(writer, "%");
	if (flags & 1)
		add(writer, "-");
	if (kind < NR_NUMBERS && (flags & 2))
		add(writer, "0");
	if (kind < NR_NUMBERS && strchr("xXo", *numbers[kind]) != NULL && (flags & 4))
		add(writer, "#");
	if (kind < NR_NUMBERS && strchr("di", *numbers[kind]) != NULL && (flags & 8))
		add(writer, "+");
	if (kind < NR_NUMBERS && strchr("di", *numbers[kind]) != NULL && (flags & 16))
		add(writer, " ");
	add_field(writer, arguments, input, "");
	if (kind < NR_NUMBERS || kind == TEXT)
		add_field(writer, arguments, input, ".");
	if (kind < NR_NUMBERS) {
		add_number_of(writer, arguments, input, numbers[kind]);
	} else if (kind == CHARACTER) {
		add(writer, "c");
		arguments->values[arguments->nr_values++] = take_byte(input);
	} else {
		add(writer, kind == TEXT ? "s" : ".*s");
		add_text(arguments, input, kind == TEXT);
	}
}

/* Both write the same, and into a smaller buffer the beginning of it. */
static void must_be_the_hosts(const char *template, const uint64_t *values, size_t small_bytes)
{
	char ours[TEXT_BYTES], theirs[TEXT_BYTES], *small = malloc(small_bytes);
	size_t nr_bytes = (size_t)snprintf(theirs, sizeof(theirs), template, ALL_OF(values));
	size_t nr_kept = nr_bytes < small_bytes ? nr_bytes : small_bytes - 1;
	bool fits;

	MUST(nr_bytes < sizeof(theirs), "%zu bytes", nr_bytes);
	MUST(format_string(ours, sizeof(ours), template, ALL_OF(values)), "\"%s\" is cut",
	     template);
	MUST(memcmp(ours, theirs, nr_bytes + 1) == 0, "\"%s\": \"%s\", but the host says \"%s\"",
	     template, ours, theirs);
	fits = format_string(small, small_bytes, template, ALL_OF(values));
	MUST(fits == (nr_bytes < small_bytes), "\"%s\": %zu bytes into %zu", template, nr_bytes,
	     small_bytes);
	MUST(memcmp(small, theirs, nr_kept) == 0 && small[nr_kept] == '\0', "\"%s\" cut to %zu",
	     template, nr_kept);
	free(small);
}

static void try_conversions(struct input *input)
{
	struct writer writer = { .nr_bytes = 0 };
	struct arguments arguments = { .nr_values = 0 };
	size_t small_bytes = 1 + take_byte(input);
	unsigned nr_conversions = 1 + take_byte(input) % MAX_CONVERSIONS;

	for (unsigned i = 0; i < nr_conversions; i++) {
		add_conversion(&writer, &arguments, input);
		add(&writer, i % 2 == 0 ? "|" : "");
	}
	must_be_the_hosts(writer.text, arguments.values, small_bytes);
	for (unsigned i = 0; i < arguments.nr_texts; i++)
		free(arguments.texts[i]);
}

typedef void (*formatter)(struct sink *sink, const char *template, va_list arguments);

static void format_with(formatter how, struct sink *sink, const char *template, ...)
{
	va_list arguments;

	va_start(arguments, template);
	how(sink, template, arguments);
	va_end(arguments);
}

/* Every argument is the same text, or its address: something for all conversions. */
static struct buffer_sink format_into(char *buffer, size_t nr_bytes, formatter how,
				      const char *template)
{
	static const char text[] = "ser\npent";
	struct buffer_sink sink;

	buffer_sink_init(&sink, buffer, nr_bytes);
	format_with(how, &sink.sink, template, text, text, text, text, text, text, text, text);
	return sink;
}

static void must_be_a_line(struct buffer_sink line)
{
	for (size_t i = 0; i < line.nr_bytes; i++)
		MUST((uint8_t)line.text[i] >= ' ' && line.text[i] != 0x7f, "%#x in a line",
		     line.text[i]);
}

/* What fits into a buffer is the beginning of what is written. */
static void must_be_the_beginning(formatter how, const char *template, size_t capacity)
{
	char all[TEXT_BYTES], *some = malloc(capacity);
	struct buffer_sink whole = format_into(all, sizeof(all), how, template);
	struct buffer_sink small = format_into(some, capacity, how, template);

	MUST(whole.nr_bytes <= sizeof(all) && small.nr_bytes <= capacity, "\"%s\"", template);
	MUST(small.cut == (whole.cut || whole.nr_bytes > capacity), "\"%s\"", template);
	MUST(small.nr_bytes == (small.cut ? capacity : whole.nr_bytes) &&
	     memcmp(some, all, small.nr_bytes) == 0, "\"%s\" cut to %zu", template, capacity);
	if (how == vformat_line)
		must_be_a_line(whole);
	if (how == vformat_record && !whole.cut) {
		MUST(whole.nr_bytes > 0 && whole.text[--whole.nr_bytes] == '\n', "\"%s\"", template);
		must_be_a_line(whole);
	}
	free(some);
}

static size_t nr_arguments(const char *template)
{
	size_t nr = 0;

	for (; *template != '\0'; template++)
		nr += *template == '%' || *template == '*';
	return nr;
}

static void try_template(struct input *input)
{
	size_t capacity = take_byte(input);
	char *template = text_copy(input->next, input->nr_left);

	if (nr_arguments(template) <= MAX_GIVEN) {
		must_be_the_beginning(vformat, template, capacity);
		must_be_the_beginning(vformat_line, template, capacity);
		must_be_the_beginning(vformat_record, template, capacity);
	}
	free(template);
}

void fuzz_one(const uint8_t *bytes, size_t nr_bytes)
{
	struct input input = { bytes, nr_bytes };

	if (take_byte(&input) % 2 == 0)
		try_conversions(&input);
	else
		try_template(&input);
}
