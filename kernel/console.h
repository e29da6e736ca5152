/* SPDX-License-Identifier: MIT */
/*
 * console.h: the serial console, COM1 at 115200 8N1.
 *
 * Output goes straight to the port, waits for it, and sends CR before LF. Where nobody reads
 * it waits for a minute or so, not longer: then output is lost until somebody reads, who is told.
 * Without a serial port output goes to the text screen (screen.h), and there is no input.
 * Source: PC16550D data sheet, section 8 "Registers".
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included; in
 * the worst case the lines of two writers interleave); console_init() and
 * console_enable_input() from boot; console_read() from anywhere but an NMI handler.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdarg.h>
#include <stddef.h>

#include "format.h"

void console_init(void);

/* Writes a line to the text screen as well. */
void console_announce(const char *line);

/* Before a report: from now on output also goes to the text screen, which keeps the first of it. */
void console_show_last_words(void);

void console_write(const char *text, size_t nr_bytes);
void console_printf(const char *template, ...) __attribute__((format(printf, 1, 2)));
void console_vprintf(const char *template, va_list arguments);

/* Starts a new line, unless the console is at the start of one. */
void console_fresh_line(void);

/* The console as a sink for format(). */
extern struct sink console_sink;

/* From now on, output also goes to `buffer` (NULL: no longer). For tests. */
void console_copy_to(struct buffer_sink *buffer);

/*
 * From now on `hear` gets the output in the place of that buffer, up to the next console_copy_to(). For
 * tests. It is no sink: of a sink's `write` nobody knows that it does not write to the console.
 */
void console_listen(void (*hear)(const char *text, size_t nr_bytes));

/* The same as console_copy_to(), but it goes nowhere else. Ends with the next console_copy_to(). */
void console_divert_to(struct buffer_sink *buffer);

/* Unmasks interrupts. From now on console_read() can wait for a byte. */
void console_enable_input(void);

/*
 * Waits for one byte, with the CPU halted and the watchdog off. Not for interrupt handlers. What is
 * typed while nobody waits stays in the serial port, and then with the sender, as far as QEMU can
 * hold it up: a line is never cut.
 */
char console_read(void);

#endif
