/* SPDX-License-Identifier: MIT */
/*
 * panic.h: the end of the line.
 *
 * Everything here writes straight to the serial port: no lock, no allocation, no
 * log. After its report the kernel tells the machine (pvpanic, port 0x505) and
 * stays put, so that a debugger finds everything as it was. `panic_record` says
 * the same to whoever reads the machine's memory.
 *
 * The report is about the first event. An exception on the way, in a message that is
 * formatted or in a part of the report, costs that part at most: it is named as well,
 * and the report goes on behind it. The message has what came before a bad argument.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#ifndef PANIC_H
#define PANIC_H

#include <stdarg.h>
#include <stdint.h>

/* Values are part of the grader's interface: grader/machine/abi.py has the same list. */
enum panic_kind {
	PANIC_NONE,
	PANIC_BUG,              /* panic(): the kernel found a contradiction */
	PANIC_TODO,             /* an exercise that nobody has done yet */
	PANIC_FAULT,            /* an exception that nobody expected */
	PANIC_STACK_OVERFLOW,   /* a stack ran into its guard page */
	PANIC_LOCKUP,           /* the watchdog bit: no progress for 2 s */
};

struct panic_record {
	uint32_t kind;          /* enum panic_kind */
	char message[252];      /* one line, NUL-terminated; "; FAULT: …" for another event */
};

extern struct panic_record panic_record;

struct trap_frame;

/* Reports a bug and stops. In a test that expects it, returns to the test instead. */
_Noreturn void panic(const char *message, ...) __attribute__((format(printf, 1, 2)));

/* The same for any kind, with the state at the trap if there was one. */
_Noreturn void panic_stop(enum panic_kind kind, const struct trap_frame *trap,
			  const char *message, ...) __attribute__((format(printf, 3, 4)));

/* Stands where a student's solution goes. `exercise` is its number, as in "2.3". */
_Noreturn void todo(const char *exercise, const char *function);
#define TODO(exercise) todo(exercise, __func__)

#endif
