/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger that keeps nothing: a record is whole on the console, and gone.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "log.h"

#include "console.h"
#include "string.h"

struct log_storage log_storage;

void log_record(enum log_level level, const char *message, va_list arguments)
{
	static const char mark[] = LOG_CUT_MARK "\n";
	const size_t mark_bytes = sizeof(mark) - 1;
	char text[LOG_RECORD_BYTES];
	struct buffer_sink line;

	buffer_sink_init(&line, text, LOG_RECORD_BYTES);
	log_format(&line.sink, level, message, arguments);
	if (line.cut)
		memcpy(&text[LOG_RECORD_BYTES - mark_bytes], mark, mark_bytes);
	console_write(text, line.nr_bytes);
}

void log_dump(void)
{
}
