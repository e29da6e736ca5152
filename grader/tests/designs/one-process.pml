/* SPDX-License-Identifier: MIT */
/* A CPU is one process: a call is a jump, and the only way back is counted. */
#include "machine.pml"

proctype cpu(byte me)
{
	byte nested;            /* kmallocs that a record waits for */
	bool got, found;

begin:
	enters(me, KMALLOC);
	spin_lock(me, heap_lock);
	heap_take(me, got);
	if
	:: got -> goto served
	:: else
	fi;
again:
	if
	:: kmalloc_unlocks || rescue_unlocks -> spin_unlock(me, heap_lock)
	:: else
	fi;
	enters(me, HEAP_RESCUE);
	if
	:: rescue_logs ->
		enters(me, LOG_RECORD);
		if
		:: log_locks -> spin_lock(me, log_lock)
		:: else
		fi;
		if
		:: log_allocates -> nested++; goto begin
		:: else
		fi;
recorded_it:
		if
		:: log_locks -> spin_unlock(me, log_lock)
		:: else
		fi;
		leaves(me, LOG_RECORD)
	:: else
	fi;
	frame_alloc(found);
	if
	:: kmalloc_unlocks && found ->
		spin_lock(me, heap_lock);
		heap_add(me);
		spin_unlock(me, heap_lock)
	:: rescue_unlocks ->
		spin_lock(me, heap_lock);
		if
		:: found -> heap_add(me)
		:: else
		fi
	:: !kmalloc_unlocks && !rescue_unlocks && found -> heap_add(me)
	:: else
	fi;
	leaves(me, HEAP_RESCUE);
	if
	:: kmalloc_unlocks -> spin_lock(me, heap_lock)
	:: else
	fi;
	heap_take(me, got);
	if
	:: !got && found && asks_again -> goto again
	:: else
	fi;
served:
	spin_unlock(me, heap_lock);
	leaves(me, KMALLOC);
	if
	:: nested > 0 -> nested--; goto recorded_it
	:: else
	fi;
	finishes(me, got)
}
