/* SPDX-License-Identifier: MIT */
/*
 * trace.h: the calls that a test made, for a second opinion from outside.
 *
 * A random test records each call of what it tests. The grader, which chose the
 * test's seed, reads the record in the machine's memory and replays it
 * (grader/judging/replay.py): were these the calls that the seed leads to, and can all of
 * their results be right?
 *
 * Each such test has a trace of its own, whose name the grader knows.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>

#define TRACE_MAX_CALLS 4608

/* Values and layout are part of the grader's interface: grader/judging/replay.py has the same. */
enum trace_function {
	TRACE_FRAME_ALLOC = 1,  /* order; gives the base */
	TRACE_FRAME_FREE,       /* base, order */
	TRACE_KREALLOC,         /* object, bytes; gives the new object */
	TRACE_KFREE,            /* object */
};

struct trace_call {
	uint64_t function;      /* enum trace_function */
	uint64_t arguments[2];  /* 0 where there is none */
	uint64_t result;        /* 0 where there is none */
};

struct trace {
	uint64_t nr_calls;      /* made since trace_begin() */
	struct trace_call calls[TRACE_MAX_CALLS];       /* the first of them, in order */
};

void trace_begin(struct trace *trace);
void trace_add(struct trace *trace, struct trace_call call);

#endif
