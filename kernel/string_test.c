/* SPDX-License-Identifier: MIT */
/* string_test.c: tests of memory, text, patterns and numbers. */
#include "ktest.h"
#include "memory.h"
#include "string.h"

#define ROOM_BYTES   192        /* a test's piece of memory */
#define MAX_LENGTH   144        /* a REP's bytes and more: words and rest of any length */
#define MARGIN       8          /* bytes in front that must not change */

static uint8_t room[ROOM_BYTES], expected[ROOM_BYTES];

/* Gives every byte of both rooms a value that tells where it came from. */
static void number_bytes(void)
{
	for (size_t i = 0; i < ROOM_BYTES; i++)
		room[i] = expected[i] = (uint8_t)(i + 1);
}

static bool as_expected(void)
{
	for (size_t i = 0; i < ROOM_BYTES; i++) {
		if (room[i] != expected[i])
			return false;
	}
	return true;
}

KTEST(string, memcpy_writes_the_target_and_nothing_else)
{
	static uint8_t source[ROOM_BYTES];

	for (size_t i = 0; i < ROOM_BYTES; i++)
		source[i] = (uint8_t)~i;
	for (size_t length = 0; length <= MAX_LENGTH; length++) {
		for (size_t shift = 0; shift < 8; shift++) {
			number_bytes();
			for (size_t i = 0; i < length; i++)
				expected[MARGIN + shift + i] = source[7 - shift + i];
			CHECK(memcpy(room + MARGIN + shift, source + 7 - shift, length) ==
			      room + MARGIN + shift, "length %zu", length);
			CHECK(as_expected(), "length %zu, shift %zu", length, shift);
		}
		ktest_progress();
	}
}

KTEST(string, memmove_keeps_what_overlaps)
{
	const size_t middle = (ROOM_BYTES - MAX_LENGTH) / 2;

	for (size_t length = 0; length <= MAX_LENGTH; length++) {
		for (size_t to = 0; to < ROOM_BYTES - MAX_LENGTH; to++) {
			number_bytes();
			for (size_t i = 0; i < length; i++)
				expected[to + i] = (uint8_t)(middle + i + 1);
			CHECK(memmove(room + to, room + middle, length) == room + to, "target");
			CHECK(as_expected(), "%zu bytes from %zu to %zu", length, middle, to);
		}
		ktest_progress();
	}
}

KTEST(string, memset_fills_the_target_and_nothing_else)
{
	for (size_t length = 0; length <= MAX_LENGTH; length++) {
		for (size_t shift = 0; shift < 8; shift++) {
			number_bytes();
			for (size_t i = 0; i < length; i++)
				expected[MARGIN + shift + i] = 0xa5;
			CHECK(memset(room + MARGIN + shift, 0x7a5, length) ==
			      room + MARGIN + shift, "length %zu", length);
			CHECK(as_expected(), "length %zu, shift %zu", length, shift);
		}
		ktest_progress();
	}
}

KTEST(string, comparisons_order_by_unsigned_bytes)
{
	CHECK(memcmp("ab\0c", "ab\0d", 4) < 0, "a NUL is a byte like any other");
	CHECK(memcmp("ab\0c", "ab\0d", 3) == 0, "only so many bytes count");
	CHECK(memcmp("\x80", "\x7f", 1) > 0, "bytes are unsigned");
	CHECK(strcmp("", "") == 0 && strcmp("a", "ab") < 0 && strcmp("b", "ab") > 0, "order");
	CHECK(strcmp("\x80", "\x7f") > 0, "characters are unsigned");
	CHECK(strncmp("abc", "abd", 2) == 0 && strncmp("abc", "abd", 3) < 0, "limit");
	CHECK(strncmp("a\0b", "a\0c", 3) == 0, "the NUL ends both");
}

KTEST(string, searches_find_the_first_and_stop_at_the_nul)
{
	const char *text = "snake eats snake";

	CHECK(strlen(text) == 16 && strlen("") == 0, "%zu", strlen(text));
	CHECK(strnlen(text, 5) == 5 && strnlen("ab", 5) == 2, "strnlen");
	CHECK(memchr(text, 'e', 17) == text + 4 && memchr(text, '\0', 17) == text + 16, "memchr");
	CHECK(memchr(text, 'e', 5) == text + 4 && memchr(text, 'e', 4) == NULL, "memchr's limit");
	CHECK(memchr(text, 's', 0) == NULL, "memchr in nothing");
	CHECK(strchr(text, 'e') == text + 4 && strchr(text, 'x') == NULL, "strchr");
	CHECK(strchr(text, '\0') == text + 16, "the NUL can be searched for");
	CHECK(strstr(text, "snake") == text && strstr(text, "ake") == text + 2, "strstr");
	CHECK(strstr(text, "snakes") == NULL && strstr(text, "") == text, "strstr");
	CHECK(strstr("", "a") == NULL && strstr("aab", "ab") != NULL, "strstr");
	CHECK(starts_with(text, "snake ") && !starts_with("sn", "snake"), "starts_with");
}

/* Among others that differ from it in one bit, or in all. */
KTEST(string, memchr_finds_the_first_wherever_it_is)
{
	static const uint8_t others[] = { 'a', 'b' ^ 1, 'b' ^ 0x80, 'b' ^ 0x81, (uint8_t)~'b', 0, 0xff };

	for (size_t i = 0; i < sizeof(others) * 40; i++) {
		size_t at = i % 40;

		memset(room, others[i / 40], sizeof(room));
		room[at] = room[at + 9] = 'b';
		for (size_t start = 0; start <= at; start++) {
			CHECK(memchr(room + start, 'b', sizeof(room) - start) == room + at,
			      "byte %zu from %zu on among %#x", at, start, others[i / 40]);
			CHECK(memchr(room + start, 'b', at - start) == NULL, "%zu bytes", at - start);
		}
	}
}

KTEST(string, globs_match_what_they_say)
{
	static const struct { const char *pattern, *text; bool matches; } cases[] = {
		{ "", "", true }, { "", "a", false }, { "a", "", false }, { "*", "", true },
		{ "***", "abc", true }, { "a**", "a", true },
		{ "a?c", "abc", true }, { "a?c", "ac", false }, { "?", "", false },
		{ "frame.*", "frame.merge", true },
		{ "frame.*", "frames.merge", false }, { "*.merge", "frame.merge", true },
		{ "*.merge", "frame.merges", false }, { "a*b*c", "aXbYbZc", true },
		{ "a*b*c", "aXcYb", false }, { "*aab", "aaaab", true }, { "*a?", "aaa", true },
		{ "a*", "*", false }, { "*?*", "", false },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		CHECK(glob_matches(cases[i].pattern, cases[i].text) == cases[i].matches,
		      "\"%s\" and \"%s\"", cases[i].pattern, cases[i].text);
}

KTEST(string, globs_take_no_longer_than_pattern_times_text)
{
	static char text[256];

	/* A matcher that tries all ways to share out the text is still at it tomorrow. */
	memset(text, 'a', sizeof(text) - 1);
	CHECK(!glob_matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", text), "there is no b");
}

KTEST(string, numbers_are_read_up_to_the_first_other_byte)
{
	static const struct { const char *text; unsigned long value; char next; } cases[] = {
		{ "0", 0, '\0' }, { "007", 7, '\0' }, { "42 ", 42, ' ' }, { "0x1F,", 0x1f, ',' },
		{ "0xfFg", 0xff, 'g' }, { "12ab", 12, 'a' }, { "1K@", 1024, '@' },
		{ "3MB", 3 << 20, 'B' }, { "0x10G", 16ul << 30, '\0' }, { "5k", 5, 'k' },
		{ "1KK", 1024, 'K' }, { "18446744073709551615", ~0ul, '\0' },
		{ "0xffffffffffffffff", ~0ul, '\0' }, { "18014398509481983K", ~0ul << 10, '\0' },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		unsigned long value = 1;
		const char *end = NULL;

		CHECK(parse_number(cases[i].text, &value, &end), "\"%s\"", cases[i].text);
		CHECK(value == cases[i].value, "\"%s\" is read as %lu", cases[i].text, value);
		CHECK(*end == cases[i].next, "\"%s\" ends at \"%s\"", cases[i].text, end);
	}
}

KTEST(string, numbers_without_digits_or_too_large_are_refused)
{
	static const char *const cases[] = {
		"", " 1", "-1", "+1", "K", "x1", "0x", "0xg", "0xK", "18446744073709551616",
		"99999999999999999999", "0x10000000000000000", "18014398509481984K", "0x400000000G",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		unsigned long value = 77;
		const char *end = cases[i];

		CHECK(!parse_number(cases[i], &value, &end), "\"%s\" = %lu", cases[i], value);
		CHECK(value == 77 && end == cases[i], "\"%s\" changed its results", cases[i]);
	}
}

/* The compiler must not know the words, or it would count their bits itself. */
KTEST(string, popcount_counts_the_bits_of_a_word)
{
	for (unsigned i = 0; i < 64; i++) {
		volatile uint64_t low = (1ul << i) - 1, one = 1ul << i, all = UINT64_MAX << i;

		CHECK(__builtin_popcountl(low) == (int)i, "%#lx", low);
		CHECK(__builtin_popcountl(one) == 1, "%#lx", one);
		CHECK(__builtin_popcountl(all) == 64 - (int)i, "%#lx", all);
		CHECK(__builtin_popcount((unsigned)low) == (int)(i < 32 ? i : 32), "%#lx", low);
	}
}
