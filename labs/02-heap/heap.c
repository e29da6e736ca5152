/* SPDX-License-Identifier: MIT */
/*
 * heap.c: objects of any size, out of the page runs of pages.h.
 *
 * Each size class has slabs (slab.h) of its own; an object too large for any gets a
 * slab to itself. To allocate, the heap takes the class's first slab with room, and a
 * slot there that was given back, or else the next one never used. To free, it goes from
 * the tag of the pointer's page to the slab, and to the slot. Neither searches.
 *
 * NULL is the last resort. Before it the heap asks heap_rescue(), and tries once more,
 * as that may have dropped the lock. Then it gives up the empty slab that it keeps, and
 * takes a shorter run or a longer slot than the class has.
 *
 * Limits: an overrun is noticed when the object is freed, not when it happens, and
 * not if the object fills its slot. A write to a freed object is noticed when its
 * slot is handed out again. It is not noticed if the object was large, or its slab given
 * up: it may then reach the stock of pages.h. A slab of few objects keeps its pages.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (the last two in heap_rescue(), which
 * may also drop heap_lock for a while). Allocates: frames (in heap_init(); heap_rescue()
 * brings others). Callable from: anywhere but an NMI handler; heap_init() from boot;
 * heap_add_locked() from the heap.
 */
#include "heap.h"

#include "frame.h"
#include "pages.h"
#include "panic.h"
#include "rescue.h"
#include "slab.h"
#include "string.h"

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

/* Slabs of one slot, as long as the run allows. */
static struct size_class large = { .nr_slots = 1, .nr_pages = 1 };

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

/* Reports a contradiction or a mistake; with heap_lock held, as heap.h says. */
static _Noreturn __attribute__((cold, noinline)) void heap_panic(const char *function,
								 const void *where, const char *what)
{
	panic("%s: %p: %s", function, where, what);
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

/* Keeps an empty slab (NULL: none) in the place of the one before, which it gives up if empty. */
static inline void slab_keep(struct slab *slab)
{
	struct slab *kept = last_emptied;

	last_emptied = slab;
	if (kept && kept != slab && slab_is_empty(kept))
		slab_delete(kept);
}

/*
 * Exercise 2.1: makes a slab of a run: tags its pages, so that a pointer into them leads here,
 * and lists it in its class. Return: the slab.
 */
static inline struct slab *slab_make(struct slab *slab, struct size_class *class, size_t nr_pages)
{
	/* BEGIN SOLUTION 2.1 */
	uint8_t *tags = page_tags_of(slab);

	for (unsigned i = 0; i < class->nr_pages; i++)
		tags[i] = (uint8_t)(PAGE_USER + i);
	slab->class = class;
	slab_set_pages(slab, nr_pages);
	slab->nr_slots = slab->nr_free = class->nr_slots;
	slab->nr_used = slab->free = 0;
	slab->first_slot = (char *)slab + FIRST_SLOT_BYTES(class->nr_slots);
	slab_list(slab);
	return slab;
	/* END SOLUTION */
}

/*
 * Exercise 2.1: a new slab of nr_pages pages. If there is no such run, it calls heap_rescue()
 * once, for the run's bytes. That may have dropped heap_lock: whatever it says, there
 * may be a run now, or the class may have come by a slab. If there is still none, the
 * empty slab that is kept goes. Return: a slab with room, or NULL.
 */
static __attribute__((noinline)) struct slab *slab_get(struct size_class *class, size_t nr_pages)
{
	/* BEGIN SOLUTION 2.1 */
	struct slab *run = pages_alloc(nr_pages);

	if (!run) {
		counts.nr_rescues++;
		heap_rescue(nr_pages * PAGE_BYTES);
		run = pages_alloc(nr_pages);
	}
	if (!run && !class->with_room) {
		slab_keep(NULL);
		run = pages_alloc(nr_pages);
	}
	return run ? slab_make(run, class, nr_pages) : class->with_room;
	/* END SOLUTION */
}

/* The same for a small object. If its class gets none: one of fewer pages, or with longer slots. */
static __attribute__((noinline)) struct slab *slab_get_small(struct size_class *class, size_t bytes)
{
	struct slab *slab = slab_get(class, class->nr_pages), *run;

	if (!slab && large_pages(bytes) < class->nr_pages) {
		run = pages_alloc(large_pages(bytes));
		slab = run ? slab_make(run, &large, large_pages(bytes)) : NULL;
	}
	while (!slab && ++class < classes + ARRAY_LENGTH(classes))
		slab = class->with_room;
	return slab;
}

/*
 * Exercise 2.2: takes a slot of a slab with room for an object of `bytes`. A slab that is full
 * then leaves its class's list. Slots that were given back go first, as they are
 * likelier to be in the CPU's cache; one that is no longer junk is a mistake.
 */
static void *slot_take(struct slab *slab, size_t bytes)
{
	/* BEGIN SOLUTION 2.2 */
	uint32_t slot = slab->free;
	void *object = slot_at(slab, slot);

	if (slot < slab->nr_used) {
		if (!junk_is_whole(slab, slot))
			heap_panic("kmalloc", object, "written to after it was freed");
		slab->free = slab->slots[slot];
	} else {
		slab->free = slab->nr_used = slot + 1;
	}
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
		return class->with_room ? class->with_room : slab_get_small(class, bytes);
	}
	if (bytes > HEAP_MAX_BYTES)
		return NULL;
	return slab_get(&large, large_pages(bytes));
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
 * Exercise 2.3: the slab of an object that is live and whole, and the number of its slot. For
 * anything else, reports the mistake of `caller` in the words of heap.h, before
 * anything has changed.
 */
static inline struct slab *slab_of(void *object, const char *caller, uint32_t *slot)
{
	/* BEGIN SOLUTION 2.3 */
	static const char *const reasons[PAGE_USER] = {
		[PAGE_FOREIGN] = "not from the heap",
		[PAGE_FREE] = "already free",
		[PAGE_TAIL] = "not the start of an object",
	};
	size_t page = (uintptr_t)object / PAGE_BYTES, tag = page_tag(object);
	struct slab *slab;

	if (tag < PAGE_USER)
		heap_panic(caller, object, reasons[tag]);
	slab = (struct slab *)((page + PAGE_USER - tag) * PAGE_BYTES);
	*slot = slot_of(slab, object);
	if (*slot >= slab->nr_used)
		heap_panic(caller, object, "not the start of an object");
	if (!(slab->slots[*slot] & SLOT_LIVE))
		heap_panic(caller, object, "already free");
	if (!object_is_whole(slab, *slot, object))
		heap_panic(caller, object, "overrun");
	return slab;
	/* END SOLUTION */
}

/*
 * Exercise 2.4: takes an object's slot back into its slab, which has room from now on. An empty
 * large slab goes back to the pages at once, any other when the next one is empty. Otherwise
 * an object that comes and goes would cost a slab each time.
 */
static void slot_give_back(struct slab *slab, uint32_t slot)
{
	/* BEGIN SOLUTION 2.4 */
	if (!slab_has_room(slab))
		slab_list(slab);
	slab->slots[slot] = (uint16_t)slab->free;
	slab->free = slot;
	slab->nr_free++;
	if (!slab_is_empty(slab))
		return;
	if (slab_is_large(slab))
		slab_delete(slab);
	else
		slab_keep(slab);
	/* END SOLUTION */
}

void kfree(void *object)
{
	struct slab *slab;
	uint32_t slot;

	spin_lock(&heap_lock);
	if (object) {
		slab = slab_of(object, __func__, &slot);
		counts.nr_freed++;
		counts.live_bytes -= object_bytes(slab, slot);
		junk_fill(slab, slot);
		slot_give_back(slab, slot);
	} else {
		counts.nr_other_calls++;
	}
	spin_unlock(&heap_lock);
}

/* Notes down an object's new size, for which it has room; pages that it needs no more go back. */
static void object_resize(struct slab *slab, uint32_t slot, void *object, size_t bytes)
{
	size_t nr_pages = large_pages(bytes), nr_before = slab->nr_pages;

	counts.live_bytes += bytes - object_bytes(slab, slot);
	if (slab_is_large(slab) && nr_pages < nr_before) {
		slab_set_pages(slab, nr_pages);
		pages_free((char *)slab + nr_pages * PAGE_BYTES, nr_before - nr_pages);
	}
	object_set_bytes(slab, slot, object, bytes);
}

/*
 * Exercise 2.5: the object stays where it is if it fits there and leaves less than a page over,
 * or stays large. Otherwise it moves; heap_lock is free meanwhile, as kmalloc() and
 * kfree() take it themselves. If there is no room to move to, a smaller one stays.
 */
void *krealloc(void *object, size_t bytes)
{
	/* BEGIN SOLUTION 2.5 */
	struct slab *slab;
	uint32_t slot;
	size_t old_bytes;
	void *moved = NULL;

	if (!object)
		return kmalloc(bytes);
	spin_lock(&heap_lock);
	counts.nr_other_calls++;
	slab = slab_of(object, __func__, &slot);
	old_bytes = object_bytes(slab, slot);
	if (bytes <= slab->slot_bytes &&
	    (slab->slot_bytes - bytes < PAGE_BYTES || bytes > SLOT_MAX_BYTES)) {
		object_resize(slab, slot, object, bytes);
		moved = object;
	}
	spin_unlock(&heap_lock);
	if (moved)
		return moved;

	moved = kmalloc(bytes);
	if (moved) {
		memcpy(moved, object, bytes < old_bytes ? bytes : old_bytes);
		kfree(object);
	} else if (bytes < old_bytes) {
		spin_lock(&heap_lock);
		object_resize(slab, slot, object, bytes);
		spin_unlock(&heap_lock);
		moved = object;
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

void heap_check(void)
{
	size_t nr_with_room = 0, nr_listed = 0;
	struct heap_stats found = { 0 };

	spin_lock(&heap_lock);
	pages_check();
	for (const struct slab *slab = NULL; (slab = pages_next(slab, PAGE_USER)) != NULL;) {
		if (slab->class != &large)
			slab_check_class(slab, classes, ARRAY_LENGTH(classes));
		slab_check(slab, &found);
		if (slab_is_empty(slab) && slab != last_emptied)
			heap_panic("heap_check", slab, "the slab is empty and keeps its pages");
		nr_with_room += slab_has_room(slab);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(classes); i++)
		nr_listed += slab_list_check(&classes[i]);
	if (nr_listed != nr_with_room)
		panic("heap_check: %zu slabs have room, but %zu are listed", nr_with_room, nr_listed);
	if (found.nr_live != counts.nr_allocated - counts.nr_freed ||
	    found.live_bytes != counts.live_bytes ||
	    found.nr_pages != pages_nr_total() - pages_nr_free())
		heap_panic("heap_check", &counts, "what is in use is not what was counted");
	spin_unlock(&heap_lock);
}
