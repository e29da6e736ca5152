/* SPDX-License-Identifier: MIT */
/*
 * line.h: the editor of one line, byte by byte, as a terminal sends them.
 *
 * Backspace and DEL take back a character, ^U all of them, ^C drops the line, Enter (CR or LF)
 * completes it. Other control characters and the sequences of arrow and function keys are
 * ignored. A byte that cannot be part of a sequence ends one that is not finished, and counts as
 * itself. What is taken is echoed.
 *
 * A line that was longer than LINE_MAX_BYTES lacks bytes and is never complete: it stays cut
 * until it is empty again.
 *
 * Limits: text is UTF-8, one column a character: where one is two columns wide, a backspace
 * leaves the terminal one column too far to the right, but the line is right.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (it touches only the line and
 * the sink).
 */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "format.h"

#define LINE_MAX_BYTES  1279            /* without the NUL */

enum line_escape {              /* where in the sequence of a key the line is */
	LINE_TEXT,              /* in none */
	LINE_ESCAPE,            /* behind ESC */
	LINE_SEQUENCE,          /* behind ESC [: a byte from @ to ~ ends it */
	LINE_LAST,              /* behind ESC O or ESC [ [: one byte more */
};

struct line {
	char text[LINE_MAX_BYTES + 1];  /* NUL-terminated once it has ended */
	size_t nr_bytes;                /* of text, without the NUL */
	bool is_cut;                    /* bytes of it are missing */
	enum line_escape escape;
};

enum line_end {
	LINE_OPEN,              /* it goes on */
	LINE_COMPLETE,          /* Enter: text is what was typed */
	LINE_DROPPED,           /* ^C: text is empty */
	LINE_CUT,               /* Enter, but the line was too long: text is empty */
};

/* Begins an empty line. */
void line_begin(struct line *line);

/* Applies one byte. A line that has ended must begin anew first. */
enum line_end line_edit(struct line *line, char byte, struct sink *echo);

#endif
