/* SPDX-License-Identifier: MIT */
/*
 * first_fit.c: a textbook design. One list of free blocks, the last freed first; the
 * first that is large enough is taken, and split. Nothing merges.
 */
#include "subjects.h"

struct block {
	size_t nr_bytes;                /* with this header */
	struct block *next;             /* while it is free */
};

#define HEADER_BYTES    sizeof(struct block)
#define LEAST_BYTES     (2 * HEADER_BYTES)

static struct block *free_blocks;

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

static void give(void *object)
{
	struct block *block = (struct block *)object - 1;

	block->next = free_blocks;
	free_blocks = block;
}

const struct heap_subject heap_first_fit = {
	.name = "first-fit", .init = init, .take = take, .give = give,
};
