/* SPDX-License-Identifier: MIT */
/*
 * slab.c: says what is wrong with a slab, or with a list of slabs.
 *
 * Before a header is followed, each word of it is compared with the value that it must
 * have. All but a few counts follow from the class and the length of the run, and the
 * tags tell the length of a large run. So a damaged header never leads to memory that is
 * not there.
 *
 * Locks: the caller holds heap_lock. Allocates: nothing. Callable from: the heap.
 */
#include "slab.h"

#include "panic.h"
#include "watchdog.h"

static _Noreturn void slab_panic(const void *where, const char *what)
{
	panic("heap_check: %p: %s", where, what);
}

/* How many pages there are in the slab's run, by their tags. */
static size_t pages_tagged(const struct slab *slab)
{
	const char *page = (const char *)slab;
	size_t nr_pages = 0;

	while (nr_pages < slab->class->nr_pages &&
	       page_tag(page + nr_pages * PAGE_BYTES) == PAGE_USER + nr_pages)
		nr_pages++;
	if (slab_is_large(slab) && nr_pages > 0)
		while (page_tag(page + nr_pages * PAGE_BYTES) == PAGE_TAIL)
			nr_pages++;
	return nr_pages;
}

static bool header_is_right(const struct slab *slab, size_t nr_pages)
{
	const struct size_class *class = slab->class;
	uint32_t slot_bytes = slot_bytes_in(class, nr_pages);

	return slab->nr_pages == nr_pages && slab->nr_slots == class->nr_slots &&
	       slab->slot_bytes == slot_bytes && slab->reciprocal == UINT32_MAX / slot_bytes + 1 &&
	       slab->first_slot == (const char *)slab + FIRST_SLOT_BYTES(class->nr_slots) &&
	       slab->nr_used <= slab->nr_slots && slab->nr_free <= slab->nr_slots;
}

/* Checks the objects of a slab whose header is right. Return: how many they are. */
static size_t objects_check(const struct slab *slab, struct heap_stats *found)
{
	size_t nr_live = 0;

	for (uint32_t slot = 0; slot < slab->nr_used; slot++) {
		if (!(slab->slots[slot] & SLOT_LIVE))
			continue;
		if (slab->slots[slot] - SLOT_LIVE > slab->slot_bytes)
			slab_panic(slab, "the slab's table is damaged");
		if (!object_is_whole(slab, slot, slot_at(slab, slot)))
			slab_panic(slot_at(slab, slot), "overrun");
		nr_live++;
		found->live_bytes += object_bytes(slab, slot);
	}
	return nr_live;
}

/* Checks the slots that were given back. Return: how many they are. */
static size_t given_back_check(const struct slab *slab)
{
	size_t nr_found = 0;

	for (uint32_t slot = slab->free; slot != slab->nr_used; slot = slab->slots[slot]) {
		if (slot > slab->nr_used || nr_found == slab->nr_slots)
			slab_panic(slab, "the slab's list of free slots is damaged");
		if (!(slab->slots[slot] & SLOT_LIVE) && !junk_is_whole(slab, slot))
			slab_panic(slot_at(slab, slot), "written to after it was freed");
		nr_found++;
	}
	return nr_found;
}

void slab_check_class(const struct slab *slab, const struct size_class *classes, size_t nr_classes)
{
	for (size_t i = 0; i < nr_classes; i++)
		if (slab->class == &classes[i])
			return;
	slab_panic(slab, "the slab's header is damaged");
}

void slab_check(const struct slab *slab, struct heap_stats *found)
{
	size_t nr_pages = pages_tagged(slab), nr_live;

	watchdog_progress();
	if (nr_pages < slab->class->nr_pages)
		slab_panic(slab, "a page of the slab has the wrong tag");
	if (!header_is_right(slab, nr_pages))
		slab_panic(slab, "the slab's header is damaged");
	nr_live = objects_check(slab, found);
	if (nr_live + slab->nr_free != slab->nr_slots ||
	    nr_live + given_back_check(slab) != slab->nr_used)
		slab_panic(slab, "the slab has lost count of its slots");
	found->nr_live += nr_live;
	found->nr_pages += nr_pages;
}

/* It must end: no slab is behind two others, as each leads back to one. */
size_t slab_list_check(const struct size_class *class)
{
	const struct slab *previous = NULL;
	size_t nr_slabs = 0;

	for (const struct slab *slab = class->with_room; slab; slab = slab->next) {
		if ((uintptr_t)slab % PAGE_BYTES != 0 || page_tag(slab) != PAGE_USER ||
		    slab->class != class || slab->prev != previous || !slab_has_room(slab))
			slab_panic(slab, "the slab is in the wrong list");
		previous = slab;
		nr_slabs++;
	}
	return nr_slabs;
}

/* Is the run as long as the header says? Its slots and its tags know it as well. */
static bool pages_are_right(const struct slab *slab)
{
	const char *end = (const char *)slab + slab->nr_pages * PAGE_BYTES;

	if (slab->slot_bytes != slot_bytes_in(slab->class, slab->nr_pages))
		return false;
	return slab_is_large(slab) ? page_tag(end) != PAGE_TAIL : slab->nr_pages == slab->class->nr_pages;
}

/* Do the neighbours in its class's list lead back to the slab? */
static bool links_are_right(const struct slab *slab)
{
	const struct slab *next = slab->next, *prev = slab->prev;

	return (!next || (page_tag(next) == PAGE_USER && next->prev == slab)) &&
	       (prev ? page_tag(prev) == PAGE_USER && prev->next == slab : slab->class->with_room == slab);
}

void slab_delete(struct slab *slab)
{
	if (!pages_are_right(slab) || !links_are_right(slab))
		panic("slab_delete: %p: the slab's header is damaged", slab);
	slab_unlist(slab);
	pages_free(slab, slab->nr_pages);
}
