/* SPDX-License-Identifier: MIT */
/* line_test.c: tests of the line editor. Each types keys and looks at the line and the echo. */
#include "format.h"
#include "ktest.h"
#include "line.h"
#include "memory.h"
#include "string.h"

static struct line line;
static char echo[4 * LINE_MAX_BYTES];

/* Types keys at a new line, until it ends. The echo, NUL-terminated, is in `echo`. */
static enum line_end type(const char *keys)
{
	enum line_end end = LINE_OPEN;
	struct buffer_sink sink;

	buffer_sink_init(&sink, echo, sizeof(echo) - 1);
	line_begin(&line);
	while (*keys != '\0' && end == LINE_OPEN)
		end = line_edit(&line, *keys++, &sink.sink);
	echo[sink.nr_bytes] = '\0';
	CHECK(*keys == '\0', "ended before \"%s\"", keys);
	return end;
}

static void expect(const char *keys, const char *text)
{
	enum line_end end = type(keys);

	CHECK(end == LINE_COMPLETE, "ended with %d instead of \"%s\"", end, text);
	CHECK(strcmp(line.text, text) == 0, "\"%s\" instead of \"%s\"", line.text, text);
}

KTEST(line, enter_completes_it)
{
	expect("ls\r", "ls");
	CHECK(strcmp(echo, "ls\n") == 0, "echoed \"%s\"", echo);
	expect("cat etc/motd\n", "cat etc/motd");
	expect("\r", "");
	CHECK(type("ls") == LINE_OPEN, "complete without Enter");
}

KTEST(line, characters_and_lines_are_taken_back)
{
	expect("lz\bs\r", "ls");
	CHECK(strcmp(echo, "lz\b \bs\n") == 0, "echoed \"%s\"", echo);
	expect("\b\x7fok\n", "ok");
	CHECK(strcmp(echo, "ok\n") == 0, "echoed \"%s\"", echo);
	expect("nonsense\x15help\r", "help");
	CHECK(type("gone\x03") == LINE_DROPPED, "^C does not end it");
	CHECK(line.text[0] == '\0', "^C left \"%s\"", line.text);
}

KTEST(line, characters_of_utf_8_are_taken_whole_and_taken_back_whole)
{
	expect("cat été\r", "cat été");
	CHECK(strcmp(echo, "cat été\n") == 0, "echoed \"%s\"", echo);
	expect("é\b漢\x7f😀\be\r", "e");
	CHECK(strcmp(echo, "é\b \b漢\b \b😀\b \be\n") == 0, "echoed \"%s\"", echo);
	expect("aé漢\b\bb\r", "ab");
	expect("é漢\br\r", "ér");
	expect("漢字\x15ls\r", "ls");
	expect("\x80\x80\bls\r", "ls");
}

KTEST(line, keys_without_a_character_are_ignored)
{
	expect("h\tm\x01\x1c\r", "hm");
	expect("l\x1b[As\x1b[1;5C\r", "ls");
	expect("l\x1bOAs\x1b[[A\x1bx\r", "ls");
	expect("l\x1b\x1b[3~s\r", "ls");
	CHECK(strcmp(echo, "ls\n") == 0, "echoed \"%s\"", echo);
}

KTEST(line, a_sequence_without_its_end_ends_where_it_can_no_longer_go_on)
{
	static const char *const unfinished[] = { "\x1b", "\x1b[", "\x1b[1;", "\x1bO", "\x1b[[" };
	char keys[16];

	for (size_t i = 0; i < ARRAY_LENGTH(unfinished); i++) {
		format_string(keys, sizeof(keys), "ls%s\r", unfinished[i]);
		expect(keys, "ls");
		format_string(keys, sizeof(keys), "ls%s\n", unfinished[i]);
		expect(keys, "ls");
		format_string(keys, sizeof(keys), "ls%s\x03", unfinished[i]);
		CHECK(type(keys) == LINE_DROPPED, "no ^C in sequence %zu", i);
		format_string(keys, sizeof(keys), "lz%s\bs\r", unfinished[i]);
		expect(keys, "ls");
		format_string(keys, sizeof(keys), "l%sé\r", unfinished[i]);
		expect(keys, "lé");
	}
}

/* A line of the greatest length, and then these keys. */
static const char *longest_and(const char *more)
{
	static char keys[LINE_MAX_BYTES + 16];

	memset(keys, 'x', LINE_MAX_BYTES);
	format_string(keys + LINE_MAX_BYTES, 16, "%s", more);
	return keys;
}

KTEST(line, one_that_was_cut_is_never_complete)
{
	CHECK(type(longest_and("\r")) == LINE_COMPLETE, "the longest line is cut");
	CHECK(strlen(line.text) == LINE_MAX_BYTES, "%zu bytes", strlen(line.text));
	CHECK(type(longest_and("y\r")) == LINE_CUT, "a longer one is not");
	CHECK(line.text[0] == '\0', "it left \"%s\"", line.text);
	CHECK(type(longest_and("y\b\bz\r")) == LINE_CUT, "a backspace makes it whole again");
	expect(longest_and("y\x15ls\r"), "ls");
}
