/* SPDX-License-Identifier: MIT */
/*
 * heap.c: objects of any size, out of the page runs of pages.h.
 *
 * A slab is a run of pages: a header, a table of its slots, and the slots, all of
 * one size. Each size class has slabs of its own; an object too large for any gets
 * a slab to itself, of a single slot.
 *
 *     +-------------+---------+--------+--------+-- ... --+
 *     | struct slab | slots[] | slot   | slot   |         |   1 … 4 pages, or a large run
 *     +-------------+---------+--------+--------+-- ... --+
 *                             :        '--------.
 *                             +--------+------+-+
 *                             | object | MARK | |
 *                             +--------+------+-+
 *
 * Neither direction searches. kmalloc: size -> its class -> the first slab with
 * room -> a slot given back before, or the next one never used. kfree: pointer ->
 * tag of its page, which tells how far back the slab starts -> number of its slot.
 *
 * What is known of a slot lies in the table, never in the slot: whoever writes to
 * an object that was freed spoils its next owner's data, not the slab. Only when the
 * whole slab has been given up does such a write reach what pages.h keeps there.
 *
 * Limits: an overrun is noticed when the object is freed, not when it happens, and
 * not if the object fills its slot; use after free is not. A slab whose objects are
 * few keeps all of its pages.
 *
 * Locks: heap_lock, over everything; heap_rescue() may drop it for a while.
 * Allocates: frames, in heap_init(), and whatever heap_rescue() brings.
 * Callable from: anywhere but an NMI handler, without heap_lock.
 */
#include "heap.h"

#include "frame.h"
#include "memmap.h"
#include "pages.h"
#include "panic.h"
#include "rescue.h"
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

#define SLOT_LIVE 0x8000u
#define NO_SLOT   UINT32_MAX

struct size_class {
	struct slab *with_room;         /* list of its slabs that are not full */
	uint32_t slot_bytes;            /* a multiple of HEAP_ALIGN_BYTES */
	uint16_t nr_slots;              /* of a slab */
	uint16_t nr_pages;              /* of a slab in which an object can start */
};

#define SLOT_MAX_BYTES 5440
#define HEADER_BYTES(nr_slots) (offsetof(struct slab, slots) + (nr_slots) * sizeof(uint16_t))

#define CLASS(bytes, pages) {                                                                   \
	.slot_bytes = (bytes), .nr_pages = (pages),                                             \
	.nr_slots = ((pages) * PAGE_BYTES - HEADER_BYTES(0)) / ((bytes) + sizeof(uint16_t)),    \
}

/* Slot sizes, about three to a doubling, that fill their slabs well. */
static struct size_class classes[] = {
	CLASS(16, 1),   CLASS(32, 1),   CLASS(48, 1),   CLASS(64, 1),   CLASS(80, 1),
	CLASS(96, 1),   CLASS(112, 1),  CLASS(128, 1),  CLASS(160, 1),  CLASS(208, 1),
	CLASS(256, 1),  CLASS(320, 1),  CLASS(400, 1),  CLASS(512, 2),  CLASS(640, 1),
	CLASS(800, 1),  CLASS(1008, 1), CLASS(1248, 4), CLASS(1616, 2), CLASS(2032, 2),
	CLASS(2704, 2), CLASS(3248, 4), CLASS(4080, 4), CLASS(SLOT_MAX_BYTES, 4),
};

/* Slabs of one slot, which is as long as their run allows. */
static struct size_class large = { .nr_slots = 1, .nr_pages = 1 };
#define LARGE_HEADER_BYTES ROUND_UP(HEADER_BYTES(1), HEAP_ALIGN_BYTES)

/* By size of a slot in units of HEAP_ALIGN_BYTES: the first class that has it. */
static struct size_class *class_of_units[SLOT_MAX_BYTES / HEAP_ALIGN_BYTES + 1];

/* The slab that was empty last; NULL = none yet. Only this one can still be empty. */
static struct slab *last_emptied;

static struct {
	size_t nr_allocated, nr_freed;  /* objects, ever */
	size_t nr_other_calls;          /* those that allocated or freed none */
	size_t live_bytes;              /* as their callers asked for */
	size_t nr_rescues;
} counts;

DEFINE_SPINLOCK(heap_lock);

/* Reports a contradiction or a mistake, without heap_lock, as heap.h promises. */
static _Noreturn void heap_panic(const char *function, const void *where, const char *what)
{
	spin_unlock(&heap_lock);
	panic("%s: %p: %s", function, where, what);
}

/* Stands behind an object that leaves something of its slot over. */
#define MARK 0xa5u

_Static_assert(SLOT_LIVE >= PAGE_BYTES, "no object leaves over a page of its slot");

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

/* Where a slot starts. */
static inline void *slot_at(const struct slab *slab, uint32_t slot)
{
	return slab->first_slot + slot * slab->slot_bytes;
}

/*
 * The number of the slot that starts at `object`; what is the start of none gets a
 * number that is no less than nr_used. A multiple of slot_bytes, times the reciprocal,
 * is a little over a multiple of 2^32; any other offset is over it by the reciprocal
 * at least, or so large that its number is.
 */
static inline uint32_t slot_of(const struct slab *slab, const void *object)
{
	uint32_t offset = (uint32_t)((const char *)object - slab->first_slot);
	uint64_t product = (uint64_t)offset * slab->reciprocal;

	return (uint32_t)product < slab->reciprocal ? (uint32_t)(product >> 32) : NO_SLOT;
}

static inline bool slab_has_room(const struct slab *slab)
{
	return slab->nr_free > 0;
}

static inline bool slab_is_empty(const struct slab *slab)
{
	return slab->nr_free == slab->nr_slots;
}

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

void heap_init(void)
{
	struct size_class *class = classes;
	paddr_t reserve;

	for (size_t i = 0; i < ARRAY_LENGTH(class_of_units); i++) {
		if (i * HEAP_ALIGN_BYTES > class->slot_bytes)
			class++;
		class_of_units[i] = class;
	}
	pages_init();
	reserve = frame_alloc(HEAP_RESERVE_ORDER);
	if (reserve == PADDR_NONE)
		panic("heap_init: no block of order %u for the reserve", HEAP_RESERVE_ORDER);
	spin_lock(&heap_lock);
	heap_add_locked(phys_to_virt(reserve), HEAP_RESERVE_PAGES);
	spin_unlock(&heap_lock);
}

void heap_add_locked(void *base, size_t nr_pages)
{
	pages_free(base, nr_pages);
}

/*
 * Exercise 2.1: makes a slab of a run of nr_pages pages: tags the pages, so that a pointer into
 * them leads here, and lists it in its class. If there is no such run, it calls
 * heap_rescue() for the run's bytes and tries once more. That may have dropped
 * heap_lock, so the class may have come by a slab meanwhile even if there is
 * still no run.
 *
 * Return: a slab with room, or NULL.
 */
static struct slab *slab_new(struct size_class *class, size_t nr_pages)
{
	/* BEGIN SOLUTION 2.1 */
	struct slab *slab = pages_alloc(nr_pages);
	uint8_t *tags;

	if (!slab) {
		counts.nr_rescues++;
		if (heap_rescue(nr_pages * PAGE_BYTES))
			slab = pages_alloc(nr_pages);
		if (!slab)
			return class->with_room;
	}
	tags = page_tags_of(slab);
	for (unsigned i = 0; i < class->nr_pages; i++)
		tags[i] = (uint8_t)(PAGE_USER + i);
	slab->class = class;
	slab->slot_bytes = class->slot_bytes;
	if (class == &large)
		slab->slot_bytes = (uint32_t)(nr_pages * PAGE_BYTES - LARGE_HEADER_BYTES);
	slab->reciprocal = UINT32_MAX / slab->slot_bytes + 1;
	slab->nr_slots = slab->nr_free = class->nr_slots;
	slab->nr_used = slab->free = 0;
	slab->nr_pages = (uint32_t)nr_pages;
	slab->first_slot = (char *)slab + ROUND_UP(HEADER_BYTES(class->nr_slots), HEAP_ALIGN_BYTES);
	slab_list(slab);
	return slab;
	/* END SOLUTION */
}

/*
 * Exercise 2.2: takes a slot of a slab with room for an object of `bytes`. A slab that is full
 * then leaves its class's list. Slots that were given back go first, as they are
 * likelier to be in the CPU's cache.
 */
static void *slot_take(struct slab *slab, size_t bytes)
{
	/* BEGIN SOLUTION 2.2 */
	uint32_t slot = slab->free;
	void *object = slot_at(slab, slot);

	if (slot < slab->nr_used)
		slab->free = slab->slots[slot];
	else
		slab->free = slab->nr_used = slot + 1;
	slab->nr_free--;
	if (!slab_has_room(slab))
		slab_unlist(slab);
	object_set_bytes(slab, slot, object, bytes);
	return object;
	/* END SOLUTION */
}

/* A slab with room for an object of `bytes`, or NULL. */
static struct slab *slab_for(size_t bytes)
{
	struct size_class *class;

	if (bytes <= SLOT_MAX_BYTES) {
		class = class_of_units[(bytes + HEAP_ALIGN_BYTES - 1) / HEAP_ALIGN_BYTES];
		return class->with_room ? class->with_room : slab_new(class, class->nr_pages);
	}
	if (bytes > HEAP_MAX_BYTES)
		return NULL;
	return slab_new(&large, ROUND_UP(bytes + LARGE_HEADER_BYTES, PAGE_BYTES) / PAGE_BYTES);
}

void *kmalloc(size_t bytes)
{
	struct slab *slab;
	void *object = NULL;

	spin_lock(&heap_lock);
	slab = slab_for(bytes);
	if (slab) {
		object = slot_take(slab, bytes);
		counts.nr_allocated++;
		counts.live_bytes += bytes;
	} else {
		counts.nr_other_calls++;
	}
	spin_unlock(&heap_lock);
	return object;
}

void *kzalloc(size_t count, size_t bytes)
{
	size_t total_bytes;
	void *object;

	if (__builtin_mul_overflow(count, bytes, &total_bytes))
		return NULL;
	object = kmalloc(total_bytes);
	if (object)
		memset(object, 0, total_bytes);
	return object;
}

/*
 * Exercise 2.3: the slab of an object that is live and whole. For anything else, reports the
 * mistake of `caller` in the words of heap.h, before anything has changed.
 */
static inline struct slab *slab_of(void *object, const char *caller)
{
	/* BEGIN SOLUTION 2.3 */
	static const char *const reasons[PAGE_USER] = {
		[PAGE_FOREIGN] = "not from the heap",
		[PAGE_FREE] = "already free",
		[PAGE_TAIL] = "not the start of an object",
	};
	size_t page = (uintptr_t)object / PAGE_BYTES, tag = page_tag(object);
	struct slab *slab;
	uint32_t slot;

	if (tag < PAGE_USER)
		heap_panic(caller, object, reasons[tag]);
	slab = (struct slab *)((page + PAGE_USER - tag) * PAGE_BYTES);
	slot = slot_of(slab, object);
	if (slot >= slab->nr_used)
		heap_panic(caller, object, "not the start of an object");
	if (!(slab->slots[slot] & SLOT_LIVE))
		heap_panic(caller, object, "already free");
	if (!object_is_whole(slab, slot, object))
		heap_panic(caller, object, "overrun");
	return slab;
	/* END SOLUTION */
}

static inline void slab_delete(struct slab *slab)
{
	slab_unlist(slab);
	pages_free(slab, slab->nr_pages);
}

/*
 * Exercise 2.4: takes an object's slot back into its slab, which has room from now on. A slab
 * that is empty goes back to the pages: a large one at once, any other when the
 * next one is empty, as an object that comes and goes would cost a slab each time.
 */
static void slot_give_back(struct slab *slab, void *object)
{
	/* BEGIN SOLUTION 2.4 */
	uint32_t slot = slot_of(slab, object);

	if (!slab_has_room(slab))
		slab_list(slab);
	slab->slots[slot] = (uint16_t)slab->free;
	slab->free = slot;
	slab->nr_free++;
	if (!slab_is_empty(slab))
		return;
	if (slab->class == &large) {
		slab_delete(slab);
		return;
	}
	if (last_emptied && last_emptied != slab && slab_is_empty(last_emptied))
		slab_delete(last_emptied);
	last_emptied = slab;
	/* END SOLUTION */
}

void kfree(void *object)
{
	struct slab *slab;

	spin_lock(&heap_lock);
	if (object) {
		slab = slab_of(object, __func__);
		counts.nr_freed++;
		counts.live_bytes -= object_bytes(slab, slot_of(slab, object));
		slot_give_back(slab, object);
	} else {
		counts.nr_other_calls++;
	}
	spin_unlock(&heap_lock);
}

/*
 * Exercise 2.5: the object stays where it is if it fits and leaves less than a page over. When
 * it moves, heap_lock is free in between: kmalloc() and kfree() take it themselves.
 */
void *krealloc(void *object, size_t bytes)
{
	/* BEGIN SOLUTION 2.5 */
	struct slab *slab;
	size_t old_bytes;
	void *moved;
	bool stays;

	if (!object)
		return kmalloc(bytes);
	spin_lock(&heap_lock);
	counts.nr_other_calls++;
	slab = slab_of(object, __func__);
	old_bytes = object_bytes(slab, slot_of(slab, object));
	stays = bytes <= slab->slot_bytes && slab->slot_bytes - bytes < PAGE_BYTES;
	if (stays) {
		object_set_bytes(slab, slot_of(slab, object), object, bytes);
		counts.live_bytes += bytes - old_bytes;
	}
	spin_unlock(&heap_lock);
	if (stays)
		return object;

	moved = kmalloc(bytes);
	if (moved) {
		memcpy(moved, object, bytes < old_bytes ? bytes : old_bytes);
		kfree(object);
	}
	return moved;
	/* END SOLUTION */
}

void heap_stats(struct heap_stats *stats)
{
	spin_lock(&heap_lock);
	*stats = (struct heap_stats){
		.nr_calls = counts.nr_allocated + counts.nr_freed + counts.nr_other_calls,
		.nr_live = counts.nr_allocated - counts.nr_freed,
		.live_bytes = counts.live_bytes,
		.nr_pages = pages_nr_total(),
		.nr_free_pages = pages_nr_free(),
		.nr_rescues = counts.nr_rescues,
	};
	spin_unlock(&heap_lock);
}

static bool is_class(const struct size_class *class)
{
	return class == &large || (class >= classes && class < classes + ARRAY_LENGTH(classes));
}

static bool slab_is_listed(const struct slab *slab)
{
	if (!slab->prev)
		return slab->class->with_room == slab;
	return page_tag(slab->prev) == PAGE_USER && slab->prev->next == slab;
}

/* Checks a slab's tags, slots, counts and links. Adds to `found` what is in use in it. */
static void slab_check(struct slab *slab, struct heap_stats *found)
{
	uint32_t nr_live = 0, nr_free = 0;

	if (!is_class(slab->class) || slab->nr_used > slab->nr_slots)
		heap_panic("heap_check", slab, "the slab's header is damaged");
	for (uint32_t i = 0; i < slab->class->nr_pages; i++)
		if (page_tag((char *)slab + i * PAGE_BYTES) != PAGE_USER + i)
			heap_panic("heap_check", slab, "a page of the slab has the wrong tag");
	for (uint32_t slot = 0; slot < slab->nr_used; slot++) {
		void *object = slot_at(slab, slot);

		if (!(slab->slots[slot] & SLOT_LIVE))
			continue;
		if (object_bytes(slab, slot) > slab->slot_bytes)
			heap_panic("heap_check", slab, "the slab's table is damaged");
		if (!object_is_whole(slab, slot, object))
			heap_panic("heap_check", object, "overrun");
		nr_live++;
		found->live_bytes += object_bytes(slab, slot);
	}
	for (uint32_t slot = slab->free; slot < slab->nr_used && nr_free < slab->nr_slots;
	     slot = slab->slots[slot])
		nr_free++;
	if (nr_live + slab->nr_free != slab->nr_slots || nr_live + nr_free != slab->nr_used)
		heap_panic("heap_check", slab, "the slab has lost count of its slots");
	if (slab_has_room(slab) && !slab_is_listed(slab))
		heap_panic("heap_check", slab, "the slab has room, but is not listed");
	if (slab_is_empty(slab) && slab != last_emptied)
		heap_panic("heap_check", slab, "the slab is empty and keeps its pages");
	found->nr_live += nr_live;
	found->nr_pages += slab->nr_pages;
}

void heap_check(void)
{
	struct heap_stats found = { 0 };
	paddr_t top = memmap_top();

	spin_lock(&heap_lock);
	pages_check();
	for (paddr_t base = 0; base < top; base += PAGE_BYTES)
		if (page_tag(phys_to_virt(base)) == PAGE_USER)
			slab_check(phys_to_virt(base), &found);
	for (size_t i = 0; i < ARRAY_LENGTH(classes); i++)
		for (struct slab *slab = classes[i].with_room; slab; slab = slab->next)
			if (page_tag(slab) != PAGE_USER || slab->class != &classes[i] || !slab_has_room(slab))
				heap_panic("heap_check", slab, "the slab is in the wrong list");
	if (found.nr_live != counts.nr_allocated - counts.nr_freed ||
	    found.live_bytes != counts.live_bytes ||
	    found.nr_pages != pages_nr_total() - pages_nr_free())
		heap_panic("heap_check", &counts, "what is in use is not what was counted");
	spin_unlock(&heap_lock);
}
