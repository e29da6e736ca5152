/* SPDX-License-Identifier: MIT */
/* No process but a CPU's: calls are inlines, written out as deep as a stack has room for. */
#include "machine.pml"

#define WHERE(is_on, step)  if :: is_on -> step :: else fi

/* A level: kmalloc, the rescue that it calls, the record of that, and the kmalloc `inner` of the record. */
#define LEVEL(outer, rescue, record, inner)					\
inline record(me)								\
{										\
	enters(me, LOG_RECORD);							\
	WHERE(log_locks, spin_lock(me, log_lock));				\
	WHERE(log_allocates, inner(me));					\
	WHERE(log_locks, spin_unlock(me, log_lock));				\
	leaves(me, LOG_RECORD)							\
}										\
inline rescue(me)								\
{										\
	enters(me, HEAP_RESCUE);						\
	WHERE(rescue_unlocks, spin_unlock(me, heap_lock));			\
	WHERE(rescue_logs, record(me));						\
	frame_alloc(found);							\
	WHERE(rescue_unlocks || (kmalloc_unlocks && found), spin_lock(me, heap_lock));	\
	WHERE(found, heap_add(me));						\
	WHERE(kmalloc_unlocks && found, spin_unlock(me, heap_lock));		\
	leaves(me, HEAP_RESCUE)							\
}										\
inline outer(me)								\
{										\
	enters(me, KMALLOC);							\
	spin_lock(me, heap_lock);						\
	heap_take(me, got);							\
	found = true;								\
	do									\
	:: got || !found -> break						\
	:: else ->								\
		WHERE(kmalloc_unlocks, spin_unlock(me, heap_lock));		\
		rescue(me);							\
		WHERE(kmalloc_unlocks, spin_lock(me, heap_lock));		\
		heap_take(me, got);						\
		WHERE(!asks_again, break)					\
	od;									\
	spin_unlock(me, heap_lock);						\
	leaves(me, KMALLOC)							\
}

inline last_straw(me) { enters(me, KMALLOC) }
LEVEL(second_kmalloc, second_rescue, second_record, last_straw)
LEVEL(first_kmalloc, first_rescue, first_record, second_kmalloc)

proctype cpu(byte me)
{
	bool got, found;

	first_kmalloc(me);
	finishes(me, got)
}
