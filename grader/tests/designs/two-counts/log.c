/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger unlike lab 5's, after Lamport's concurrent reading and writing: a slot has one count that is
 * set before its text is written, and one that is set behind it. If they are the same to a reader who
 * looks at the second first and at the first last, what it has read in between is whole.
 *
 * It has more slots than must be kept, and a list of the numbers that were lost.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "log.h"

#include "string.h"

#define NR_SLOTS 200
#define NR_LOST  1024

static const char mark[] = LOG_CUT_MARK "\n";
#define BEGINNING_BYTES (LOG_RECORD_BYTES - (sizeof(mark) - 1))        /* behind that a mark may come */

struct log_storage log_storage;         /* not used */

static struct slot {
	uint64_t before, behind;        /* numbers; the record is being written while they differ */
	uint64_t counted;               /* the number of the record that nr_bytes counts */
	size_t nr_bytes;                /* written so far */
	char text[LOG_RECORD_BYTES];
} slots[NR_SLOTS];

static uint64_t lost[NR_LOST];          /* record n, at n % NR_LOST */

/* A sink that counts in the slot. */
struct slot_sink {
	struct sink sink;
	struct slot *slot;
	bool cut;
};

static bool slot_write(struct sink *sink, const char *text, size_t nr_bytes)
{
	struct slot_sink *into = (struct slot_sink *)sink;
	size_t room = LOG_RECORD_BYTES - into->slot->nr_bytes;

	into->cut = nr_bytes > room;
	if (into->cut)
		nr_bytes = room;
	memcpy(into->slot->text + into->slot->nr_bytes, text, nr_bytes);
	__atomic_store_n(&into->slot->nr_bytes, into->slot->nr_bytes + nr_bytes, __ATOMIC_RELEASE);
	return !into->cut;
}

/* Return: the slot of a record, empty and its own, or NULL. */
static struct slot *take(uint64_t number)
{
	struct slot *slot = &slots[number % NR_SLOTS];
	uint64_t behind = slot->behind;

	if (behind > number || !__atomic_compare_exchange_n(&slot->before, &behind, number, false,
							    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return NULL;
	return slot;
}

void log_record(enum log_level level, const char *message, va_list arguments)
{
	uint64_t number = log_number();
	struct slot *slot = take(number);

	if (slot == NULL) {
		__atomic_store_n(&lost[number % NR_LOST], number, __ATOMIC_RELEASE);
	} else {
		struct slot_sink sink = { .sink.write = slot_write, .slot = slot };

		slot->nr_bytes = 0;
		__atomic_store_n(&slot->counted, number, __ATOMIC_RELEASE);
		log_format(&sink.sink, level, message, arguments);
		if (sink.cut)
			memcpy(slot->text + LOG_RECORD_BYTES - strlen(mark), mark, strlen(mark));
		__atomic_store_n(&slot->behind, number, __ATOMIC_RELEASE);
	}
	log_flush();
}

/* Copies one record. Return: false if it is lost. */
static bool copy(uint64_t number, struct log_view *view)
{
	const struct slot *slot = &slots[number % NR_SLOTS];
	uint64_t behind = __atomic_load_n(&slot->behind, __ATOMIC_ACQUIRE);
	uint64_t before = __atomic_load_n(&slot->before, __ATOMIC_ACQUIRE);

	view->number = number;
	view->is_whole = behind == number;
	view->nr_bytes = 0;
	if (before > number || behind > number ||
	    __atomic_load_n(&lost[number % NR_LOST], __ATOMIC_ACQUIRE) == number)
		return false;
	if (__atomic_load_n(&slot->counted, __ATOMIC_ACQUIRE) != number)
		return true;
	view->nr_bytes = slot->nr_bytes;
	if (!view->is_whole && view->nr_bytes > BEGINNING_BYTES)
		view->nr_bytes = BEGINNING_BYTES;
	memcpy(view->text, slot->text, view->nr_bytes);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->before, __ATOMIC_RELAXED) == number;
}

bool log_read(uint64_t from, struct log_view *view)
{
	uint64_t last = log_last_number();

	if (from + NR_SLOTS <= last)
		from = last - NR_SLOTS + 1;
	for (; from <= log_last_number(); from++)
		if (copy(from, view))
			return true;
	return false;
}
