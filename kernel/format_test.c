/* SPDX-License-Identifier: MIT */
/* format_test.c: the formatter's conversions, and that it stays within its sink. */
#include <stdint.h>

#include "clock.h"
#include "format.h"
#include "image.h"
#include "ktest.h"
#include "memory.h"
#include "string.h"

static char text[512];

/* Formats into `text` what the compiler must not check: it would not let it pass. */
static void format_unchecked(size_t capacity_bytes, const char *template, ...)
{
	struct buffer_sink buffer;
	va_list arguments;

	buffer_sink_init(&buffer, text, capacity_bytes - 1);
	va_start(arguments, template);
	vformat(&buffer.sink, template, arguments);
	va_end(arguments);
	text[buffer.nr_bytes] = '\0';
}

#define CHECK_FORMAT(expected, ...)                                                     \
	do {                                                                            \
		format_string(text, sizeof(text), __VA_ARGS__);                         \
		CHECK(strcmp(text, expected) == 0, "got \"%s\" for \"%s\"", text, expected); \
	} while (0)

KTEST(format, plain_text_and_percent)
{
	CHECK_FORMAT("100% sure", "100%% sure");
	CHECK_FORMAT("", "%s", "");
}

KTEST(format, signed_numbers)
{
	CHECK_FORMAT("0 -1 42", "%d %d %i", 0, -1, 42);
	CHECK_FORMAT("-2147483648", "%d", INT32_MIN);
	CHECK_FORMAT("-9223372036854775808", "%ld", INT64_MIN);
	CHECK_FORMAT("9223372036854775807", "%lld", INT64_MAX + 0ll);
}

KTEST(format, unsigned_numbers)
{
	CHECK_FORMAT("4294967295", "%u", UINT32_MAX);
	CHECK_FORMAT("18446744073709551615", "%lu", UINT64_MAX);
	CHECK_FORMAT("10000000000", "%llu", 10000000000ull);
	CHECK_FORMAT("7", "%zu", (size_t)7);
}

/* Digits are made in pairs: all pairs, and numbers with an odd and an even number of digits. */
KTEST(format, every_digit)
{
	for (uint64_t number = 1; number < UINT64_MAX / 7; number = number < 1200 ? number + 1 : number * 7 - 1) {
		char expected[24], *at = expected + sizeof(expected) - 1;

		*at = '\0';
		for (uint64_t rest = number; rest != 0; rest /= 10)
			*--at = (char)('0' + rest % 10);
		CHECK_FORMAT(at, "%lu", number);
	}
}

KTEST(format, lengths)
{
	CHECK_FORMAT("-1 255 -1 65535", "%hhd %hhu %hd %hu", (signed char)-1, (unsigned char)-1,
		     (short)-1, (unsigned short)-1);
	CHECK_FORMAT("44 2c", "%hhd %hhx", (signed char)300, (unsigned char)300);
	CHECK_FORMAT("-9223372036854775808 -1 -2", "%jd %td %zd", (intmax_t)INT64_MIN, (ptrdiff_t)-1,
		     (size_t)-2);
}

KTEST(format, octal)
{
	CHECK_FORMAT("0 10 37777777777", "%o %o %o", 0, 8, UINT32_MAX);
	CHECK_FORMAT("1777777777777777777777", "%lo", UINT64_MAX);
	CHECK_FORMAT("0 010 00010 [  010]", "%#o %#o %#.5o [%#5o]", 0, 8, 8, 8);
}

KTEST(format, signs)
{
	CHECK_FORMAT("+5 -5 +0 [ 5] [-5]", "%+d %+d %+d [% d] [% d]", 5, -5, 0, 5, -5);
	CHECK_FORMAT("[  +5] [+5  ] [+005]", "[%+4d] [%-+4d] [%+04d]", 5, 5, 5);
}

KTEST(format, hexadecimal_and_pointers)
{
	CHECK_FORMAT("deadbeef DEADBEEF 0x1f", "%x %X %#x", 0xdeadbeef, 0xdeadbeef, 0x1f);
	CHECK_FORMAT("0xffff800000001000", "%p", (void *)0xffff800000001000);
	CHECK_FORMAT("0x0000000000000000", "%p", NULL);
}

KTEST(format, widths_and_zero_padding)
{
	CHECK_FORMAT("[   42] [42   ] [00042]", "[%5d] [%-5d] [%05d]", 42, 42, 42);
	CHECK_FORMAT("[-0042] [  -42]", "[%05d] [%5d]", -42, -42);
	CHECK_FORMAT("[0x00001f] [0X1F] [0]", "[%#08x] [%#X] [%#x]", 0x1f, 0x1f, 0);
	CHECK_FORMAT("[  0x0000000000001000]", "[%20p]", (void *)0x1000);
	CHECK_FORMAT("[   ab] [ab   ]", "[%*s] [%*s]", 5, "ab", -5, "ab");
}

KTEST(format, precision)
{
	CHECK_FORMAT("[007] [  007]", "[%.3d] [%5.3d]", 7, 7);
	CHECK_FORMAT("[] [0] [   ]", "[%.0d] [%d] [%3.d]", 0, 0, 0);
	CHECK_FORMAT("[7] [007]", "[%.*d] [%0*d]", -1, 7, 3, 7);
	CHECK_FORMAT("[abc] [  abc]", "[%.3s] [%5.*s]", "abcdef", 3, "abcdef");
}

KTEST(format, precision_bounds_an_unterminated_string)
{
	static const char unterminated[3] = { 'a', 'b', 'c' };

	CHECK_FORMAT("abc", "%.3s", unterminated);
}

/* Behind the fault stack, which nobody uses now, no page is mapped. */
KTEST(format, a_text_may_end_where_its_page_ends)
{
	static const char example[] = "0123456789 is a template as well";

	for (size_t nr_bytes = 0; nr_bytes < sizeof(example); nr_bytes++) {
		const char *tail = example + sizeof(example) - 1 - nr_bytes;
		char *at_end = memcpy(fault_stack_top - nr_bytes - 1, tail, nr_bytes + 1);

		CHECK_FORMAT(tail, "%s", at_end);
		format_unchecked(sizeof(text), at_end);
		CHECK(strcmp(text, tail) == 0, "as a template: \"%s\"", text);
		memcpy(fault_stack_top - nr_bytes, tail, nr_bytes);
		CHECK_FORMAT(tail, "%.*s", (int)nr_bytes, fault_stack_top - nr_bytes);
	}
}

KTEST(format, characters_and_null_strings)
{
	const char *volatile nothing = NULL;

	CHECK_FORMAT("x [  y] (null)", "%c [%3c] %s", 'x', 'y', nothing);
}

KTEST(format, unknown_conversion_is_printed_and_reads_no_more)
{
	static const char *const rests[] = {
		"%q %s", "%-5.3n and %s", "%", "%-", "%5.", "%*", "%l", "%ls", "%lc", "%1$d",
		"%'d, the rest of the text",
	};
	char template[64];

	for (size_t i = 0; i < ARRAY_LENGTH(rests); i++) {
		format_string(template, sizeof(template), "%%d %s", rests[i]);
		format_unchecked(sizeof(text), template, 1, 2);
		CHECK(starts_with(text, "1 ") && strcmp(text + 2, rests[i]) == 0, "got \"%s\"", text);
	}
}

KTEST(format, a_full_sink_cuts_and_says_so)
{
	memset(text, '#', sizeof(text));
	CHECK(!format_string(text, 6, "%s", "abcdefgh"), "it said that it fitted");
	CHECK(strcmp(text, "abcde") == 0, "got \"%s\"", text);
	CHECK(text[6] == '#', "wrote past its sink");
	CHECK(format_string(text, 6, "%s", "abcde"), "it said that it did not fit");
}

KTEST(format, a_width_counts_up_to_its_bound)
{
	memset(text, '#', sizeof(text));
	format_unchecked(16, "%999999999d", 1);
	CHECK(strlen(text) == 15 && text[16] == '#', "%zu bytes written", strlen(text));
	format_unchecked(sizeof(text), "%999999999999d", 1);
	CHECK(strlen(text) == FORMAT_MAX_FIELD, "%zu bytes", strlen(text));
	format_unchecked(sizeof(text), "%*d", INT32_MIN, 1);
	CHECK(strlen(text) == FORMAT_MAX_FIELD && text[0] == '1', "%zu bytes", strlen(text));
	format_unchecked(sizeof(text), "%.*d", INT32_MAX, 1);
	CHECK(strlen(text) == FORMAT_MAX_FIELD && text[0] == '0', "%zu bytes", strlen(text));
}

KTEST(format, long_texts_are_whole)
{
	static char expected[300], string[301];

	for (size_t nr_bytes = 0; nr_bytes <= sizeof(expected); nr_bytes++) {
		memset(expected, 'x', sizeof(expected));
		memset(string, 'x', nr_bytes);
		string[nr_bytes] = '\0';
		format_string(text, sizeof(text), "%s", string);
		CHECK(strcmp(text, string) == 0, "%zu bytes: got \"%s\"", nr_bytes, text);
		format_string(text, sizeof(text), "%.*s|", (int)nr_bytes, expected);
		CHECK(strlen(text) == nr_bytes + 1 && text[nr_bytes] == '|', "got \"%s\"", text);
	}
}

typedef void (*formatter)(struct sink *sink, const char *template, va_list arguments);

static void format_by(formatter how, const char *template, ...)
{
	struct buffer_sink line;
	va_list arguments;

	buffer_sink_init(&line, text, sizeof(text) - 1);
	va_start(arguments, template);
	how(&line.sink, template, arguments);
	va_end(arguments);
	text[line.nr_bytes] = '\0';
}

KTEST(format, a_line_has_no_control_bytes)
{
	format_by(vformat_line, "a\nb%c%s|%5s|%.2s", '\r', "\033[2J\177", "\t", "\n\n\n");
	CHECK(strcmp(text, "a\\x0ab\\x0d\\x1b[2J\\x7f|    \\x09|\\x0a\\x0a") == 0, "got %s", text);
	format_by(vformat_line, "%c \\ 100%% \xc3\xa9", '\0');
	CHECK(strcmp(text, "\\x00 \\ 100% \xc3\xa9") == 0, "got %s", text);
	for (int byte = 1; byte < 256; byte++) {
		format_by(vformat_line, "%c", byte);
		CHECK((strlen(text) == 4) == (byte < 0x20 || byte == 0x7f), "byte %#x: %s", byte, text);
	}
}

/* Its newline is no control byte of the text, and has room behind any text. */
KTEST(format, a_record_ends_in_its_only_newline)
{
	format_by(vformat_record, "a\n%s", "\n");
	CHECK(strcmp(text, "a\\x0a\\x0a\n") == 0, "got %s", text);
	for (int nr_bytes = 0; nr_bytes < 200; nr_bytes++) {
		format_by(vformat_record, "%*s%*d", nr_bytes, "", nr_bytes, 1);
		CHECK(strlen(text) == 2u * nr_bytes + (nr_bytes == 0) + 1 && strchr(text, '\n')[1] == '\0',
		      "%zu bytes: %s", strlen(text), text);
	}
}

/* Text is looked at by words: each byte in each place, whatever its neighbours carry over to it. */
KTEST(format, a_control_byte_is_seen_among_any_others)
{
	static const uint8_t bytes[] = { 1, 0x1f, ' ', '$', '%', '&', 0x7e, 0x7f, 0x80, 0xa5, 0xfe, 0xff };

	for (size_t i = 0; i < sizeof(bytes) * sizeof(bytes) * 8; i++) {
		uint8_t byte = bytes[i / 8 % sizeof(bytes)], other = bytes[i / 8 / sizeof(bytes)];
		bool is_escaped = byte < ' ' || byte == 0x7f, are_escaped = other < ' ' || other == 0x7f;
		char sample[17] = "", *at = text;

		memset(sample, other, sizeof(sample) - 1);
		sample[i % 8] = (char)byte;
		format_by(vformat_line, "%s", sample);
		CHECK(strlen(text) == 16 + 3u * is_escaped + 45u * are_escaped, "%#x in %#x: %s", byte, other, text);
		at += are_escaped ? i % 8 * 4 : i % 8;
		CHECK(is_escaped ? starts_with(at, "\\x") : (uint8_t)*at == byte, "%#x in %#x: %s", byte, other, text);
	}
}

#define SINK_BYTES 256

/* Instructions that a template with one argument takes, into a sink of SINK_BYTES. */
static uint64_t cost_of(const char *template, const char *argument)
{
	uint64_t begin = clock_instructions();

	format_unchecked(SINK_BYTES, template, argument);
	return clock_instructions() - begin;
}

KTEST(format, work_is_bounded_by_what_the_sink_takes)
{
	static char huge[20000];
	static const char *const templates[] = {
		"%s", "%.99999s", "%4000s", "%-4000s", "%4000.4000s", "%4000d", "%-4000d", "%.4000d",
		"%04000d", "%4000c", "%*d", "%s%s%s%s", "%q %s",
	};
	const uint64_t most = 150 * SINK_BYTES;
	uint64_t cost;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	memset(huge, 'x', sizeof(huge) - 1);
	for (size_t i = 0; i < ARRAY_LENGTH(templates); i++) {
		cost = cost_of(templates[i], huge);
		CHECK(cost < most, "%s: %lu instructions", templates[i], cost);
	}
	cost = cost_of(huge, "");
	CHECK(cost < most, "a long template: %lu instructions", cost);
	memset(huge, '\n', sizeof(huge) - 1);
	cost = cost_of("%s", huge);
	CHECK(cost < most, "newlines: %lu instructions", cost);
}
