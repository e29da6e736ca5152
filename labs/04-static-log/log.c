/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger that needs nothing but itself.
 *
 * Locks: takes log_lock (below it there is only the serial port). Allocates: nothing.
 * Callable from: anywhere but an NMI handler (with heap_lock held, with the heap
 * exhausted or destroyed). Work is bounded by LOG_RECORD_BYTES.
 */
#include "log.h"

#include "console.h"
#include "panic.h"              /* TODO() */
#include "spinlock.h"
#include "string.h"

struct log_storage log_storage;

/* BEGIN SOLUTION 4.1 */
/*
 * A record is formatted into log_storage.line, goes to the console in one piece, and is copied
 * into log_storage.ring, where the oldest make room for it. A record ends in a newline and has
 * no other, so the ring needs no list of where its records begin.
 */
static DEFINE_SPINLOCK(log_lock);

/* Counts of bytes ever put into the ring and pushed out of it; the ring holds whole records. */
static size_t ring_head, ring_tail;
/* END SOLUTION */

/* Exercise 4.3: forgets the oldest record. */
static void forget_oldest(void)
{
	/* BEGIN SOLUTION 4.3 */
	size_t at = ring_tail % LOG_RING_BYTES, nr_bytes = LOG_RING_BYTES - at;
	const char *start = &log_storage.ring[at], *newline = memchr(start, '\n', nr_bytes);

	if (newline == NULL) {          /* it lies behind the ring's end */
		ring_tail += nr_bytes;
		start = &log_storage.ring[0];
		newline = memchr(start, '\n', LOG_RING_BYTES);
	}
	ring_tail += (size_t)(newline + 1 - start);
	/* END SOLUTION */
}

/* BEGIN SOLUTION 4.1 */
/* Appends a record that ends in a newline to the ring. log_lock is held. */
static void ring_append_locked(const char *text, size_t nr_bytes)
{
	size_t at = ring_head % LOG_RING_BYTES;
	size_t first = nr_bytes < LOG_RING_BYTES - at ? nr_bytes : LOG_RING_BYTES - at;

	while (ring_head + nr_bytes - ring_tail > LOG_RING_BYTES)
		forget_oldest();
	memcpy(&log_storage.ring[at], text, first);
	memcpy(&log_storage.ring[0], text + first, nr_bytes - first);
	ring_head += nr_bytes;
}

/* Formats one record into log_storage.line, marked if cut. Return: its bytes. */
static size_t format_line_locked(enum log_level level, const char *message, va_list arguments)
{
	static const char mark[] = LOG_CUT_MARK "\n";
	const size_t mark_bytes = sizeof(mark) - 1;
	struct buffer_sink line;

	buffer_sink_init(&line, log_storage.line, LOG_RECORD_BYTES);
	log_format(&line.sink, level, message, arguments);
	if (line.cut)
		memcpy(&log_storage.line[LOG_RECORD_BYTES - mark_bytes], mark, mark_bytes);
	return line.nr_bytes;
}
/* END SOLUTION */

/* Exercise 4.1: writes a record to the console, and keeps it. */
void log_record(enum log_level level, const char *message, va_list arguments)
{
	/* BEGIN SOLUTION 4.1 */
	size_t nr_bytes;

	spin_lock(&log_lock);
	nr_bytes = format_line_locked(level, message, arguments);
	console_write(log_storage.line, nr_bytes);
	ring_append_locked(log_storage.line, nr_bytes);
	spin_unlock(&log_lock);
	/* END SOLUTION */
}

/* Exercise 4.2: writes the records that are kept. */
void log_dump(void)
{
	/* BEGIN SOLUTION 4.2 */
	size_t at, nr_bytes, first;

	spin_lock(&log_lock);
	at = ring_tail % LOG_RING_BYTES;
	nr_bytes = ring_head - ring_tail;
	first = nr_bytes < LOG_RING_BYTES - at ? nr_bytes : LOG_RING_BYTES - at;
	console_write(&log_storage.ring[at], first);
	console_write(&log_storage.ring[0], nr_bytes - first);
	spin_unlock(&log_lock);
	/* END SOLUTION */
}
