/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger unlike lab 5's: a record that finds its place taken says so in the place's word, and
 * then both records are lost, so that the place needs no second word.
 *
 *      LOST or DONE m ──► CLAIMED n ──► BUSY n ──► DONE n       by writer n
 *                            └────────────┴──► TAKEN o          by a writer o in the midst of n: o is lost
 *                                                └──► LOST o    by writer n, whose record is lost, too
 *
 * Each step is one compare and exchange: a step that fails finds TAKEN.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler in the midst of itself
 * included).
 */
#include "log.h"

#include "string.h"

struct log_storage log_storage;

enum state { LOST, CLAIMED, BUSY, TAKEN, DONE };

static const char mark[] = LOG_CUT_MARK "\n";
#define BEGINNING_BYTES (LOG_RECORD_BYTES - (sizeof(mark) - 1))        /* behind that a mark may come */

static struct place {
	uint64_t word;                  /* a record's number * 8 + its state */
	struct buffer_sink text;        /* in log_storage.ring */
} places[LOG_KEPT_RECORDS];

static uint64_t word(uint64_t number, enum state state)
{
	return number * 8 + state;
}

static bool change(struct place *place, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(&place->word, &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Return: false if the record is lost. */
static bool claim(struct place *place, uint64_t number)
{
	for (;;) {
		uint64_t found = __atomic_load_n(&place->word, __ATOMIC_RELAXED);
		bool is_free = found % 8 == LOST || found % 8 == DONE;

		if (found / 8 > number)
			return false;
		if (change(place, found, word(number, is_free ? CLAIMED : TAKEN)))
			return is_free;
	}
}

static void fill(struct place *place, uint64_t number, enum log_level level, const char *message, va_list arguments)
{
	char *text = &log_storage.ring[number % LOG_KEPT_RECORDS * LOG_RECORD_BYTES];

	buffer_sink_init(&place->text, text, LOG_RECORD_BYTES);
	change(place, word(number, CLAIMED), word(number, BUSY));
	log_format(&place->text.sink, level, message, arguments);
	if (place->text.cut)
		memcpy(text + BEGINNING_BYTES, mark, sizeof(mark) - 1);
	if (!change(place, word(number, BUSY), word(number, DONE)))
		__atomic_and_fetch(&place->word, ~7ull, __ATOMIC_ACQ_REL);      /* TAKEN, by whomever: LOST */
}

void log_record(enum log_level level, const char *message, va_list arguments)
{
	uint64_t number = log_number();
	struct place *place = &places[number % LOG_KEPT_RECORDS];

	if (claim(place, number))
		fill(place, number, level, message, arguments);
	log_flush();
}

/* Copies what there is of a record. Return: false if it is lost. */
static bool copy(const struct place *place, uint64_t number, struct log_view *view)
{
	uint64_t found = __atomic_load_n(&place->word, __ATOMIC_ACQUIRE);

	view->number = number;
	view->nr_bytes = 0;
	view->is_whole = found == word(number, DONE);
	if (found / 8 < number || found == word(number, CLAIMED))
		return true;            /* it has not begun */
	if (!view->is_whole && found != word(number, BUSY))
		return false;
	view->nr_bytes = place->text.nr_bytes;
	if (!view->is_whole && view->nr_bytes > BEGINNING_BYTES)
		view->nr_bytes = BEGINNING_BYTES;
	memcpy(view->text, place->text.text, view->nr_bytes);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&place->word, __ATOMIC_RELAXED) == found;
}

bool log_read(uint64_t from, struct log_view *view)
{
	uint64_t last = log_last_number();

	if (from + LOG_KEPT_RECORDS <= last)
		from = last - LOG_KEPT_RECORDS + 1;
	for (; from <= log_last_number(); from++)
		if (copy(&places[from % LOG_KEPT_RECORDS], from, view))
			return true;
	return false;
}
