/* SPDX-License-Identifier: MIT */
/*
 * log_console.c: takes records to the console, in order, one at a time.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#include "log.h"

#include "console.h"
#include "panic.h"              /* TODO() */
#include "string.h"

/* BEGIN SOLUTION 5.1 */
/*
 * Theory of operation. Of all calls of log_flush() that are in the midst of each other, the outermost
 * writes; the others see is_flushing and leave their records to it. It looks once more after it has
 * given that up: a record that came in between has seen the flag, and would be left behind.
 * It stops at a record that is not finished: that one's writer, further out, will flush at its end.
 *
 *      is_flushing      then, and by whom                         meanwhile
 *      false            log_flush(): exchange to true, ACQUIRE     whoever comes leaves
 *      true             log_flush(): store false, RELEASE          the next one to come may flush
 *
 * The exchange pairs with the store: next_to_show is read after the one, and written before the other.
 *
 * Shortcomings. A record that never comes to its end holds up those behind it until the ring has
 * pushed it out of sight. If a panic has ended a flush and something goes on, as only a test does,
 * nothing is flushed any more.
 */
static bool is_flushing;
static uint64_t next_to_show = 1;       /* the console has all records below this, or they are lost */

/* The next record for the console. Return: false if it is not finished, or there is none. */
static bool read_next(struct log_view *view)
{
	return log_read(next_to_show, view) && view->is_whole;
}
/* END SOLUTION */

/* Exercise 5.1: writes what the console has not got yet. */
void log_flush(void)
{
	/* BEGIN SOLUTION 5.1 */
	struct log_view view;

	do {
		if (__atomic_exchange_n(&is_flushing, true, __ATOMIC_ACQUIRE))
			return;
		while (read_next(&view)) {
			console_write(view.text, view.nr_bytes);
			next_to_show = view.number + 1;
		}
		__atomic_store_n(&is_flushing, false, __ATOMIC_RELEASE);
	} while (read_next(&view));
	/* END SOLUTION */
}

/* Exercise 5.2: writes the records that are kept. Those that are logged meanwhile are put off. */
void log_dump(void)
{
	/* BEGIN SOLUTION 5.2 */
	bool is_in_flush = __atomic_exchange_n(&is_flushing, true, __ATOMIC_ACQUIRE);
	struct log_view view;

	for (uint64_t from = 1; log_read(from, &view); from = view.number + 1)
		if (view.is_whole)
			console_write(view.text, view.nr_bytes);
	if (is_in_flush)
		return;
	__atomic_store_n(&is_flushing, false, __ATOMIC_RELEASE);
	log_flush();
	/* END SOLUTION */
}

/* Exercise 5.3: writes what the console has not got, and what is not finished. */
void log_force(void)
{
	/* BEGIN SOLUTION 5.3 */
	static const char mark[] = LOG_CUT_MARK "\n";
	const size_t mark_bytes = sizeof(mark) - 1;
	struct log_view view;

	for (uint64_t from = next_to_show; log_read(from, &view); from = view.number + 1) {
		if (view.nr_bytes == 0)
			continue;
		console_fresh_line();
		console_write(view.text, view.nr_bytes);
		if (!view.is_whole)
			console_write(mark, mark_bytes);
	}
	/* END SOLUTION */
}
