/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger unlike lab 4's, for the tests that the labs ask for no design: no lock, no ring
 * of bytes. Each record is made in a slot of its own, which one atomic addition takes.
 *
 * Limits: the last NR_SLOTS records.
 *
 * Locks: none. Allocates: nothing. Callable from: see log.h.
 */
#include "log.h"

#include "console.h"
#include "string.h"

#define NR_SLOTS 128

struct log_storage log_storage;         /* not used */

static struct slot {
	size_t nr_bytes;                /* of text; 0 = none yet */
	char text[LOG_RECORD_BYTES];
} slots[NR_SLOTS];

static size_t nr_taken;                 /* slots, ever */

void log_record(enum log_level level, const char *message, va_list arguments)
{
	static const char mark[] = LOG_CUT_MARK "\n";
	struct slot *slot = &slots[__atomic_fetch_add(&nr_taken, 1, __ATOMIC_RELAXED) % NR_SLOTS];
	struct buffer_sink text;

	buffer_sink_init(&text, slot->text, LOG_RECORD_BYTES);
	log_format(&text.sink, level, message, arguments);
	if (text.cut)
		memcpy(slot->text + LOG_RECORD_BYTES - strlen(mark), mark, strlen(mark));
	slot->nr_bytes = text.nr_bytes;
	console_write(slot->text, slot->nr_bytes);
}

void log_dump(void)
{
	for (size_t i = nr_taken < NR_SLOTS ? 0 : nr_taken - NR_SLOTS; i < nr_taken; i++)
		console_write(slots[i % NR_SLOTS].text, slots[i % NR_SLOTS].nr_bytes);
}
