/* SPDX-License-Identifier: MIT */
/*
 * ktest_log.h: what lab 5's tests have in common: how they interrupt a record, listen to the
 * console, and look at what was logged. labs/05-anywhere/sweep_test.c has the functions.
 */
#ifndef KTEST_LOG_H
#define KTEST_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format.h"
#include "ktest_step.h"
#include "log.h"

#define HEARD_BYTES 32768

/* What console_write() has got since heard_begin(). */
struct heard {
	struct buffer_sink sink;        /* for console_copy_to() */
	size_t nr_writes;               /* calls */
	size_t nr_nested;               /* of these, in the midst of another; their bytes do not count */
	bool is_inside;
	char text[HEARD_BYTES];
};

extern struct heard heard;

/* Listens from now on, with the log at `level`, to heard_end(), which makes text NUL-terminated. */
void heard_begin(enum log_level level);
void heard_end(void);

/* The same, but nobody else hears it: for a test that logs megabytes. */
void heard_alone_begin(enum log_level level);

/* A text that records must have behind their level, and how many do. */
struct counted {
	const char *text;
	unsigned nr_records;
};

/*
 * What is the matter with the records from `first` on? NULL if nothing is: log_read() shows each
 * number up to the last, whole, and since heard_begin() the console has got just these, in order,
 * each by a call of its own.
 */
const char *shown_flaw(uint64_t first);

/* The same, and the texts that are wanted are there, and no others. */
const char *records_flaw(uint64_t first, const struct counted *wanted, size_t nr_wanted);

/* Does the record end in `text` and a newline, and begin with its number? */
bool record_is(const struct log_view *view, const char *text);

/* Records, for a subject and for a handler: log_outer() logs OUTER, log_middle() logs MIDDLE. */
#define OUTER   "test: interrupted, maybe"
#define MIDDLE  "test: from a handler"

void log_outer(void);
void log_middle(void);

/* A record that is cut, and whether this is that one, with all of its text that has room. */
void log_long(void);
bool is_long_record(const struct log_view *view);

/* As log_middle(), more often than any logger needs to keep. */
void log_many(void);

/*
 * The steps of the subject that is interrupted, and those of a handler that is interrupted itself; and
 * the number of the first record of this run.
 */
extern struct ktest_steps outer_steps, inner_steps;
extern uint64_t first_number;

/* Notes the steps of `subject`, while it is listened to as `begin` says: heard_begin() or the other. */
void trace(void (*subject)(void), void (*begin)(enum log_level));

/*
 * Runs `subject` once, with `handler` in front of a step of it, and listens. Return: false if it has
 * fewer steps by now.
 */
bool run_interrupted(unsigned long step, void (*subject)(void), void (*handler)(void),
		     void (*begin)(enum log_level));

/* Fails the test, with the instruction at which `flaw` showed, unless that is NULL. */
void check_step(const char *flaw, const struct ktest_steps *steps, unsigned long step);

/* Has `handler` run at each step of `subject`; each time the records must be as `wanted`. */
void sweep(void (*subject)(void), void (*handler)(void), const struct counted *wanted,
	   size_t nr_wanted);

/*
 * The same with each instruction only where it is executed first, and if `is_long` not where
 * log_format() is at work. `flaw` looks at each run, and says what is wrong with it, or NULL.
 */
void sweep_firsts(void (*subject)(void), void (*handler)(void), bool is_long,
		  const char *(*flaw)(void));

#endif
