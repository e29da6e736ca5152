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
 * handler (from lab 5 on: anywhere).
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
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

/* For back ends: the number of the record that log_record() has been called for. */
uint64_t log_number(void);

/* The last number that a record has got. 0: there was none. */
uint64_t log_last_number(void);

/* Writes the records that were kept to the console, oldest first ("dmesg"). */
void log_dump(void);

/*
 * Writes records to the console that log_record() has put off, as those of lab 5 may be. The kernel
 * calls it where nothing is interrupted: before each prompt. The loggers before lab 5 put none off.
 */
void log_flush(void);

/* The same in a panic, after which nothing that it has interrupted goes on. */
void log_force(void);

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

/*
 * What lab 5's back end does, whatever its design: a record from any instruction. anywhere_test.c
 * names the test of each sentence. Lab 4's sentences hold as well, but for the one lock and for what a
 * handler may do, of which these say more.
 *
 * log_record(), log_read(), log_flush(), log_dump() and log_force():
 *  - One of them may be called at any instruction of another or of itself: by a handler, of an NMI
 *    for example. On the one CPU it runs to its end first.
 *  - They take no lock and mask no interrupts.
 * log_record():
 *  - Whatever is logged in the midst of a record, that record is whole, and so are the others.
 *  - If LOG_KEPT_RECORDS or more are logged in the midst of a record, it may be lost, and so may one
 *    of the last LOG_KEPT_RECORDS, and all before them.
 *  - A record that is lost is lost as a whole: its number is missing.
 *  - The console gets each record that is not lost once, in the order of the numbers. So a record
 *    that is logged in the midst of another, or while one is being written, may be put off.
 *  - If it is in the midst of no other of these calls, the record is on the console when it returns,
 *    and so is each that came in its midst.
 * log_flush():
 *  - It writes what was put off, unless it is in the midst of a call that will.
 * Both:
 *  - No call of console_write() begins in the midst of another, or of one of log_dump()'s.
 * log_dump():
 *  - It leaves out a record that is not finished. What is logged meanwhile it may leave out or show. When
 *    it returns, that is on the console in any case, unless it is in the midst of another of these calls.
 * log_force():
 *  - It writes in order all records that the console has not got whole: also one that was just being
 *    written, and of one that is not finished its beginning, if there is any, and LOG_CUT_MARK.
 *  - It begins each on a new line (console_fresh_line()).
 *  - It changes nothing: should something go on all the same, it finds all as it was.
 */
struct log_view {
	uint64_t number;
	bool is_whole;                  /* false: it is not finished; the text is how it will begin */
	size_t nr_bytes;                /* of the text; 0 is possible if it is not whole */
	char text[LOG_RECORD_BYTES];    /* as the console gets it, or will get it */
};

/*
 * Copies the record with the lowest number that is not below `from`, of those that are kept: the
 * newest LOG_KEPT_RECORDS at least. A number between `from` and that one is of a record that is lost. A
 * record that has a number and is not finished counts: the caller has interrupted it, and it will be
 * finished later. Return: false if there is none.
 */
bool log_read(uint64_t from, struct log_view *view);

#endif
