/* SPDX-License-Identifier: MIT */
/*
 * spinlock.h: a lock that masks interrupts and waits by spinning.
 *
 * Test-and-test-and-set: a waiter spins on a plain read. A lock knows its name,
 * its owner and where it was taken, for those who debug it. It does not look at
 * them itself: a CPU that takes a lock it already holds spins for ever.
 *
 * Locks: none (it is one). Allocates: nothing. Callable from: anywhere but an NMI
 * handler; spinlock_next_held() and spin_is_held() from anywhere.
 */
#ifndef SPINLOCK_H
#define SPINLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line of source. */
struct place {
	const char *file;       /* without its directory */
	const char *function;
	uint32_t line;
};

#define PLACE() ({ \
	static const struct place place_ = { __FILE_NAME__, __func__, __LINE__ }; \
	&place_; \
})

struct spinlock {
	volatile uint32_t locked;       /* 1 = held */
	uint32_t owner;                 /* id of the CPU that holds it; valid while held */
	const char *name;
	const struct place *taken_at;   /* where it was taken last; NULL = never */
	const void *taken_from;         /* the code there: spin_lock()'s return address */
	uint64_t flags;                 /* the owner's RFLAGS from before it took the lock */
};

/* All spinlocks, as one array. */
extern struct spinlock spinlocks_start[], spinlocks_end[];

/* Defines a spinlock in that array; hence the alignment, or the compiler might choose more. */
#define DEFINE_SPINLOCK(lock)                                                           \
	struct spinlock lock __attribute__((section(".spinlocks"), used, aligned(8))) = \
		{ .name = #lock }

/* Takes the lock, waiting for as long as it takes. Interrupts are masked until spin_unlock(). */
void spin_lock(struct spinlock *lock, const struct place *place);
#define spin_lock(lock) (spin_lock)(lock, PLACE())

/* Releases a lock that this CPU holds; panics if it does not. */
void spin_unlock(struct spinlock *lock);

bool spin_is_held(const struct spinlock *lock);

/* The first held lock after `previous` (NULL: from the start), or NULL: walks all held locks. */
struct spinlock *spinlock_next_held(const struct spinlock *previous);

#endif
