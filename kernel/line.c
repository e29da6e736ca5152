/* SPDX-License-Identifier: MIT */
/*
 * line.c: the editor of one line.
 *
 * A byte takes two steps: is_of_sequence() picks out those of a key's sequence, and line_edit()
 * applies the others.
 *
 * Sources of the sequences: ECMA-48, section 5.4 "Control sequences"; xterm's ctlseqs for ESC O,
 * and console_codes(4) for ESC [ [.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "line.h"

#include <stdint.h>

#define CTRL(letter)  ((letter) & 0x1f)
#define DELETE        0x7f
#define ESC           0x1b

static bool is_control(uint8_t byte)
{
	return byte < ' ' || byte == DELETE;
}

/* Where in a key's sequence we are after `byte`. */
static enum line_escape next_escape(enum line_escape before, uint8_t byte)
{
	if (byte == ESC)
		return LINE_ESCAPE;
	if (before == LINE_ESCAPE && byte == '[')
		return LINE_SEQUENCE;
	if ((before == LINE_ESCAPE && byte == 'O') || (before == LINE_SEQUENCE && byte == '['))
		return LINE_LAST;
	if (before == LINE_SEQUENCE && byte >= ' ' && byte < '@')
		return LINE_SEQUENCE;
	return LINE_TEXT;
}

/* Is the byte part of a key's sequence? Keeps account of where in it we are. */
static bool is_of_sequence(struct line *line, uint8_t byte)
{
	enum line_escape before = line->escape;

	line->escape = next_escape(before, byte);
	return line->escape != LINE_TEXT ||
	       (before != LINE_TEXT && byte < 0x80 && !is_control(byte));
}

void line_begin(struct line *line)
{
	line->text[0] = '\0';
	line->nr_bytes = 0;
	line->is_cut = false;
	line->escape = LINE_TEXT;
}

/* Takes back the last character: in UTF-8 the bytes behind its first are 10xxxxxx. */
static void take_back(struct line *line, struct sink *echo)
{
	bool is_first = false;

	while (line->nr_bytes > 0 && !is_first)
		is_first = (line->text[--line->nr_bytes] & 0xc0) != 0x80;
	if (line->nr_bytes == 0)
		line->is_cut = false;
	echo->write(echo, "\b \b", 3);
}

static void add(struct line *line, char byte, struct sink *echo)
{
	if (line->nr_bytes == LINE_MAX_BYTES) {
		line->is_cut = true;
		return;
	}
	line->text[line->nr_bytes++] = byte;
	echo->write(echo, &byte, 1);
}

static enum line_end end(struct line *line, enum line_end how)
{
	if (how != LINE_COMPLETE)
		line->nr_bytes = 0;
	line->text[line->nr_bytes] = '\0';
	return how;
}

enum line_end line_edit(struct line *line, char byte, struct sink *echo)
{
	if (is_of_sequence(line, (uint8_t)byte))
		return LINE_OPEN;
	switch (byte) {
	case '\r':
	case '\n':
		echo->write(echo, "\n", 1);
		return end(line, line->is_cut ? LINE_CUT : LINE_COMPLETE);
	case CTRL('C'):
		echo->write(echo, "^C\n", 3);
		return end(line, LINE_DROPPED);
	case '\b':
	case DELETE:
		if (line->nr_bytes > 0)
			take_back(line, echo);
		break;
	case CTRL('U'):
		while (line->nr_bytes > 0)
			take_back(line, echo);
		break;
	default:
		if (!is_control((uint8_t)byte))
			add(line, byte, echo);
	}
	return LINE_OPEN;
}
