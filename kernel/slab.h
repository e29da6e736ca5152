/* SPDX-License-Identifier: MIT */
/*
 * slab.h: what a slab looks like, and what is in its slots.
 *
 * A slab is a run of pages: a header, a table of its slots, and the slots, all of
 * one size.
 *
 *     +-------------+---------+--------+--------+-- ... --+
 *     | struct slab | slots[] | slot   | slot   |         |   1 … 4 pages, or a large run
 *     +-------------+---------+--------+--------+-- ... --+
 *                             :        '--------.
 *                             +--------+------+-+
 *                             | object | MARK | |   a slot that is live
 *                             +--------+------+-+
 *                             | JUNK JUNK JUNK  |   one that was given back
 *                             +-----------------+
 *
 * What is known of a slot lies in the table, never in the slot: whoever writes to
 * an object that was freed spoils its junk or its next owner's data, not the slab.
 *
 * kmalloc() and kfree() believe a slab's header: one comparison of its class, where a slab enters
 * its list, costs 0.5 instructions an operation in trace a of the benchmark, and 1.5 in trace b,
 * which three bounds do not have. slab_delete() does look at the links and the length, as it is
 * seldom called. Any other field that is damaged, heap_check() alone names for certain.
 *
 * Lab 2 gives this to the students complete. A heap of another design has no use for it.
 *
 * Locks: the caller holds heap_lock. Allocates: nothing. Callable from: the heap.
 */
#ifndef SLAB_H
#define SLAB_H

#include <stdbool.h>

#include "heap.h"
#include "memory.h"
#include "pages.h"
#include "string.h"

struct slab {
	struct slab *next, *prev;       /* in its class's list; valid while it has room */
	struct size_class *class;
	char *first_slot;
	uint32_t slot_bytes;
	uint32_t reciprocal;            /* 2^32 / slot_bytes, rounded up */
	uint16_t nr_slots;
	uint16_t nr_free;               /* slots without an object */
	uint32_t nr_used;               /* slots that ever had one; those behind are untouched */
	uint32_t free;                  /* the slot given back last; nr_used if none is left */
	uint32_t nr_pages;              /* of the run */
	uint16_t slots[];               /* live: SLOT_LIVE + bytes left over; free: the next one */
};

#define SLOT_MAX_BYTES 5440             /* of the largest class */
#define SLOT_LIVE      0x8000u
#define NO_SLOT        UINT32_MAX

_Static_assert(SLOT_LIVE >= PAGE_BYTES && SLOT_LIVE > SLOT_MAX_BYTES,
	       "what an object leaves over of its slot fits in the table");

struct size_class {
	struct slab *with_room;         /* list of its slabs that are not full */
	uint32_t slot_bytes;            /* a multiple of HEAP_ALIGN_BYTES; 0 = as long as the run allows */
	uint16_t nr_slots;              /* of a slab */
	uint16_t nr_pages;              /* of a slab in which an object can start */
};

/* The header with its table, and where the first slot starts. */
#define HEADER_BYTES(nr_slots)     (offsetof(struct slab, slots) + (nr_slots) * sizeof(uint16_t))
#define FIRST_SLOT_BYTES(nr_slots) ROUND_UP(HEADER_BYTES(nr_slots), HEAP_ALIGN_BYTES)

/* A slab of a single slot, which is as long as its run allows. */
static inline bool slab_is_large(const struct slab *slab)
{
	return slab->class->slot_bytes == 0;
}

static inline bool slab_has_room(const struct slab *slab)
{
	return slab->nr_free > 0;
}

static inline bool slab_is_empty(const struct slab *slab)
{
	return slab->nr_free == slab->nr_slots;
}

/* Puts a slab first in its class's list. */
static inline void slab_list(struct slab *slab)
{
	struct size_class *class = slab->class;

	slab->prev = NULL;
	slab->next = class->with_room;
	if (slab->next)
		slab->next->prev = slab;
	class->with_room = slab;
}

static inline void slab_unlist(struct slab *slab)
{
	if (slab->next)
		slab->next->prev = slab->prev;
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		slab->class->with_room = slab->next;
}

/* How many pages an object of `bytes` needs if it gets a slab to itself. */
static inline size_t large_pages(size_t bytes)
{
	return ROUND_UP(bytes + FIRST_SLOT_BYTES(1), PAGE_BYTES) / PAGE_BYTES;
}

/* How long a slot is in a slab of this class, and of nr_pages pages. */
static inline uint32_t slot_bytes_in(const struct size_class *class, size_t nr_pages)
{
	return class->slot_bytes ? class->slot_bytes
				 : (uint32_t)(nr_pages * PAGE_BYTES - FIRST_SLOT_BYTES(1));
}

/* Sets the length of the slab's run, and what follows from it. The class is set before. */
static inline void slab_set_pages(struct slab *slab, size_t nr_pages)
{
	slab->nr_pages = (uint32_t)nr_pages;
	slab->slot_bytes = slot_bytes_in(slab->class, nr_pages);
	slab->reciprocal = UINT32_MAX / slab->slot_bytes + 1;
}

/* Where a slot starts. */
static inline void *slot_at(const struct slab *slab, uint32_t slot)
{
	return slab->first_slot + slot * slab->slot_bytes;
}

/*
 * The number of the slot that starts at `object`. If no slot starts there, returns a number
 * that is not below nr_used. A multiple of slot_bytes, times the reciprocal, is a little over
 * a multiple of 2^32; any other offset is over it by the reciprocal at least, or so large that
 * its number is.
 */
static inline uint32_t slot_of(const struct slab *slab, const void *object)
{
	uint32_t offset = (uint32_t)((const char *)object - slab->first_slot);
	uint64_t product = (uint64_t)offset * slab->reciprocal;

	return (uint32_t)product < slab->reciprocal ? (uint32_t)(product >> 32) : NO_SLOT;
}

/* Stands behind an object that leaves something of its slot over. */
#define MARK 0xa5u

/* Notes down what of a slot its object uses, and sets the mark. */
static inline void object_set_bytes(struct slab *slab, uint32_t slot, uint8_t *object, size_t bytes)
{
	size_t left_over = slab->slot_bytes - bytes;

	slab->slots[slot] = (uint16_t)(SLOT_LIVE + left_over);
	if (left_over > 0)
		object[bytes] = MARK;
}

/* What the caller asked for, of a slot that is live. */
static inline size_t object_bytes(const struct slab *slab, uint32_t slot)
{
	return slab->slot_bytes - (slab->slots[slot] - SLOT_LIVE);
}

static inline bool object_is_whole(const struct slab *slab, uint32_t slot, const uint8_t *object)
{
	size_t bytes = object_bytes(slab, slot);

	return bytes == slab->slot_bytes || object[bytes] == MARK;
}

/*
 * Every byte of a slot that was given back, where HEAP_JUNK is set (heap.h). Eight of them make
 * no address of x86-64: whoever follows a pointer that it finds there faults.
 */
#define JUNK 0xdbu

/* Fills a slot that is given back; not a large one, whose pages go back to the stock at once. */
static inline void junk_fill(const struct slab *slab, uint32_t slot)
{
	if (HEAP_JUNK && !slab_is_large(slab))
		memset(slot_at(slab, slot), JUNK, slab->slot_bytes);
}

/* Is all of a slot that was given back still junk? Looks at eight bytes at a time. */
static inline bool junk_is_whole(const struct slab *slab, uint32_t slot)
{
	typedef uint64_t __attribute__((may_alias)) word;
	const word *words = slot_at(slab, slot);

	for (size_t i = 0; HEAP_JUNK && i < slab->slot_bytes / sizeof(word); i++)
		if (words[i] != JUNK * 0x0101010101010101ul)
			return false;
	return true;
}

/*
 * Gives a slab's pages back to the stock. It must be in its class's list. Panics first if somebody
 * has written to its length or to its links.
 */
void slab_delete(struct slab *slab);

/* Panics unless the class of a slab is one of these. */
void slab_check_class(const struct slab *slab, const struct size_class *classes, size_t nr_classes);

/*
 * Looks at everything in a slab that starts at a page, and panics on the first contradiction, as
 * heap_check() does. The header may be damaged in any way, but for its class, which the caller
 * has looked at. Adds what is in use in it to `found`: nr_live, live_bytes, nr_pages.
 */
void slab_check(const struct slab *slab, struct heap_stats *found);

/* Walks a class's list and panics on the first contradiction. Return: how many slabs are in it. */
size_t slab_list_check(const struct size_class *class);

#endif
