/* SPDX-License-Identifier: MIT */
/*
 * print.c: formatted text on the console, whatever writes its bytes (console.h).
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "console.h"

static bool console_sink_write(struct sink *sink, const char *text, size_t nr_bytes)
{
	console_write(text, nr_bytes);
	return true;
}

struct sink console_sink = { .write = console_sink_write };

void console_vprintf(const char *template, va_list arguments)
{
	vformat(&console_sink, template, arguments);
}

void console_printf(const char *template, ...)
{
	va_list arguments;

	va_start(arguments, template);
	console_vprintf(template, arguments);
	va_end(arguments);
}
