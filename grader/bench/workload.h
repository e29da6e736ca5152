/* SPDX-License-Identifier: MIT */
/*
 * workload.h: what the benchmark asks of an allocator, one operation after the other.
 *
 * A workload is made before it is run, from its seed and the number of frames alone, so
 * that every allocator gets the same one. In the kernel the frames are those it has free.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_kind {
	OP_NONE,                /* fills up the workload behind its last operation */
	OP_TAKE,                /* slot <- something of this size */
	OP_GIVE,                /* back what is in the slot */
};

struct op {
	uint32_t kind : 2;      /* enum op_kind */
	uint32_t slot : 30;     /* where what was taken is kept */
	uint32_t size;          /* of a heap: bytes; of frames: the order */
};

struct workload {
	struct op *ops;
	size_t nr_ops;
	size_t nr_setup;        /* the first so many only bring about the state; they are not counted */
};

/* Enough for the longest workload, and for its slots. */
#define WORKLOAD_MAX_OPS   400000
#define WORKLOAD_MAX_SLOTS 262144

/*
 * Makes the workload of this name, for a machine of nr_frames frames where that
 * matters, in ops[WORKLOAD_MAX_OPS].
 *
 * Heap: a = a directory of 10,000 entries: names of 8 to 64 bytes, nodes of 64, a
 * hash table that doubles; freed in random order. b = 200,000 operations of 16 to
 * 4096 bytes, log-uniform, about 4,000 live. c = 64 bytes, last in, first out.
 *
 * Frames: fresh = single frames, a few in use; full = the same with 1 % of all free;
 * runs = orders 0 to 6 with half of all in use; refused = order 3 with 1 % free, in
 * single frames here and there; drain = every frame, one by one.
 *
 * Return: false if there is no such workload.
 */
bool workload_make(struct workload *workload, const char *name, struct op *ops, size_t nr_frames);

#endif
