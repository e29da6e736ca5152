/* SPDX-License-Identifier: MIT */
/*
 * shim.h: comes before the kernel's headers when its files are built for the playground.
 *
 * It stands in for what a WebAssembly module, or a process, has not. Everything else in
 * the kernel's files is as it is in the kernel, the locks included.
 *
 *  - The direct map begins at 0 in a module: an address of its memory is a physical address.
 *  - The CPU's instructions do nothing, but for the pause of a CPU that waits for a lock.
 *  - The array of locks is a section whose name is one of C, so that the linker knows its ends.
 *  - An argument of a function like printf takes eight bytes (variadic.h).
 *  - Inline functions of the headers are no steps of their own.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

#undef DIRECT_MAP_BASE
#ifdef __wasm__
#define DIRECT_MAP_BASE 0
#else
#define DIRECT_MAP_BASE 0x10000000000   /* where machine_init() maps the machine's RAM */
#endif

/* What a CPU does that waits for a lock: nobody will ever give it back. Does not return. */
void machine_waits(void);

#define inline inline __attribute__((no_instrument_function))

#define __asm__
#define volatile(...) ((void)0)
#define cpu_relax cpu_relax_of_x86
#include "cpu.h"
#undef cpu_relax
#undef volatile
#undef __asm__

static inline void cpu_relax(void)
{
	machine_waits();
}

#define spinlocks_start __start_spinlocks
#define spinlocks_end   __stop_spinlocks
#include "spinlock.h"
#undef DEFINE_SPINLOCK
#define DEFINE_SPINLOCK(lock)                                                          \
	struct spinlock lock __attribute__((section("spinlocks"), used, aligned(8))) = \
		{ .name = #lock }

#include "console.h"
#include "directory.h"
#include "format.h"
#include "heap.h"
#include "log.h"
#include "machine.h"
#include "memory.h"
#include "pages.h"
#include "panic.h"
#include "slab.h"
#include "string.h"
#include "words.h"

#undef inline

#ifdef __wasm__
#include "variadic.h"
#endif

#endif
