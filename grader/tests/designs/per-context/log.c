/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger unlike lab 5's: a ring for each context, merged when they are read.
 *
 * A context is how many records are at work already. No two writers are ever in one ring at a time, so
 * plain stores do. Record n lies in slot n % LOG_KEPT_RECORDS of its context's ring: what is finished
 * and among the newest is there, and what is not there is not finished.
 *
 * Limits: MAX_DEPTH contexts. A record that is finished when LOG_KEPT_RECORDS newer ones have got
 * their numbers is lost.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "log.h"

#include "string.h"

#define MAX_DEPTH 6

static const char mark[] = LOG_CUT_MARK "\n";
#define BEGINNING_BYTES (LOG_RECORD_BYTES - (sizeof(mark) - 1))        /* behind that a mark may come */

struct log_storage log_storage;         /* not used */

static struct slot {
	uint64_t number;                /* whose text this is */
	uint64_t whole;                 /* the same once it is finished */
	struct buffer_sink sink;
	char text[LOG_RECORD_BYTES];
} rings[MAX_DEPTH][LOG_KEPT_RECORDS];

static unsigned depth;

static void fill(struct slot *slot, enum log_level level, const char *message, va_list arguments)
{
	if (slot->number > log_number())
		return;                 /* it has its number since before many others: it is lost */
	__atomic_store_n(&slot->number, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	buffer_sink_init(&slot->sink, slot->text, LOG_RECORD_BYTES);
	__atomic_store_n(&slot->number, log_number(), __ATOMIC_RELEASE);
	log_format(&slot->sink.sink, level, message, arguments);
	if (slot->sink.cut)
		memcpy(slot->text + LOG_RECORD_BYTES - strlen(mark), mark, strlen(mark));
	__atomic_store_n(&slot->whole, log_number(), __ATOMIC_RELEASE);
}

void log_record(enum log_level level, const char *message, va_list arguments)
{
	unsigned own = __atomic_fetch_add(&depth, 1, __ATOMIC_RELAXED);

	if (own < MAX_DEPTH)
		fill(&rings[own][log_number() % LOG_KEPT_RECORDS], level, message, arguments);
	__atomic_fetch_sub(&depth, 1, __ATOMIC_RELAXED);
	log_flush();
}

/* Copies what one context has of a record. Return: false if it has nothing of it. */
static bool copy(const struct slot *slot, struct log_view *view)
{
	if (__atomic_load_n(&slot->number, __ATOMIC_ACQUIRE) != view->number)
		return false;
	view->is_whole = __atomic_load_n(&slot->whole, __ATOMIC_ACQUIRE) == view->number;
	view->nr_bytes = slot->sink.nr_bytes;
	if (!view->is_whole && view->nr_bytes > BEGINNING_BYTES)
		view->nr_bytes = BEGINNING_BYTES;
	memcpy(view->text, slot->text, view->nr_bytes);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->number, __ATOMIC_RELAXED) == view->number;
}

bool log_read(uint64_t from, struct log_view *view)
{
	uint64_t last = log_last_number();

	if (from + LOG_KEPT_RECORDS <= last)
		from = last - LOG_KEPT_RECORDS + 1;
	if (from > last)
		return false;
	view->number = from;
	for (unsigned i = 0; i < MAX_DEPTH; i++)
		if (copy(&rings[i][from % LOG_KEPT_RECORDS], view))
			return true;
	if (log_last_number() >= from + LOG_KEPT_RECORDS)
		return log_read(from + 1, view);        /* it was lost while we looked for it */
	view->is_whole = false;
	view->nr_bytes = 0;
	return true;
}
