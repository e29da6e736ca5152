/* SPDX-License-Identifier: MIT */
/*
 * ubsan.h: what becomes of the compiler's own checks when they fail.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#ifndef UBSAN_H
#define UBSAN_H

struct trap_frame;

/* If a failed check made this exception: panics with its words. */
void ubsan_report(const struct trap_frame *trap);

#endif
