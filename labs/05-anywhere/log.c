/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger that can be called from any instruction, its own included.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler in the midst of itself
 * included). Work is bounded by LOG_RECORD_BYTES.
 */
#include "log.h"

#include "panic.h"              /* TODO() */
#include "string.h"

struct log_storage log_storage;

/* BEGIN SOLUTION 5.1 */
/*
 * Theory of operation. A record's number, which is one atomic addition of the front end's, is its
 * place: record n lies in slot n % LOG_KEPT_RECORDS. Each slot has a tag, one word: the number of the
 * record that it belongs to, and the state of that record. Writer n does this to the tag that it finds:
 *
 *      it finds           it makes of it     by                           else
 *      WHOLE m, m < n     RESERVED n         compare and exchange         it looks again
 *      RESERVED n         FILLING n          a store: nr_bytes counts
 *      FILLING n          WHOLE n            a store: the record is kept
 *      RESERVED m or      the same           n is lost, and the slot's
 *        FILLING m, m<n                      `lost` says so
 *      any of m, m > n    the same           n is lost: it is too late
 *
 * Nobody else changes the tag of a slot that is RESERVED or FILLING. Writers do not wait for each other.
 * An interrupting writer runs to its end first, so such a slot belongs to a writer further out,
 * which cannot go on before we are done. To wait for it would be a deadlock.
 *
 * Readers copy what a slot has and look at its tag once more. If it has changed, a writer has come in
 * between, and the copy is worthless. If the tag has a lower number than the record that is looked for,
 * this record has not reserved its slot yet, unless `lost` says that it never will.
 *
 * Memory order. The exchange is an ACQUIRE: no byte of the record is written before it. The stores
 * are RELEASEs: what they promise has been written by then. They pair with the reader's
 * first look at the tag (ACQUIRE). The reader's fence keeps the copy before its second look, and
 * pairs with the exchange. On x86 this costs nothing more: it binds the compiler.
 *
 * Shortcomings. A writer that never comes to its end, as a test leaves one behind by a panic, keeps its
 * slot for good: each LOG_KEPT_RECORDS-th record is lost. It is made for one CPU. With several, the
 * writer that holds a slot may be beside us, and worth waiting for.
 */
enum state { RESERVED = 1, FILLING, WHOLE, NR_STATES };

static const char mark[] = LOG_CUT_MARK "\n";
#define MARK_BYTES (sizeof(mark) - 1)

static struct slot {
	uint64_t tag;                   /* number * NR_STATES + state; 0: no record was here */
	uint64_t lost;                  /* the last record that found the slot taken, or 0 */
	struct buffer_sink text;        /* the record so far, in log_storage.ring */
} slots[LOG_KEPT_RECORDS];

static uint64_t tag(uint64_t number, enum state state)
{
	return number * NR_STATES + state;
}

static uint64_t number_of(uint64_t tag)
{
	return tag / NR_STATES;
}

static bool is_taken(uint64_t tag)
{
	return tag % NR_STATES == RESERVED || tag % NR_STATES == FILLING;
}

/* A record that comes in the midst of this has a higher number, and leaves it there. */
static void note_lost(struct slot *slot, uint64_t number)
{
	uint64_t lost = __atomic_load_n(&slot->lost, __ATOMIC_RELAXED);

	while (lost < number && !__atomic_compare_exchange_n(&slot->lost, &lost, number, false,
							     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* Return: the slot of this record, which is RESERVED, or NULL if the record is lost. */
static struct slot *reserve(uint64_t number)
{
	struct slot *slot = &slots[number % LOG_KEPT_RECORDS];
	uint64_t found = __atomic_load_n(&slot->tag, __ATOMIC_RELAXED);

	do {
		if (number_of(found) > number)
			return NULL;
		if (is_taken(found)) {
			note_lost(slot, number);
			return NULL;
		}
	} while (!__atomic_compare_exchange_n(&slot->tag, &found, tag(number, RESERVED), false,
					      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return slot;
}

static void set_state(struct slot *slot, uint64_t number, enum state state)
{
	__atomic_store_n(&slot->tag, tag(number, state), __ATOMIC_RELEASE);
}

/* Formats a record into its slot, marked if cut. */
static void fill(struct slot *slot, uint64_t number, enum log_level level, const char *message,
		 va_list arguments)
{
	char *text = &log_storage.ring[number % LOG_KEPT_RECORDS * LOG_RECORD_BYTES];

	buffer_sink_init(&slot->text, text, LOG_RECORD_BYTES);
	set_state(slot, number, FILLING);
	log_format(&slot->text.sink, level, message, arguments);
	if (slot->text.cut)
		memcpy(&text[LOG_RECORD_BYTES - MARK_BYTES], mark, MARK_BYTES);
}
/* END SOLUTION */

/* Exercise 5.1: keeps a record, and has it written to the console. */
void log_record(enum log_level level, const char *message, va_list arguments)
{
	/* BEGIN SOLUTION 5.1 */
	uint64_t number = log_number();
	struct slot *slot = reserve(number);

	if (slot != NULL) {
		fill(slot, number, level, message, arguments);
		set_state(slot, number, WHOLE);
	}
	log_flush();
	/* END SOLUTION */
}

/* BEGIN SOLUTION 5.1 */
/* Copies what there is of one record. Return: false if it is lost. */
static bool read_one(uint64_t number, struct log_view *view)
{
	struct slot *slot = &slots[number % LOG_KEPT_RECORDS];
	uint64_t found = __atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE);

	view->number = number;
	view->is_whole = found == tag(number, WHOLE);
	view->nr_bytes = 0;
	if (number_of(found) > number)
		return false;
	if (number_of(found) < number)
		return __atomic_load_n(&slot->lost, __ATOMIC_RELAXED) < number;
	if (found == tag(number, RESERVED))
		return true;
	view->nr_bytes = slot->text.nr_bytes;
	if (!view->is_whole && view->nr_bytes > LOG_RECORD_BYTES - MARK_BYTES)
		view->nr_bytes = LOG_RECORD_BYTES - MARK_BYTES;
	memcpy(view->text, slot->text.text, view->nr_bytes);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->tag, __ATOMIC_RELAXED) == found;
}
/* END SOLUTION */

/* Exercise 5.1: copies the first record from a number on. */
bool log_read(uint64_t from, struct log_view *view)
{
	/* BEGIN SOLUTION 5.1 */
	uint64_t last = log_last_number();

	if (from + LOG_KEPT_RECORDS <= last)
		from = last - LOG_KEPT_RECORDS + 1;
	/* A writer may come in between at each step, and push all out that were there. */
	for (; from <= log_last_number(); from++)
		if (read_one(from, view))
			return true;
	return false;
	/* END SOLUTION */
}
