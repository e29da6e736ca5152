/* SPDX-License-Identifier: MIT */
/* format_test.c: the formatter's conversions, and that it stays within its sink. */
#include <stdint.h>

#include "format.h"
#include "ktest.h"
#include "string.h"

static char text[128];

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
	CHECK_FORMAT("[0x00001f]", "[%#08x]", 0x1f);
	CHECK_FORMAT("[   ab] [ab   ]", "[%*s] [%*s]", 5, "ab", -5, "ab");
}

KTEST(format, precision)
{
	CHECK_FORMAT("[007] [  007]", "[%.3d] [%5.3d]", 7, 7);
	CHECK_FORMAT("[] [0]", "[%.0d] [%d]", 0, 0);
	CHECK_FORMAT("[abc] [  abc]", "[%.3s] [%5.*s]", "abcdef", 3, "abcdef");
}

KTEST(format, precision_bounds_an_unterminated_string)
{
	static const char unterminated[3] = { 'a', 'b', 'c' };

	CHECK_FORMAT("abc", "%.3s", unterminated);
}

KTEST(format, characters_and_null_strings)
{
	const char *volatile nothing = NULL;

	CHECK_FORMAT("x [  y] (null)", "%c [%3c] %s", 'x', 'y', nothing);
}

KTEST(format, unknown_conversion_is_printed_and_reads_no_more)
{
	const char *template = "%d %q %s";

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	format_string(text, sizeof(text), template, 1);
#pragma GCC diagnostic pop
	CHECK(strcmp(text, "1 %q %s") == 0, "got \"%s\"", text);
}

KTEST(format, a_full_sink_cuts_and_says_so)
{
	memset(text, '#', sizeof(text));
	CHECK(!format_string(text, 6, "%s", "abcdefgh"), "it said that it fitted");
	CHECK(strcmp(text, "abcde") == 0, "got \"%s\"", text);
	CHECK(text[6] == '#', "wrote past its sink");
	CHECK(format_string(text, 6, "%s", "abcde"), "it said that it did not fit");
}

KTEST(format, huge_width_stays_within_the_sink)
{
	memset(text, '#', sizeof(text));
	format_string(text, 16, "%999999999d", 1);
	CHECK(strlen(text) == 15 && text[16] == '#', "%zu bytes written", strlen(text));
}
