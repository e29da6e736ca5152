/* SPDX-License-Identifier: MIT */
/*
 * log.h: the kernel's log.
 *
 * log_error … log_debug drop a record above the current level before anything is
 * formatted. Every other record gets the next number, and goes to log_record(), the back
 * end, which a lab may replace. A record is one line:
 *
 *     [   12  0.061] debug heap: rescue 1: no room for 4096 bytes, taking 64 KiB
 *       |     |      |     text: give no newline, start with the subsystem and a colon
 *       |     |      level
 *       |     seconds since the clock was set up
 *       number, from 1: where one is missing, that record was lost
 *
 * A control byte in the text, a newline or a carriage return for example, would break the
 * line, or the terminal: it is written as "\x0a" is (see vformat_line() in format.h). So the
 * newline at a record's end is its only one.
 *
 * panic(), faults and the lockup report do not come through here.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (or less: the file that implements it
 * says what). Allocates: the heap (or nothing). Callable from: anywhere but an NMI
 * handler.
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <stdint.h>

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
 * Formats a whole record, with number, time, level, its text as one line, and the newline,
 * into `sink`. For back ends. When the sink is full, it does no more work.
 */
void log_format(struct sink *sink, enum log_level level, const char *message, va_list arguments);

/* The back end: formats one record, writes it to the console, and may keep it. */
void log_record(enum log_level level, const char *message, va_list arguments);

/* Writes the records that were kept to the console, oldest first ("dmesg"). */
void log_dump(void);

/*
 * What lab 4's back end does, whatever its design. log_test.c names the test of each sentence.
 *
 * log_record():
 *  - A record of at most LOG_RECORD_BYTES, newline included, is whole. A longer one is cut to
 *    exactly that, and ends in LOG_CUT_MARK and the newline.
 *  - The console gets a record in one piece, by one call of console_write().
 *  - It costs at most LOG_INSTRUCTIONS(bytes of the record), with the console's work, whatever
 *    the arguments and however many records came before.
 * log_dump():
 *  - It writes the newest records, LOG_KEPT_RECORDS at least, of any level and length, oldest
 *    first: in the order in which the console got them. Where a handler has logged meanwhile,
 *    the order of the numbers will do as well. None is missing between the first and the last.
 *  - It writes of each record what the console got. It writes nothing else, so without a
 *    record it writes nothing.
 *  - It changes nothing: a second one writes the same.
 *  - It costs at most LOG_INSTRUCTIONS(bytes that it writes).
 * Both:
 *  - They use memory of the kernel's image only: no frame, and no heap. Of locks they take only
 *    one of log.c's own. So they work with any other lock held, and whatever became of memory.
 *  - A handler may log wherever they leave interrupts on. All records are whole then, as
 *    console_write() gets them. On the serial port one may come in the midst of another if
 *    interrupts are on in console_write(); no test looks at that.
 *  - Interrupts are allowed afterwards if they were before.
 */
#define LOG_RECORD_BYTES   256
#define LOG_KEPT_RECORDS   64
#define LOG_CUT_MARK       "[...]"
#define LOG_INSTRUCTIONS(nr_bytes) (2000 + 48 * (uint64_t)(nr_bytes))

/*
 * Memory for lab 4's back end. log.c defines it, and may have other memory besides, or
 * instead. The fences belong to the tests: the logger leaves them alone.
 */
#define LOG_RING_BYTES     (LOG_KEPT_RECORDS * LOG_RECORD_BYTES)
#define LOG_FENCE_BYTES    64

struct log_storage {
	char fence_before[LOG_FENCE_BYTES];
	char line[LOG_RECORD_BYTES];            /* for one record */
	char fence_between[LOG_FENCE_BYTES];
	char ring[LOG_RING_BYTES];              /* for many */
	char fence_after[LOG_FENCE_BYTES];
};

extern struct log_storage log_storage;

#endif
