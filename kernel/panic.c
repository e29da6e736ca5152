/* SPDX-License-Identifier: MIT */
/*
 * panic.c: reports what went wrong, and stops.
 *
 * The code that handles a failure must not depend on the thing that failed: this
 * uses the serial port's registers, a static record, and nothing else.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "panic.h"

#include <stdbool.h>
#include <stddef.h>

#include "backtrace.h"
#include "console.h"
#include "cpu.h"
#include "ktest.h"
#include "machine.h"
#include "spinlock.h"
#include "trap.h"
#include "watchdog.h"

struct panic_record panic_record;

static const char *const titles[] = {
	[PANIC_BUG] = "PANIC", [PANIC_TODO] = "NOT IMPLEMENTED", [PANIC_FAULT] = "FAULT",
	[PANIC_STACK_OVERFLOW] = "STACK OVERFLOW", [PANIC_LOCKUP] = "LOCKUP",
};

static void print_registers(const struct trap_frame *trap)
{
	console_printf("rip %p  rsp %p  rflags %#lx\n", (void *)trap->rip, (void *)trap->rsp,
		       trap->rflags);
	console_printf("rax %p  rbx %p  rcx %p\n", (void *)trap->rax, (void *)trap->rbx,
		       (void *)trap->rcx);
	console_printf("rdx %p  rsi %p  rdi %p\n", (void *)trap->rdx, (void *)trap->rsi,
		       (void *)trap->rdi);
	console_printf("rbp %p  r8  %p  r9  %p\n", (void *)trap->rbp, (void *)trap->r8,
		       (void *)trap->r9);
	console_printf("r10 %p  r11 %p  r12 %p\n", (void *)trap->r10, (void *)trap->r11,
		       (void *)trap->r12);
	console_printf("r13 %p  r14 %p  r15 %p\n", (void *)trap->r13, (void *)trap->r14,
		       (void *)trap->r15);
}

static void print_held_locks(void)
{
	struct spinlock *lock = NULL;

	while ((lock = spinlock_next_held(lock)) != NULL)
		if (lock->taken_at != NULL)
			console_printf("cpu%u holds %s since %s (%s:%u)\n", lock->owner, lock->name,
				       lock->taken_at->function, lock->taken_at->file,
				       lock->taken_at->line);
}

/* If the CPU waits for a lock that it holds itself: the calls that lead from the one to the other. */
static void print_cycle(struct backtrace start)
{
	const struct spinlock *lock = this_cpu.waits_for;

	if (lock == NULL || lock->owner != this_cpu.id || lock->taken_at == NULL)
		return;
	console_printf("the cycle: ");
	if (!backtrace_print_cycle(start, (uint64_t)lock->taken_from))
		console_printf("none on this stack; %s has returned and left %s locked\n",
			       lock->taken_at->function, lock->name);
}

static void report(enum panic_kind kind, const struct trap_frame *trap, uint64_t caller_rbp)
{
	const uint64_t *frame = (const uint64_t *)caller_rbp;
	struct backtrace start;

	if (trap != NULL)
		start = (struct backtrace){ trap->rip, trap->rbp, trap->rsp };
	else
		start = (struct backtrace){ frame[1], frame[0], 0 };
	console_printf("\n%s: %s\n", titles[kind], panic_record.message);
	if (kind == PANIC_FAULT || kind == PANIC_STACK_OVERFLOW)
		print_registers(trap);
	if (kind == PANIC_LOCKUP)
		print_cycle(start);
	console_printf("backtrace, innermost first:\n");
	backtrace_print(start);
	print_held_locks();
	console_printf("The machine stays put for a debugger.\n");
}

/* Keeps what happened where a debugger and the grader find it. */
static void record(enum panic_kind kind, const char *message, va_list arguments)
{
	struct buffer_sink text;

	buffer_sink_init(&text, panic_record.message, sizeof(panic_record.message) - 1);
	vformat(&text.sink, message, arguments);
	panic_record.message[text.nr_bytes] = '\0';
	ktest_intercept(kind, panic_record.message);
	panic_record.kind = kind;
}

static _Noreturn void stop(enum panic_kind kind, const struct trap_frame *trap, uint64_t rbp,
			   const char *message, va_list arguments)
{
	irq_save();
	if (panic_record.kind == PANIC_NONE) {
		record(kind, message, arguments);
		console_copy_to(NULL);
		watchdog_stop();
		report(kind, trap, rbp);
	} else {
		console_printf("\n%s, while reporting the above: ", titles[kind]);
		console_vprintf(message, arguments);
		console_printf("\n");
	}
	machine_announce_panic();
	cpu_stop();
}

_Noreturn void panic_stop(enum panic_kind kind, const struct trap_frame *trap,
			  const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	stop(kind, trap, (uint64_t)__builtin_frame_address(0), message, arguments);
}

_Noreturn void panic(const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	stop(PANIC_BUG, NULL, (uint64_t)__builtin_frame_address(0), message, arguments);
}

_Noreturn void todo(const char *exercise, const char *function)
{
	panic_stop(PANIC_TODO, NULL, "TODO %s in %s", exercise, function);
}
