/* SPDX-License-Identifier: MIT */
/*
 * fail.h: allocations that fail on purpose.
 *
 * An allocation here is a call of kmalloc(), kzalloc(), krealloc() or frame_alloc(), whoever has
 * written them: they need no line for it. While a plan is in force each is counted, from 1, and
 * those that the plan names fail: their callers get NULL or PADDR_NONE, and the allocator does not
 * run. A call that an allocator makes of another, or of itself, may count, too.
 *
 * Without a plan nothing of this costs an instruction.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler; fail_at() from
 * anywhere.
 */
#ifndef FAIL_H
#define FAIL_H

#include <stdbool.h>
#include <stdint.h>

struct trap_frame;

enum fail_plan {
	FAIL_NONE,
	FAIL_NTH,               /* the nth alone: memory is short for a moment */
	FAIL_FROM_NTH,          /* the nth and all after it: memory has run out */
	FAIL_EVERY_NTH,         /* the nth, the 2 nth, the 3 nth … */
};

struct fail_count {
	uint64_t nr_allocations;        /* under this plan, those that failed included */
	uint64_t nr_failed;             /* of these */
};

/*
 * How many allocations have failed since fail_init(): the number of a failure. A test begins at 0.
 * For GDB: break allocation_fails if fail_number == 7
 */
extern uint64_t fail_number;

/* Puts the plan of fail_nth= or fail_every= in force, or none. kmain() does, and each test begins so. */
void fail_init(void);

/* Puts a plan in force, in the place of the one before, and counts from 1. nth > 0. */
void fail_begin(enum fail_plan plan, uint64_t nth);

/* What the plan has come to so far. */
struct fail_count fail_count(void);

/* Ends the plan. Return: what it has come to. */
struct fail_count fail_end(void);

/*
 * For trap_dispatch(): is this debug exception the start of an allocation? Then it is counted,
 * and the frame goes back to where it goes on.
 */
bool fail_at(struct trap_frame *frame);

#endif
