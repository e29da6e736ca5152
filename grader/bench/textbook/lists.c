/* SPDX-License-Identifier: MIT */
/*
 * lists.c: two textbook designs. Free blocks hang in one list; the first that is large
 * enough is taken, and split. "first-fit" puts what is freed first, and nothing merges.
 * "address-ordered" keeps the order of addresses, so that neighbours find and join each
 * other.
 */
#include "subjects.h"

struct block {
	size_t nr_bytes;                /* with this header */
	struct block *next;             /* while it is free */
};

#define HEADER_BYTES    sizeof(struct block)
#define LEAST_BYTES     (2 * HEADER_BYTES)

static struct block *free_blocks;

static struct block *end_of(struct block *block)
{
	return (struct block *)((char *)block + block->nr_bytes);
}

static void init(char *memory, size_t nr_bytes)
{
	free_blocks = (struct block *)memory;
	*free_blocks = (struct block){ .nr_bytes = nr_bytes };
}

static void *take(size_t bytes)
{
	size_t needed = (bytes + HEADER_BYTES + 15) & ~15ul;

	for (struct block **link = &free_blocks; *link; link = &(*link)->next) {
		struct block *block = *link;

		if (block->nr_bytes < needed)
			continue;
		if (block->nr_bytes - needed >= LEAST_BYTES) {
			struct block *rest = (struct block *)((char *)block + needed);

			*rest = (struct block){ .nr_bytes = block->nr_bytes - needed, .next = block->next };
			block->nr_bytes = needed;
			*link = rest;
		} else {
			*link = block->next;
		}
		return block + 1;
	}
	return NULL;
}

static void give_first(void *object)
{
	struct block *block = (struct block *)object - 1;

	block->next = free_blocks;
	free_blocks = block;
}

static void give_in_order(void *object)
{
	struct block *block = (struct block *)object - 1, *before = NULL, *after = free_blocks;

	while (after && after < block) {
		before = after;
		after = after->next;
	}
	block->next = after;
	if (after && end_of(block) == after) {
		block->nr_bytes += after->nr_bytes;
		block->next = after->next;
	}
	if (!before) {
		free_blocks = block;
	} else if (end_of(before) == block) {
		before->nr_bytes += block->nr_bytes;
		before->next = block->next;
	} else {
		before->next = block;
	}
}

const struct heap_subject heap_first_fit = {
	.name = "first-fit", .init = init, .take = take, .give = give_first,
};

const struct heap_subject heap_address_ordered = {
	.name = "address-ordered", .init = init, .take = take, .give = give_in_order,
};
