/* SPDX-License-Identifier: MIT */
/*
 * trace.c: a test's calls, one after the other. Calls that no longer fit are only counted.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "trace.h"

void trace_begin(struct trace *trace)
{
	trace->nr_calls = 0;
}

void trace_add(struct trace *trace, struct trace_call call)
{
	if (trace->nr_calls < TRACE_MAX_CALLS)
		trace->calls[trace->nr_calls] = call;
	trace->nr_calls++;
}
