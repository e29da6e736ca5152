/* SPDX-License-Identifier: MIT */
/*
 * name.c: names of files as text, and back.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "name.h"

#include <stdint.h>

#include "string.h"
#include "words.h"

#define FIRST_PRINTABLE  0xa0   /* of the characters that have two bytes */

/* How many bytes the character of several bytes has that begins here; 0 if none does. */
static size_t sequence_bytes(const uint8_t *bytes, size_t nr_left)
{
	static const uint32_t least[] = { [2] = FIRST_PRINTABLE, [3] = 0x800, [4] = 0x10000 };
	size_t nr_bytes = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	uint32_t character = bytes[0] & (0x7f >> nr_bytes);

	if (bytes[0] < 0xc0 || bytes[0] > 0xf7 || nr_bytes > nr_left)
		return 0;
	for (size_t i = 1; i < nr_bytes; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	if (character < least[nr_bytes] || character > 0x10ffff ||
	    (character >= 0xd800 && character <= 0xdfff))
		return 0;
	return nr_bytes;
}

/* How many bytes at `at` stand for themselves: those of a whole character, or 0. */
static size_t plain_bytes(const uint8_t *name, size_t nr_bytes, size_t at)
{
	if (name[at] >= 0x80)
		return sequence_bytes(name + at, nr_bytes - at);
	if (name[at] == ' ')
		return at > 0 && at < nr_bytes - 1 ? 1 : 0;
	return name[at] > ' ' && name[at] != 0x7f && name[at] != '\\' ? 1 : 0;
}

void name_show(struct sink *sink, const char *name, size_t nr_bytes)
{
	for (size_t at = 0; at < nr_bytes;) {
		size_t nr_plain = plain_bytes((const uint8_t *)name, nr_bytes, at);

		if (nr_plain > 0)
			sink->write(sink, name + at, nr_plain);
		else
			format(sink, "\\x%02x", (uint8_t)name[at]);
		at += nr_plain > 0 ? nr_plain : 1;
	}
}

/* The byte that the text stands for if it begins with \x and two digits; else 0. */
static char read_escape(const char *text)
{
	unsigned high, low;

	if (!starts_with(text, "\\x"))
		return 0;
	high = hex_digit(text[2]);
	low = high < 16 ? hex_digit(text[3]) : 16;
	return low < 16 ? (char)(high << 4 | low) : 0;
}

bool name_read(const char *text, char *name, size_t capacity_bytes)
{
	size_t nr_bytes = 0;

	while (*text != '\0') {
		char escaped = read_escape(text);

		if (nr_bytes + 1 == capacity_bytes)
			return false;
		name[nr_bytes++] = escaped ? escaped : *text;
		text += escaped ? 4 : 1;
	}
	name[nr_bytes] = '\0';
	return true;
}
