/* SPDX-License-Identifier: MIT */
/* name_test.c: tests of names as text. */
#include "format.h"
#include "ktest.h"
#include "memory.h"
#include "name.h"
#include "string.h"

static char text[1280], name[256];

static void show(const char *bytes, size_t nr_bytes)
{
	struct buffer_sink sink;

	buffer_sink_init(&sink, text, sizeof(text) - 1);
	name_show(&sink.sink, bytes, nr_bytes);
	text[sink.nr_bytes] = '\0';
}

KTEST(name, what_a_terminal_would_obey_or_nobody_sees_is_escaped)
{
	static const struct { const char *name, *text; } cases[] = {
		{ "", "" }, { "etc/motd", "etc/motd" }, { "a b", "a b" },
		{ "größe", "größe" }, { "学号", "学号" }, { "😀", "😀" },
		{ "\xc2\xa0", "\xc2\xa0" },                             /* U+00A0 */
		{ "\x1b[2J", "\\x1b[2J" }, { "a\nb\r", "a\\x0ab\\x0d" }, { "\x7f", "\\x7f" },
		{ "\xc2\x9b" "2J", "\\xc2\\x9b2J" },                    /* U+009B: CSI */
		{ "\x9b" "2J", "\\x9b2J" },                             /* the same in 8 bits */
		{ "\\", "\\x5c" }, { " a ", "\\x20a\\x20" }, { " ", "\\x20" },
		{ "\xfc", "\\xfc" }, { "\xe5\xad", "\\xe5\\xad" },      /* Latin 1; cut */
		{ "\xc0\xaf", "\\xc0\\xaf" }, { "\xe0\x80\x8a", "\\xe0\\x80\\x8a" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },                  /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },         /* above U+10FFFF */
		{ "\xff\xfe", "\\xff\\xfe" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		show(cases[i].name, strlen(cases[i].name));
		CHECK(strcmp(text, cases[i].text) == 0, "%zu: \"%s\"", i, text);
	}
}

KTEST(name, whatever_is_shown_can_be_read_back)
{
	static char bytes[sizeof(name) - 1];

	for (size_t round = 0; round < 200; round++) {
		size_t nr_bytes = random_below(&ktest_random, sizeof(bytes));

		for (size_t i = 0; i < nr_bytes; i++)
			bytes[i] = (char)(1 + random_below(&ktest_random, round < 100 ? 255 : 127));
		show(bytes, nr_bytes);
		for (const char *byte = text; *byte != '\0'; byte++)
			CHECK((uint8_t)*byte >= ' ' && *byte != 0x7f, "\\x%02x is shown raw", *byte);
		CHECK(name_read(text, name, sizeof(name)), "\"%s\" does not fit", text);
		CHECK(strlen(name) == nr_bytes && memcmp(name, bytes, nr_bytes) == 0,
		      "\"%s\" is read as another name", text);
		ktest_progress();
	}
}

KTEST(name, a_backslash_alone_stands_for_itself)
{
	static const struct { const char *text, *name; } cases[] = {
		{ "\\x41\\x4a\\x4A", "AJJ" }, { "\\", "\\" }, { "\\x", "\\x" }, { "\\x4", "\\x4" },
		{ "\\x4g", "\\x4g" }, { "\\x00", "\\x00" }, { "\\n", "\\n" }, { "\\\\x41", "\\A" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		CHECK(name_read(cases[i].text, name, sizeof(name)), "does not fit");
		CHECK(strcmp(name, cases[i].name) == 0, "%s is \"%s\"", cases[i].text, name);
	}
	CHECK(name_read("abc", name, 4) && !name_read("abcd", name, 4), "4 bytes with the NUL");
}
