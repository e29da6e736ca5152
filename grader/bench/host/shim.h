/* SPDX-License-Identifier: MIT */
/*
 * shim.h: comes before the kernel's headers when its files are built for the host.
 *
 * It stands in for what a process has not: the direct map is somewhere else, a lock
 * costs nothing, as there is one thread and no interrupt, and ports are counted
 * functions. Everything else in the kernel's files is as it is in the kernel.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"
#undef DIRECT_MAP_BASE
#define DIRECT_MAP_BASE 0x10000000000   /* where machine_init() maps the machine's RAM */

#define SPINLOCK_H
struct spinlock {
	char nothing;
};
#define DEFINE_SPINLOCK(lock) struct spinlock lock
static inline void spin_lock(struct spinlock *lock) { }
static inline void spin_unlock(struct spinlock *lock) { }

#define CPU_H
void outb(uint16_t port, uint8_t value);
uint8_t inb(uint16_t port);
void outsb(uint16_t port, const void *bytes, uint64_t nr_bytes);
static inline void cpu_relax(void) { }
static inline void irq_mask(void) { }
static inline void irq_unmask(void) { }

#endif
