/* SPDX-License-Identifier: MIT */
/*
 * name.c: names of files as text, and back.
 *
 * An input is a name, and it is a text that somebody types. What is shown of a name is safe
 * on a terminal by the host's word, and leads back to the name.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "fuzz.h"
#include "name.h"

#define ESCAPE_BYTES 4          /* \x and two digits */

/* The text of a name. To be freed. */
static char *shown(const char *name, size_t nr_bytes)
{
	size_t capacity = nr_bytes * ESCAPE_BYTES;
	char *text = malloc(capacity + 1);
	struct buffer_sink sink;

	buffer_sink_init(&sink, text, capacity);
	name_show(&sink.sink, name, nr_bytes);
	MUST(!sink.cut, "more than %zu bytes for %zu", capacity, nr_bytes);
	text[sink.nr_bytes] = '\0';
	MUST(strlen(text) == sink.nr_bytes, "a NUL is shown");
	return text;
}

/* What the text stands for. To be freed. */
static char *read_back(const char *text)
{
	size_t capacity = strlen(text) + 1;
	char *name = malloc(capacity), *exact, *small;

	MUST(name_read(text, name, capacity), "%zu bytes do not fit", capacity);
	capacity = strlen(name) + 1;
	exact = malloc(capacity);
	MUST(name_read(text, exact, capacity) && strcmp(exact, name) == 0, "\"%s\" into %zu bytes",
	     text, capacity);
	small = malloc(capacity - 1);
	MUST(capacity == 1 || !name_read(text, small, capacity - 1), "\"%s\" into %zu bytes", text,
	     capacity - 1);
	free(small);
	free(name);
	return exact;
}

/* UTF-8 without control characters, and no space where nobody sees it. */
static void must_be_safe(const char *text)
{
	const char *at = text, *end = text + strlen(text);
	mbstate_t state = { 0 };

	MUST(text[0] != ' ' && (end == text || end[-1] != ' '), "\"%s\"", text);
	while (at < end) {
		wchar_t character;
		size_t nr_bytes = mbrtowc(&character, at, (size_t)(end - at), &state);

		MUST(nr_bytes <= (size_t)(end - at), "no UTF-8 at byte %td", at - text);
		MUST(character >= ' ' && (character < 0x7f || character > 0x9f), "%#x is shown",
		     (unsigned)character);
		at += nr_bytes;
	}
}

void fuzz_one(const uint8_t *bytes, size_t nr_bytes)
{
	char *typed = text_copy(bytes, nr_bytes), *name, *text, *again;

	MUST(setlocale(LC_CTYPE, "C.UTF-8") != NULL, "the host has no locale C.UTF-8");
	name = exact_copy(typed, strlen(typed));        /* no NUL ends it */
	text = shown(name, strlen(typed));
	must_be_safe(text);
	again = read_back(text);
	MUST(strcmp(again, typed) == 0, "\"%s\" is shown, which stands for \"%s\"", text, again);
	free(name);
	free(again);
	free(text);
	free(read_back(typed));
	free(typed);
}
