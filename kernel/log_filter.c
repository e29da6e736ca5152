/* SPDX-License-Identifier: MIT */
/*
 * log_filter.c: the log's front end: what is above the level is never formatted.
 *
 * Locks: none. Allocates: nothing. Callable from: see the back end, log.c.
 */
#include "log.h"

#include "clock.h"

enum log_level log_level = LOG_INFO;

const char *const log_level_names[NR_LOG_LEVELS] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

void log_format(struct sink *sink, enum log_level level, const char *message, va_list arguments)
{
	uint64_t ms = clock_ms();

	format(sink, "[%2lu.%03lu] %-5s ", ms / 1000, ms % 1000, log_level_names[level]);
	vformat(sink, message, arguments);
	sink->write(sink, "\n", 1);
}

#define DEFINE_LOG_FUNCTION(name, level)                        \
	void name(const char *message, ...)                     \
	{                                                       \
		va_list arguments;                              \
								\
		if (level > log_level)                          \
			return;                                 \
		va_start(arguments, message);                   \
		log_record(level, message, arguments);          \
		va_end(arguments);                              \
	}

DEFINE_LOG_FUNCTION(log_error, LOG_ERROR)
DEFINE_LOG_FUNCTION(log_warn, LOG_WARN)
DEFINE_LOG_FUNCTION(log_info, LOG_INFO)
DEFINE_LOG_FUNCTION(log_debug, LOG_DEBUG)
