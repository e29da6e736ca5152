/* SPDX-License-Identifier: MIT */
/* subjects.c: the labs' allocators, the process's malloc, and what does nothing, as subjects. */
#include "subjects.h"

#include <stdlib.h>

#include "frame.h"
#include "heap.h"
#include "machine.h"

static void ouroboros_init(char *memory, size_t nr_bytes)
{
	frame_init();
	heap_init();
}

const struct heap_subject heap_ouroboros = {
	.name = "ouroboros", .init = ouroboros_init, .take = kmalloc, .give = kfree,
};

const struct heap_subject heap_malloc = { .name = "malloc", .take = malloc, .give = free };

static void *empty_take(size_t bytes)
{
	return NULL;
}

static void empty_give(void *object)
{
}

/* The cost of the workload itself. */
const struct heap_subject heap_empty = { .name = "empty", .take = empty_take, .give = empty_give };

static void frames_ouroboros_init(char *memory, size_t nr_frames)
{
	frame_init();
}

const struct frame_subject frames_ouroboros = {
	.name = "ouroboros", .init = frames_ouroboros_init, .take = frame_alloc, .give = frame_free,
};

static uint64_t frames_empty_take(unsigned order)
{
	return 0;
}

static void frames_empty_give(uint64_t base, unsigned order)
{
}

const struct frame_subject frames_empty = {
	.name = "empty", .take = frames_empty_take, .give = frames_empty_give,
};
