/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger that needs nothing but itself.
 *
 * A record is formatted into one static buffer of LOG_RECORD_BYTES, goes to the
 * console in one piece, and is copied into a static ring, where it pushes out
 * the oldest. What does not fit the buffer is cut, and a mark says so.
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

static DEFINE_SPINLOCK(log_lock);

/* Counts of bytes ever put into the ring and pushed out of it; the ring holds whole records. */
static size_t ring_head, ring_tail;

/* BEGIN SOLUTION 4.1 */
/* Pushes out the oldest record, whose newline may lie behind the ring's end. */
static void ring_push_out(void)
{
	size_t at = ring_tail % LOG_RING_BYTES, nr_bytes = LOG_RING_BYTES - at;
	const char *start = &log_storage.ring[at], *newline = memchr(start, '\n', nr_bytes);

	if (newline == NULL) {
		ring_tail += nr_bytes;
		start = &log_storage.ring[0];
		newline = memchr(start, '\n', LOG_RING_BYTES);
	}
	ring_tail += (size_t)(newline + 1 - start);
}

static void ring_make_room(size_t nr_bytes)
{
	while (ring_head + nr_bytes - ring_tail > LOG_RING_BYTES)
		ring_push_out();
}
/* END SOLUTION */

/* Exercise 4.1: appends a record that ends in a newline to the ring. log_lock is held. */
static void ring_append_locked(const char *text, size_t nr_bytes)
{
	/* BEGIN SOLUTION 4.1 */
	size_t at = ring_head % LOG_RING_BYTES;
	size_t first = nr_bytes < LOG_RING_BYTES - at ? nr_bytes : LOG_RING_BYTES - at;

	ring_make_room(nr_bytes);
	memcpy(&log_storage.ring[at], text, first);
	memcpy(&log_storage.ring[0], text + first, nr_bytes - first);
	ring_head += nr_bytes;
	/* END SOLUTION */
}

/* Exercise 4.1: formats one record into log_storage.line, marked if cut. Return: its bytes. */
static size_t format_line_locked(enum log_level level, const char *message, va_list arguments)
{
	/* BEGIN SOLUTION 4.1 */
	static const char mark[] = LOG_CUT_MARK "\n";
	const size_t mark_bytes = sizeof(mark) - 1;
	struct buffer_sink line;

	buffer_sink_init(&line, log_storage.line, LOG_RECORD_BYTES);
	log_format(&line.sink, level, message, arguments);
	if (line.cut)
		memcpy(&log_storage.line[LOG_RECORD_BYTES - mark_bytes], mark, mark_bytes);
	return line.nr_bytes;
	/* END SOLUTION */
}

void log_record(enum log_level level, const char *message, va_list arguments)
{
	size_t nr_bytes;

	spin_lock(&log_lock);
	nr_bytes = format_line_locked(level, message, arguments);
	console_write(log_storage.line, nr_bytes);
	ring_append_locked(log_storage.line, nr_bytes);
	spin_unlock(&log_lock);
}

/* Exercise 4.2: writes what the ring holds to the console, oldest first. */
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
