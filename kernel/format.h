/* SPDX-License-Identifier: MIT */
/*
 * format.h: the kernel's one formatter, and where its text can go.
 *
 * Conversions: %d %i %u %o %x %X %p %s %c %%, with flags - + space # 0, a width and a
 * precision (numbers or *), and for numbers lengths hh h l ll j z t. They mean what ISO C says
 * (C11, section 7.21.6.1), but for three: %p prints 0x and 16 digits, %s of NULL prints
 * "(null)", and a width, or the precision of a number, counts as FORMAT_MAX_FIELD at
 * most. From a conversion that is not in this list on, the template is printed as it
 * stands, and no argument is read: nobody knows how many the unknown one takes.
 *
 * Work is bounded by what the sink takes, whatever the arguments: a text of any length,
 * also one without an end, is read FORMAT_PIECE_BYTES at a time, until the sink is full.
 * What was written before an argument faults is in the sink by then.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included, as
 * far as the sink allows it).
 */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define FORMAT_MAX_FIELD    256
#define FORMAT_PIECE_BYTES  64

/*
 * Where text goes. Embed it first in a structure of your own. `write` returns false when
 * the sink is full, that is, when it takes no more: nothing more is formatted then.
 */
struct sink {
	bool (*write)(struct sink *sink, const char *text, size_t nr_bytes);
};

void format(struct sink *sink, const char *template, ...) __attribute__((format(printf, 2, 3)));
void vformat(struct sink *sink, const char *template, va_list arguments);

/*
 * The same, but what comes out is one line, which a terminal shows as it is: each control
 * byte, of the template or of an argument, becomes \x and two digits, as in "\x0a" for a
 * newline. Control bytes are those below 0x20, and 0x7f. All others pass, UTF-8 among them,
 * and so does a backslash: nobody needs to get the bytes back.
 */
void vformat_line(struct sink *sink, const char *template, va_list arguments);

/* The same, with a newline at the end. */
void vformat_record(struct sink *sink, const char *template, va_list arguments);

/* A sink of a fixed size: keeps what fits, and is full once something did not fit. */
struct buffer_sink {
	struct sink sink;
	char *text;             /* not NUL-terminated */
	size_t capacity_bytes;
	size_t nr_bytes;        /* written so far, at most capacity_bytes */
	bool cut;               /* something did not fit */
};

void buffer_sink_init(struct buffer_sink *buffer, char *text, size_t capacity_bytes);

/*
 * Its `write`, for those who know that their sink is a buffer: a call by name can be followed, and
 * `sink->write()` may be anyone's.
 */
bool buffer_sink_write(struct sink *sink, const char *text, size_t nr_bytes);

/*
 * Formats into `text`, NUL-terminated, at most capacity_bytes > 0 with the NUL.
 * Return: true if all of it fitted.
 */
bool format_string(char *text, size_t capacity_bytes, const char *template, ...)
	__attribute__((format(printf, 3, 4)));

#endif
