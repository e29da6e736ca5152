/* SPDX-License-Identifier: MIT */
/*
 * rescue.c: lab 3's rescue, which takes what there is, and says more when there is nothing.
 *
 * It takes the largest block of frames that there is, from RESCUE_MIN_ORDER down to the order that
 * the request needs. If there is none, it tells its listeners: the log, and a list of notes, which a
 * debugger finds when the log has moved on. A note says "failed for want of B bytes".
 * Limit: one rescue brings at most the largest block, FRAME_MAX_ORDER.
 *
 * Locks: takes frame_lock; the caller holds heap_lock (and it stays held, so that nobody
 * else takes the pages before the caller does). Allocates: frames.
 * Callable from: the heap.
 */
#include "rescue.h"

#include "format.h"
#include "frame.h"
#include "heap.h"
#include "log.h"
#include "memory.h"
#include "string.h"

#define RESCUE_MIN_ORDER 4
#define NOTE_BYTES       64             /* of a note, without the reason */

/* Somebody who wants to hear of rescues that fail. */
struct listener {
	void (*tell)(unsigned rescue, const char *text);
	struct listener *next;          /* NULL = none */
};

struct note {
	struct note *next;              /* the one before; NULL = none */
	char text[];                    /* NUL-terminated */
};

/* Rescues so far; the log numbers them. */
static unsigned nr_rescues;

/* The last one first. */
static struct note *notes;

static void keep(unsigned rescue, const char *text)
{
	struct note *note = kmalloc(sizeof(*note) + strlen(text) + 1);

	if (note == NULL)
		return;
	memcpy(note->text, text, strlen(text) + 1);
	note->next = notes;
	notes = note;
}

static void tell_log(unsigned rescue, const char *text)
{
	log_error("heap: out of memory, rescue %u %s", rescue, text);
}

static struct listener keeper = { .tell = keep }, speaker = { .tell = tell_log, .next = &keeper };

/* The smallest order whose blocks would hold `bytes`, which may be more than FRAME_MAX_ORDER. */
static unsigned order_for(size_t bytes)
{
	return bytes <= PAGE_BYTES ? 0 : 64 - PAGE_SHIFT - (unsigned)__builtin_clzl(bytes - 1);
}

/* Exercise 7.2: takes the largest block there is, from `order` down to `least`, which it then is. */
static paddr_t take(unsigned *order, unsigned least)
{
	paddr_t frames = frame_alloc(*order);

	if (frames == PADDR_NONE && *order > least) {
		--*order;
		frames = take(order, least);
	}
	return frames;
}

/* Exercise 7.2: tells all who listen that a rescue has failed, and why. */
static __attribute__((noinline)) void report(size_t bytes, const char *why)
{
	size_t nr_bytes = NOTE_BYTES + strlen(why);
	char *text = __builtin_alloca(nr_bytes);

	format_string(text, nr_bytes, "failed for want of %zu bytes%s", bytes, why);
	for (struct listener *listener = &speaker; listener != NULL; listener = listener->next)
		listener->tell(nr_rescues, text);
}

bool heap_rescue(size_t bytes)
{
	unsigned needed = order_for(bytes);
	unsigned order = needed > RESCUE_MIN_ORDER ? needed : RESCUE_MIN_ORDER;
	paddr_t frames;

	nr_rescues++;
	log_debug("heap: rescue %u: no room for %zu bytes, taking %lu KiB", nr_rescues, bytes,
		  (PAGE_BYTES << order) / KIB(1));
	frames = take(&order, needed);
	if (frames == PADDR_NONE) {
		report(bytes, needed > FRAME_MAX_ORDER ? ": no block of frames is that large" : "");
		return false;
	}
	heap_add_locked(phys_to_virt(frames), 1ul << order);
	return true;
}
