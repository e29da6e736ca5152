/* SPDX-License-Identifier: MIT */
/*
 * log.h: the kernel's log.
 *
 * log_error … log_debug drop a record above the current level before anything
 * is formatted, and pass the rest to log_record(), which a lab may replace.
 * A record is one line: "[ 0.061] debug heap: …". Give no newline; start with
 * the subsystem and a colon.
 *
 * Callable from: what log_record() allows; see the file that implements it.
 * panic(), faults and the lockup report do not come through here.
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>

#include "format.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
#define NR_LOG_LEVELS 4

extern enum log_level log_level;        /* records above this are dropped */
extern const char *const log_level_names[NR_LOG_LEVELS];

#define LOG_FORMAT __attribute__((format(printf, 1, 2)))
void log_error(const char *message, ...) LOG_FORMAT;
void log_warn(const char *message, ...) LOG_FORMAT;
void log_info(const char *message, ...) LOG_FORMAT;
void log_debug(const char *message, ...) LOG_FORMAT;

/* What is left of a record that is longer than LOG_RECORD_BYTES ends in this mark. */
#define LOG_RECORD_BYTES   256          /* of a record with its newline, lab 4 */
#define LOG_CUT_MARK       "[...]"

/* Formats a whole record, with time, level and newline, into `sink`. For back ends. */
void log_format(struct sink *sink, enum log_level level, const char *message, va_list arguments);

/* The back end: formats one record, writes it to the console, and may keep it. */
void log_record(enum log_level level, const char *message, va_list arguments);

/* Writes the records that were kept to the console, oldest first ("dmesg"). */
void log_dump(void);

#endif
