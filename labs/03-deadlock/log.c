/* SPDX-License-Identifier: MIT */
/*
 * log.c: a logger that keeps what it has written, for dmesg.
 *
 * Records have any length, so each is formatted into a buffer of its own that
 * grows on the heap, goes to the console in one piece, and joins a list. The
 * list keeps the last MAX_RECORDS.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (log_lock around the list only; the
 * others in kmalloc()). Allocates: the heap (one object a record). Callable from:
 * anywhere but an NMI handler (wherever kmalloc() is).
 */
#include "log.h"

#include "console.h"
#include "heap.h"
#include "spinlock.h"
#include "string.h"

#define MAX_RECORDS   256
#define FIRST_BYTES   128               /* of text; most records fit */

struct record {
	struct record *next;            /* the record after this one */
	size_t nr_bytes;                /* of text, with its newline */
	char text[];
};

/* Grows a record as text arrives. */
struct record_sink {
	struct sink sink;
	struct record *record;
	size_t capacity_bytes;          /* of record->text */
	bool failed;                    /* the heap was exhausted */
};

static DEFINE_SPINLOCK(log_lock);
static struct record *oldest, **newest = &oldest;
static size_t nr_records;

static bool grow(struct record_sink *sink, size_t capacity_bytes)
{
	struct record *record = krealloc(sink->record, sizeof(*record) + capacity_bytes);

	if (record == NULL)
		return false;
	sink->record = record;
	sink->capacity_bytes = capacity_bytes;
	return true;
}

static bool record_write(struct sink *sink, const char *text, size_t nr_bytes)
{
	struct record_sink *to = (struct record_sink *)sink;
	size_t needed = to->record->nr_bytes + nr_bytes;

	if (needed > to->capacity_bytes && !to->failed)
		to->failed = !grow(to, needed + to->capacity_bytes);
	if (to->failed)
		return false;
	memcpy(to->record->text + to->record->nr_bytes, text, nr_bytes);
	to->record->nr_bytes = needed;
	return true;
}

/* Formats a record on the heap. Return: NULL if the heap is exhausted. */
static struct record *record_new(enum log_level level, const char *message, va_list arguments)
{
	struct record_sink sink = { .sink.write = record_write, .capacity_bytes = FIRST_BYTES };

	sink.record = kmalloc(sizeof(*sink.record) + FIRST_BYTES);
	if (sink.record == NULL)
		return NULL;
	*sink.record = (struct record){ 0 };
	log_format(&sink.sink, level, message, arguments);
	if (sink.failed) {
		kfree(sink.record);
		return NULL;
	}
	return sink.record;
}

/* Appends a record to the list, and takes the oldest off it when there are too many. */
static void record_keep(struct record *record)
{
	struct record *dropped = NULL;

	spin_lock(&log_lock);
	*newest = record;
	newest = &record->next;
	if (++nr_records > MAX_RECORDS) {
		dropped = oldest;
		oldest = dropped->next;
		nr_records--;
	}
	spin_unlock(&log_lock);
	kfree(dropped);
}

void log_record(enum log_level level, const char *message, va_list arguments)
{
	struct record *record = record_new(level, message, arguments);

	if (record == NULL) {
		log_format(&console_sink, level, message, arguments);
		return;
	}
	console_write(record->text, record->nr_bytes);
	record_keep(record);
}

void log_dump(void)
{
	spin_lock(&log_lock);
	for (struct record *record = oldest; record != NULL; record = record->next)
		console_write(record->text, record->nr_bytes);
	spin_unlock(&log_lock);
}
