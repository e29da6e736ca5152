/* SPDX-License-Identifier: MIT */
/*
 * log.h: the kernel's log.
 *
 * log_error … log_debug drop a record above the current level before anything
 * is formatted, and pass the rest to log_record(), which a lab may replace.
 * A record is one line: "[ 0.061] debug heap: …". Give no newline; start with
 * the subsystem and a colon. A control byte in the text, a newline or a carriage return
 * for example, would break the line, or the terminal: it is written as "\x0a" is (see
 * vformat_line() in format.h). So the newline at a record's end is its only one.
 *
 * Work is bounded by the bytes of the record, whatever the arguments. Where a record
 * may have any length (labs 0 to 3), that is the length of its text.
 *
 * Locks, Allocates, Callable from: what log_record() does and allows; see the file that
 * implements it. panic(), faults and the lockup report do not come through here.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (or less: the file that implements it
 * says what). Allocates: the heap (or nothing). Callable from: anywhere but an NMI
 * handler.
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

/*
 * Formats a whole record, with time, level, its text as one line, and the newline, into `sink`.
 * For back ends.
 */
void log_format(struct sink *sink, enum log_level level, const char *message, va_list arguments);

/* The back end: formats one record, writes it to the console, and may keep it. */
void log_record(enum log_level level, const char *message, va_list arguments);

/* Writes the records that were kept to the console, oldest first ("dmesg"). */
void log_dump(void);

/*
 * Lab 4's static storage. A record that is longer than LOG_RECORD_BYTES, newline
 * included, is cut to exactly that and ends in LOG_CUT_MARK and the newline. The
 * fences belong to the tests: the logger must leave them alone.
 */
#define LOG_RECORD_BYTES   256
#define LOG_RING_BYTES     16384        /* holds the last 64 records at least */
#define LOG_FENCE_BYTES    64
#define LOG_CUT_MARK       "[...]"

struct log_storage {
	char fence_before[LOG_FENCE_BYTES];
	char line[LOG_RECORD_BYTES];            /* the record being written */
	char fence_between[LOG_FENCE_BYTES];
	char ring[LOG_RING_BYTES];              /* those written before, whole */
	char fence_after[LOG_FENCE_BYTES];
};

extern struct log_storage log_storage;

#endif
