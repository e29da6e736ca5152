/* SPDX-License-Identifier: MIT */
/*
 * buddy.c: a textbook design. A binary buddy heap (Knuth, The Art of Computer
 * Programming, volume 1, section 2.5): blocks of 2^k bytes, header included, and a
 * doubly linked list of the free ones for each k.
 */
#include "subjects.h"

#define LEAST_ORDER 5
#define NR_ORDERS   48

struct block {
	uint32_t order;
	uint32_t is_free;
	uint64_t padding;               /* objects are 16-byte aligned */
	struct block *next, *prev;      /* while it is free */
};

#define HEADER_BYTES offsetof(struct block, next)

static char *base;
static unsigned largest_order;
static struct block heads[NR_ORDERS];

static struct block *buddy_of(struct block *block, unsigned order)
{
	return (struct block *)(base + (((char *)block - base) ^ 1l << order));
}

static void list(struct block *block, unsigned order)
{
	block->order = order;
	block->is_free = 1;
	block->prev = &heads[order];
	block->next = heads[order].next;
	block->next->prev = block;
	heads[order].next = block;
}

static void unlist(struct block *block)
{
	block->next->prev = block->prev;
	block->prev->next = block->next;
	block->is_free = 0;
}

/* The largest block that fits is all of the memory. */
static void init(char *memory, size_t nr_bytes)
{
	base = memory;
	largest_order = 63 - (unsigned)__builtin_clzl(nr_bytes);
	for (unsigned order = 0; order < NR_ORDERS; order++)
		heads[order].next = heads[order].prev = &heads[order];
	list((struct block *)memory, largest_order);
}

static void *take(size_t bytes)
{
	unsigned order = 64 - (unsigned)__builtin_clzl(bytes + HEADER_BYTES - 1), found;
	struct block *block;

	if (order < LEAST_ORDER)
		order = LEAST_ORDER;
	for (found = order; heads[found].next == &heads[found]; found++)
		if (found == largest_order)
			return NULL;
	block = heads[found].next;
	unlist(block);
	while (found > order) {
		found--;
		list(buddy_of(block, found), found);
	}
	block->order = order;
	return (char *)block + HEADER_BYTES;
}

static void give(void *object)
{
	struct block *block = (struct block *)((char *)object - HEADER_BYTES);
	unsigned order = block->order;

	for (; order < largest_order; order++) {
		struct block *buddy = buddy_of(block, order);

		if (!buddy->is_free || buddy->order != order)
			break;
		unlist(buddy);
		if (buddy < block)
			block = buddy;
	}
	list(block, order);
}

const struct heap_subject heap_buddy = {
	.name = "buddy", .init = init, .take = take, .give = give,
};
