/* SPDX-License-Identifier: MIT */
/*
 * spinlock.c: test-and-test-and-set locks that remember who took them, and where.
 *
 * A waiter reads until the lock looks free and only then tries to take it. While it
 * waits, this_cpu names the lock.
 *
 * Memory order. The protected data may be touched only between taking and releasing the
 * lock, by the compiler's order and by the CPU's. So no read or write moves up past the
 * exchange that takes the lock (ACQUIRE), and none moves down past the store that releases
 * it (RELEASE). The next owner sees all that was written under the lock, as its exchange
 * reads the value that our store wrote. Reads and writes from outside may move in.
 *
 *      exchange locked, 1      ACQUIRE   nothing below moves above
 *      owner, taken_at, the protected data
 *      store locked, 0         RELEASE   nothing above moves below
 *
 * On x86 this costs nothing more: an exchange with memory is a full barrier, and a store
 * never passes an earlier read or write. The two words bind the compiler.
 * spin_is_held() and a waiter's reads order nothing: they are hints. An NMI can come
 * between the exchange and the lines that note the owner: then they still name the last
 * one.
 *
 * Locks: none (it is one). Allocates: nothing. Callable from: anywhere but an NMI
 * handler; spinlock_next_held() and spin_is_held() from anywhere.
 */
#include "spinlock.h"

#include "cpu.h"
#include "panic.h"

/* Under QEMU's -icount a pause takes as long as hundreds of reads: a hang would be slow to end. */
#define READS_PER_PAUSE 256

struct cpu this_cpu;

void (spin_lock)(struct spinlock *lock, const struct place *place)
{
	uint64_t flags = irq_save();

	while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) != 0) {
		this_cpu.waits_at = place;
		this_cpu.waits_for = lock;
		for (unsigned reads = 1; lock->locked; reads++)
			if (reads % READS_PER_PAUSE == 0)
				cpu_relax();
	}
	this_cpu.waits_for = NULL;
	lock->owner = this_cpu.id;
	lock->taken_at = place;
	lock->taken_from = __builtin_return_address(0);
	lock->flags = flags;
}

void spin_unlock(struct spinlock *lock)
{
	uint64_t flags = lock->flags;

	if (!lock->locked || lock->owner != this_cpu.id)
		panic("spin_unlock: cpu%u does not hold %s", this_cpu.id, lock->name);
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
	irq_restore(flags);
}

bool spin_is_held(const struct spinlock *lock)
{
	return lock->locked;
}

struct spinlock *spinlock_next_held(const struct spinlock *previous)
{
	struct spinlock *lock = previous == NULL ? spinlocks_start : (struct spinlock *)previous + 1;

	while (lock < spinlocks_end && !lock->locked)
		lock++;
	return lock < spinlocks_end ? lock : NULL;
}
