/* SPDX-License-Identifier: MIT */
/*
 * knr.c: a textbook design, that of Kernighan and Ritchie, The C Programming Language,
 * 2nd edition, section 8.7, in our words. A circular list of free blocks in the order of
 * their addresses, in which neighbours merge; a search goes on where the last one ended,
 * and the upper end of what it finds is taken.
 */
#include "subjects.h"

struct block {
	struct block *next;             /* while it is free */
	size_t nr_units;                /* of the size of this header, which is one of them */
};

static struct block anchor;             /* of no units; keeps the list from being empty */
static struct block *rover;             /* the block before the one to be looked at first */

static void init(char *memory, size_t nr_bytes)
{
	struct block *all = (struct block *)memory;

	*all = (struct block){ .next = &anchor, .nr_units = nr_bytes / sizeof(*all) };
	anchor.next = all;
	rover = &anchor;
}

static void *take(size_t bytes)
{
	size_t needed = (bytes + sizeof(struct block) - 1) / sizeof(struct block) + 1;
	struct block *before = rover, *block = before->next;

	for (;; before = block, block = block->next) {
		if (block->nr_units >= needed)
			break;
		if (block == rover)
			return NULL;
	}
	if (block->nr_units == needed) {
		before->next = block->next;
	} else {
		block->nr_units -= needed;
		block += block->nr_units;
		block->nr_units = needed;
	}
	rover = before;
	return block + 1;
}

static void give(void *object)
{
	struct block *block = (struct block *)object - 1, *before = rover;

	/* Stops at the gap that the block belongs into; one gap is that between the last and the first. */
	while (!(block > before && block < before->next) &&
	       !(before >= before->next && (block > before || block < before->next)))
		before = before->next;
	block->next = before->next;
	if (block + block->nr_units == before->next) {
		block->nr_units += before->next->nr_units;
		block->next = before->next->next;
	}
	if (before + before->nr_units == block) {
		before->nr_units += block->nr_units;
		before->next = block->next;
	} else {
		before->next = block;
	}
	rover = before;
}

const struct heap_subject heap_knr = {
	.name = "knr", .init = init, .take = take, .give = give,
};
