/* SPDX-License-Identifier: MIT */
/* heap_state.c: the heap, lab 2's file as it is, and what its pages and slabs say. */
#include "labs/02-heap/heap.c"

#include "machine.h"

/* Between two calls a slab may be half made: then its class is not one, or its table is not whole. */
static bool is_made(const struct slab *slab)
{
	bool is_small = slab->class >= classes && slab->class < classes + ARRAY_LENGTH(classes);

	return (is_small || slab->class == &large) && slab->nr_slots == slab->class->nr_slots &&
	       slab->nr_used <= slab->nr_slots;
}

/* A slab: its frame, its pages, what a slot has, how many slots, and 1 or 0 for each that was ever used. */
static void say_slab(const struct slab *slab)
{
	say("{\"frame\":%lu,\"pages\":%u,\"slot_bytes\":%u,\"is_large\":%s,\"is_kept\":%s,\"slots\":%u,\"used\":\"",
	    virt_to_phys(slab) >> PAGE_SHIFT, slab->nr_pages, slab->slot_bytes,
	    slab_is_large(slab) ? "true" : "false", slab == last_emptied ? "true" : "false", slab->nr_slots);
	for (uint32_t slot = 0; slot < slab->nr_used; slot++)
		say("%s", slab->slots[slot] & SLOT_LIVE ? "1" : "0");
	say("\"}");
}

void say_heap(void)
{
	static const char letters[] = { [PAGE_FOREIGN] = '.', [PAGE_FREE] = 'f', [PAGE_TAIL] = 't', [PAGE_USER] = 's' };
	const char *comma = "";

	say("\"heap\":{\"reserve\":%lu,\"pages\":%zu,\"free_pages\":%zu,\"live\":%zu,\"live_bytes\":%zu,\"rescues\":%zu},\"pages\":\"",
	    HEAP_RESERVE_PAGES, pages_nr_total(), pages_nr_free(), counts.nr_allocated - counts.nr_freed,
	    counts.live_bytes, counts.nr_rescues);
	for (paddr_t page = MACHINE_RAM_BASE; page < MACHINE_RAM_END; page += PAGE_BYTES) {
		uint8_t tag = page_tag(phys_to_virt(page));
		char letter[] = { tag > PAGE_USER ? 't' : letters[tag], '\0' };

		say("%s", letter);
	}
	say("\",\"slabs\":[");
	for (const struct slab *slab = NULL; (slab = pages_next(slab, PAGE_USER)) != NULL;) {
		if (!is_made(slab))
			continue;
		say("%s", comma);
		say_slab(slab);
		comma = ",";
	}
	say("]");
}
