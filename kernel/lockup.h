/* SPDX-License-Identifier: MIT */
/*
 * lockup.h: says why the kernel makes no progress. Lab 3 implements it.
 *
 * The kernel's own version names the lock that the CPU waits for, and no more. Lab 3's
 * version writes these lines to the console, in this order:
 *
 *     cpu0 waits for a_lock in f (a.c:12)      who waits where, by this_cpu
 *     cpu0 holds b_lock since g (b.c:34)       one line for each lock that is held
 *     the cycle: g -> h -> f                   calls from the lock's taker to its waiter
 *     backtrace, innermost first:              and what backtrace_print() prints
 *
 * The first line is "cpu0 waits for no lock" if no lock is to blame, and "cpu0 waits for 0x10,
 * which is no lock" if this_cpu points to none of the locks. Then there is no line of a cycle.
 *
 * The cycle ends with the caller of spin_lock(). It begins with the innermost call further out
 * that is a call of the function that took the lock (taken_from says which). A return address
 * belongs to the call before it. Where there is no cycle, its line says why:
 *
 *     no cycle: nobody holds a_lock
 *     no cycle: cpu1 holds a_lock
 *     no cycle: g has returned and left a_lock locked
 *     no cycle: the stack is damaged at 0x10
 *
 * The stack is damaged where a frame pointer is neither 0, which ends the chain, nor that of a
 * frame further up on a stack, and where a return address lies in no function. The line gives
 * that frame pointer, or the address of the frame that has that return address. If both words of
 * a frame are wrong, the return address is named. Further up is any higher address, also the next.
 *
 * It believes no pointer. A lock is one of the array's. A lock's name, a place, and a place's
 * words are constants of the image (image.h); what is none prints as "?", and the line of such
 * a place as 0. It reads a frame only where stack_has_frame() says that there can be one.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#ifndef LOCKUP_H
#define LOCKUP_H

#include "backtrace.h"

/* `start`: where the CPU was, in spin_lock() with its frame made if the CPU waits for a lock. */
void lockup_explain(struct backtrace start);

#endif
