/* SPDX-License-Identifier: MIT */
/*
 * format.h: the kernel's one formatter, and where its text can go.
 *
 * Conversions: %d %i %u %x %X %p %s %c %%, with flags - 0 #, a width and a
 * precision (numbers or *), and lengths l ll z. %p prints 0x and 16 digits. A
 * conversion that is not in this list is printed as it stands, and no argument
 * after it is read. %s of NULL prints "(null)".
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere, an NMI handler included,
 * as far as the sink allows it.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Where text goes. Embed it first in a structure of your own. */
struct sink {
	void (*write)(struct sink *sink, const char *text, size_t nr_bytes);
};

void format(struct sink *sink, const char *template, ...) __attribute__((format(printf, 2, 3)));
void vformat(struct sink *sink, const char *template, va_list arguments);

/* A sink of a fixed size: keeps what fits and remembers that something did not. */
struct buffer_sink {
	struct sink sink;
	char *text;             /* not NUL-terminated */
	size_t capacity_bytes;
	size_t nr_bytes;        /* written so far, at most capacity_bytes */
	bool cut;               /* something did not fit */
};

void buffer_sink_init(struct buffer_sink *buffer, char *text, size_t capacity_bytes);

/*
 * Formats into `text`, NUL-terminated, at most capacity_bytes > 0 with the NUL.
 * Return: true if all of it fitted.
 */
bool format_string(char *text, size_t capacity_bytes, const char *template, ...)
	__attribute__((format(printf, 3, 4)));

#endif
