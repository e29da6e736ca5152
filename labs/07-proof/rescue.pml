/* SPDX-License-Identifier: MIT */
/*
 * rescue.pml: the heap, its rescue and the log, as far as locks and calls go.
 *
 * A function is a process here, because an inline cannot call itself. Who calls it waits on a
 * channel of its own for what the function returns:
 *
 *	run kmalloc(me, mine); mine ? got
 *
 * Each function says that it enters and leaves, and does all else by the steps of machine.pml, as
 * its switches say. Any other shape will do as well: what counts is what SPIN finds.
 */
#include "machine.pml"

/* Writes a record. Returns true. */
proctype log_record(byte me; chan caller)
{
	/* BEGIN SOLUTION 7.3 */
	chan mine = [0] of { bool };
	bool got;

	enters(me, LOG_RECORD);
	if
	:: log_locks -> spin_lock(me, log_lock)
	:: else
	fi;
	if
	:: log_allocates -> run kmalloc(me, mine); mine ? got
	:: else
	fi;
	if
	:: log_locks -> spin_unlock(me, log_lock)
	:: else
	fi;
	leaves(me, LOG_RECORD);
	caller ! true
	/* END SOLUTION */
}

/* Gives the heap a page. Returns whether there was a frame. */
proctype heap_rescue(byte me; chan caller)
{
	/* BEGIN SOLUTION 7.3 */
	chan mine = [0] of { bool };
	bool got;

	enters(me, HEAP_RESCUE);
	if
	:: rescue_unlocks -> spin_unlock(me, heap_lock)
	:: else
	fi;
	if
	:: rescue_logs -> run log_record(me, mine); mine ? got
	:: else
	fi;
	frame_alloc(got);
	if
	:: rescue_unlocks || (kmalloc_unlocks && got) -> spin_lock(me, heap_lock)
	:: else
	fi;
	if
	:: got -> heap_add(me)
	:: else
	fi;
	if
	:: kmalloc_unlocks && got -> spin_unlock(me, heap_lock)
	:: else
	fi;
	leaves(me, HEAP_RESCUE);
	caller ! got
	/* END SOLUTION */
}

/* Takes a page for an object. Returns whether it has one: false is NULL. */
proctype kmalloc(byte me; chan caller)
{
	/* BEGIN SOLUTION 7.3 */
	chan mine = [0] of { bool };
	bool got, has_rescued;

	enters(me, KMALLOC);
	spin_lock(me, heap_lock);
	heap_take(me, got);
	do
	:: got -> break
	:: else ->
		if
		:: kmalloc_unlocks -> spin_unlock(me, heap_lock)
		:: else
		fi;
		run heap_rescue(me, mine);
		mine ? has_rescued;
		if
		:: kmalloc_unlocks -> spin_lock(me, heap_lock)
		:: else
		fi;
		heap_take(me, got);
		if
		:: asks_again && has_rescued
		:: else -> break
		fi
	od;
	spin_unlock(me, heap_lock);
	leaves(me, KMALLOC);
	caller ! got
	/* END SOLUTION */
}

/* A CPU: allocates once, and has finished. */
proctype cpu(byte me)
{
	/* BEGIN SOLUTION 7.3 */
	chan mine = [0] of { bool };
	bool got;

	run kmalloc(me, mine);
	mine ? got;
	finishes(me, got)
	/* END SOLUTION */
}
