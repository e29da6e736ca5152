/* SPDX-License-Identifier: MIT */
/*
 * log.c: the base logger: formats straight onto the console and forgets.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (two records that are written
 * at the same time interleave).
 */
#include "log.h"

#include "console.h"

void log_record(enum log_level level, const char *message, va_list arguments)
{
	log_format(&console_sink, level, message, arguments);
}

void log_dump(void)
{
	console_printf("dmesg: this stage's logger keeps no records\n");
}
