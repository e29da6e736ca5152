/* SPDX-License-Identifier: MIT */
/*
 * heap.c: objects of any size, out of the page runs of pages.h.
 *
 * A slab is a run of pages: a header, and slots of one size behind it. Each size
 * class has slabs of its own; an object too large for any gets a slab to itself,
 * of a single slot.
 *
 *     +-------------+--------+--------+-- ... --+
 *     | struct slab | slot   | slot   |         |      1 … 4 pages, or a large run
 *     +-------------+--------+--------+-- ... --+
 *                   :        '-----------.
 *                   +--------+------+----+------+
 *                   | object | MARK |    | seal |      seal: the last 4 bytes of a slot
 *                   +--------+------+----+------+
 *
 * Neither direction searches. kmalloc: size -> its class -> the first slab with
 * room -> a slot given back before, or the next one never used. kfree: pointer ->
 * tag of its page, which tells how far back the slab starts. What a caller can
 * get wrong shows on the way: an object starts where a slot does, its seal holds,
 * and MARK stands behind its last byte.
 *
 * Limits: an overrun is noticed when the object is freed, not when it happens;
 * use after free is not. A slab whose objects are few keeps all of its pages.
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

struct slot {
	struct slot *next;              /* given back before this one; valid while it is free */
};

struct slab {
	struct slab *next, *prev;       /* in its class's list; valid while it has room */
	struct size_class *class;
	struct slot *free;              /* slots that were given back, the last one first */
	uint32_t max_bytes;             /* of an object: a slot without its seal */
	uint32_t used_bytes;            /* of the slots ever used; those behind are untouched */
	uint32_t nr_live;               /* slots with an object */
	uint32_t nr_pages;              /* of the run */
} __attribute__((aligned(HEAP_ALIGN_BYTES)));

struct size_class {
	struct slab *with_room;         /* list of its slabs that are not full */
	uint32_t slot_bytes;            /* a multiple of HEAP_ALIGN_BYTES */
	uint32_t reciprocal;            /* 2^32 / slot_bytes, rounded up */
	uint32_t nr_slots;              /* of a slab */
	uint32_t nr_pages;              /* of a slab in which an object can start */
};

#define SEAL_BYTES        sizeof(uint32_t)
#define SLOT_MAX_BYTES    5440
#define SMALL_MAX_BYTES   (SLOT_MAX_BYTES - SEAL_BYTES)
#define ROOM_BYTES(pages) ((pages) * PAGE_BYTES - sizeof(struct slab))     /* for slots, in a run */

#define CLASS(bytes, pages) {                                                              \
	.slot_bytes = (bytes), .reciprocal = ((1ull << 32) + (bytes) - 1) / (bytes),       \
	.nr_slots = ROOM_BYTES(pages) / (bytes), .nr_pages = (pages),                      \
}

/* Slot sizes, about four to a doubling, that fill their slabs well. */
static struct size_class classes[] = {
	CLASS(16, 1),   CLASS(32, 1),   CLASS(48, 1),   CLASS(64, 1),   CLASS(80, 1),
	CLASS(96, 1),   CLASS(112, 1),  CLASS(128, 1),  CLASS(144, 1),  CLASS(176, 1),
	CLASS(224, 1),  CLASS(288, 1),  CLASS(336, 1),  CLASS(400, 1),  CLASS(496, 1),
	CLASS(576, 1),  CLASS(672, 1),  CLASS(800, 1),  CLASS(1008, 1), CLASS(1152, 2),
	CLASS(1344, 2), CLASS(1616, 2), CLASS(2032, 2), CLASS(2448, 3), CLASS(3056, 3),
	CLASS(4080, 3), CLASS(SLOT_MAX_BYTES, 4),
};
static struct size_class large = { .reciprocal = 1, .nr_slots = 1, .nr_pages = 1 };

/* By size of a slot in units of HEAP_ALIGN_BYTES: the first class that has it. */
static struct size_class *class_of_units[SLOT_MAX_BYTES / HEAP_ALIGN_BYTES + 1];

/* The slab that was empty last; NULL = none yet. Only this one can still be empty. */
static struct slab *last_emptied;

static struct heap_stats stats;         /* but for the pages: pages.h counts them */

DEFINE_SPINLOCK(heap_lock);

/* Reports a contradiction or a mistake, without heap_lock, as heap.h promises. */
static _Noreturn void heap_panic(const char *function, const void *where, const char *what)
{
	spin_unlock(&heap_lock);
	panic("%s: %p: %s", function, where, what);
}

/*
 * A seal says how many bytes of its slot the object leaves over, in both halves:
 * with any one byte changed it is no seal. If nothing is left over, it is SEAL_KEY,
 * whose low byte is MARK, so that MARK stands behind that object too.
 */
#define MARK        0xa5u
#define SEAL_KEY    0x5c3ae7a5u
#define SEAL_FREED  0xfeeefeeeu         /* in a slot that was given back; not a valid seal */

static inline uint32_t *object_seal(const struct slab *slab, void *object)
{
	return (void *)((char *)object + slab->max_bytes);
}

static inline void object_set_bytes(const struct slab *slab, void *object, size_t bytes)
{
	((uint8_t *)object)[bytes] = MARK;
	*object_seal(slab, object) = (uint32_t)(slab->max_bytes - bytes) * 0x10001u ^ SEAL_KEY;
}

/* What the caller asked for, if the seal holds. */
static inline size_t object_bytes(const struct slab *slab, void *object)
{
	return slab->max_bytes - (uint16_t)(*object_seal(slab, object) ^ SEAL_KEY);
}

static inline bool object_is_whole(const struct slab *slab, void *object)
{
	uint32_t left_over = *object_seal(slab, object) ^ SEAL_KEY;

	return left_over >> 16 == (uint16_t)left_over &&
	       ((uint8_t *)object)[object_bytes(slab, object)] == MARK;
}

static inline bool slab_has_room(const struct slab *slab)
{
	return slab->nr_live < slab->class->nr_slots;
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
 * Makes a slab of a run of nr_pages pages: tags the pages, so that a pointer into
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

	if (!slab) {
		stats.nr_rescues++;
		if (heap_rescue(nr_pages * PAGE_BYTES))
			slab = pages_alloc(nr_pages);
		if (!slab)
			return class->with_room;
	}
	for (uint8_t i = 0; i < class->nr_pages; i++)
		page_set_tag((char *)slab + i * PAGE_BYTES, PAGE_USER + i);
	*slab = (struct slab){ .class = class, .nr_pages = (uint32_t)nr_pages };
	slab->max_bytes = (class == &large ? ROOM_BYTES(nr_pages) : class->slot_bytes) - SEAL_BYTES;
	slab_list(slab);
	return slab;
	/* END SOLUTION */
}

/*
 * Takes a slot of a slab with room for an object of `bytes`, and seals it. A slab
 * that is full then leaves its class's list. Slots that were given back go first,
 * as they are likelier to be in the CPU's cache.
 */
static void *slot_take(struct slab *slab, size_t bytes)
{
	/* BEGIN SOLUTION 2.2 */
	struct slot *slot = slab->free;

	if (slot) {
		slab->free = slot->next;
	} else {
		slot = (void *)((char *)(slab + 1) + slab->used_bytes);
		slab->used_bytes += slab->max_bytes + SEAL_BYTES;
	}
	slab->nr_live++;
	if (!slab_has_room(slab))
		slab_unlist(slab);
	object_set_bytes(slab, slot, bytes);
	return slot;
	/* END SOLUTION */
}

/* A slab with room for an object of `bytes`, or NULL. */
static struct slab *slab_for(size_t bytes)
{
	struct size_class *class;

	if (bytes > HEAP_MAX_BYTES)
		return NULL;
	if (bytes > SMALL_MAX_BYTES) {
		bytes += sizeof(struct slab) + SEAL_BYTES;
		return slab_new(&large, ROUND_UP(bytes, PAGE_BYTES) / PAGE_BYTES);
	}
	class = class_of_units[ROUND_UP(bytes + SEAL_BYTES, HEAP_ALIGN_BYTES) / HEAP_ALIGN_BYTES];
	return class->with_room ? class->with_room : slab_new(class, class->nr_pages);
}

void *kmalloc(size_t bytes)
{
	struct slab *slab;
	void *object = NULL;

	spin_lock(&heap_lock);
	stats.nr_calls++;
	slab = slab_for(bytes);
	if (slab) {
		object = slot_take(slab, bytes);
		stats.nr_live++;
		stats.live_bytes += bytes;
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
 * Does a slot that was used before start `offset` bytes behind the slab's header?
 * A multiple of slot_bytes, times the reciprocal, is a little over a multiple of
 * 2^32; any other offset is over it by the reciprocal at least. A large object
 * starts at offset 0 alone, so its reciprocal is 1.
 */
static inline bool slot_starts_at(const struct slab *slab, uint32_t offset)
{
	uint32_t reciprocal = slab->class->reciprocal;

	return offset < slab->used_bytes && offset * reciprocal < reciprocal;
}

/*
 * The slab of an object that is live and whole. For anything else, reports the
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
	uint8_t tag = page_tag(object);
	uintptr_t page = (uintptr_t)object / PAGE_BYTES;
	struct slab *slab;

	if (tag < PAGE_USER)
		heap_panic(caller, object, reasons[tag]);
	slab = (struct slab *)((page - (tag - PAGE_USER)) * PAGE_BYTES);
	if (!slot_starts_at(slab, (uint32_t)((uintptr_t)object - (uintptr_t)(slab + 1))))
		heap_panic(caller, object, "not the start of an object");
	if (!object_is_whole(slab, object))
		heap_panic(caller, object,
			   *object_seal(slab, object) == SEAL_FREED ? "already free" : "overrun");
	return slab;
	/* END SOLUTION */
}

static inline void slab_delete(struct slab *slab)
{
	slab_unlist(slab);
	pages_free(slab, slab->nr_pages);
}

/*
 * Takes an object's slot back into its slab, which has room from now on. A slab
 * that is empty goes back to the pages: a large one at once, any other when the
 * next one is empty, as an object that comes and goes would cost a slab each time.
 */
static void slot_give_back(struct slab *slab, void *object)
{
	/* BEGIN SOLUTION 2.4 */
	struct slot *slot = object;

	if (!slab_has_room(slab))
		slab_list(slab);
	*object_seal(slab, object) = SEAL_FREED;
	slot->next = slab->free;
	slab->free = slot;
	slab->nr_live--;
	if (slab->nr_live > 0)
		return;
	if (slab->class == &large) {
		slab_delete(slab);
		return;
	}
	if (last_emptied && last_emptied != slab && last_emptied->nr_live == 0)
		slab_delete(last_emptied);
	last_emptied = slab;
	/* END SOLUTION */
}

void kfree(void *object)
{
	struct slab *slab;

	spin_lock(&heap_lock);
	stats.nr_calls++;
	if (object) {
		slab = slab_of(object, __func__);
		stats.nr_live--;
		stats.live_bytes -= object_bytes(slab, object);
		slot_give_back(slab, object);
	}
	spin_unlock(&heap_lock);
}

/*
 * The object stays where it is if it fits and leaves less than a page over. When
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
	stats.nr_calls++;
	slab = slab_of(object, __func__);
	old_bytes = object_bytes(slab, object);
	stays = bytes <= slab->max_bytes && slab->max_bytes - bytes < PAGE_BYTES;
	if (stays) {
		object_set_bytes(slab, object, bytes);
		stats.live_bytes += bytes - old_bytes;
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

void heap_stats(struct heap_stats *copy)
{
	spin_lock(&heap_lock);
	*copy = stats;
	copy->nr_pages = pages_nr_total();
	copy->nr_free_pages = pages_nr_free();
	spin_unlock(&heap_lock);
}

/* Checks a slab's tags, slots, counts and links. Adds to `found` what is in use in it. */
static void slab_check(struct slab *slab, struct heap_stats *found)
{
	uint32_t slot_bytes = slab->max_bytes + SEAL_BYTES;
	uint32_t nr_free = 0, nr_live = 0, nr_slots = slab->class->nr_slots;

	for (uint32_t i = 0; i < slab->class->nr_pages; i++)
		if (page_tag((char *)slab + i * PAGE_BYTES) != PAGE_USER + i)
			heap_panic("heap_check", slab, "a page of the slab has the wrong tag");
	for (uint32_t offset = 0; offset < slab->used_bytes; offset += slot_bytes) {
		void *object = (char *)(slab + 1) + offset;

		if (*object_seal(slab, object) == SEAL_FREED)
			continue;
		if (!object_is_whole(slab, object))
			heap_panic("heap_check", object, "overrun");
		nr_live++;
		found->live_bytes += object_bytes(slab, object);
	}
	for (struct slot *slot = slab->free; slot && nr_free < nr_slots; slot = slot->next)
		nr_free++;
	if (nr_live != slab->nr_live || (nr_live + nr_free) * slot_bytes != slab->used_bytes)
		heap_panic("heap_check", slab, "the slab has lost count of its slots");
	if (slab_has_room(slab) && (slab->prev ? slab->prev->next : slab->class->with_room) != slab)
		heap_panic("heap_check", slab, "the slab has room, but is not listed");
	if (slab->nr_live == 0 && slab != last_emptied)
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
			if (slab->class != &classes[i] || !slab_has_room(slab))
				heap_panic("heap_check", slab, "the slab is in the wrong list");
	if (found.nr_live != stats.nr_live || found.live_bytes != stats.live_bytes ||
	    found.nr_pages != pages_nr_total() - pages_nr_free())
		heap_panic("heap_check", &stats, "what is in use is not what was counted");
	spin_unlock(&heap_lock);
}
