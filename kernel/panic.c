/* SPDX-License-Identifier: MIT */
/*
 * panic.c: reports what went wrong, and stops.
 *
 * The code that handles a failure must not depend on the thing that failed. So this takes no
 * lock, allocates nothing, and goes straight to the serial port. It may fail itself: a
 * message may point to nowhere, a lock may be overwritten, the text screen may not be mapped.
 * So a report is made in steps.
 * An exception in a step is another event. Its report is written in between, on top of the
 * stack, and goes on with the step after the failed one. The message is kept while it is
 * formatted, so the words before a bad argument are known.
 *
 * Stack: nothing called from here calls back, and there are MAX_EVENTS at most.
 * test_panic.py computes their stack from the compiler's figures.
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
#include "lockup.h"
#include "log.h"
#include "machine.h"
#include "spinlock.h"
#include "string.h"
#include "trap.h"
#include "watchdog.h"

#define MAX_EVENTS 8            /* the first, and one for its message and for each step it takes */

enum step {
	STEP_SCREEN, STEP_WORDS, STEP_REGISTERS, STEP_LOCKUP, STEP_BACKTRACE, STEP_LOCKS, STEP_LOG, STEP_END, NR_STEPS,
};

struct panic_record panic_record;

/* The event that panic_record is about, and how far its report is. */
static struct {
	const struct trap_frame *trap;  /* the state at the trap, or NULL */
	struct backtrace start;         /* where it happened */
	struct buffer_sink message;     /* of panic_record */
	const struct spinlock *lock;    /* the held lock that was printed last, or NULL */
	enum step next_step;
	unsigned nr_events;             /* this one and those that came up since */
} event;

/* Where another event's words go: to the console, and behind those of the first in the record. */
struct words_sink {
	struct sink sink;
	size_t nr_left;                 /* bytes that may still come: as many as a record has */
};

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

static void print_held_lock(const struct spinlock *lock)
{
	if (lock->taken_at != NULL)
		console_printf("cpu%u holds %s since %s (%s:%u)\n", lock->owner, lock->name,
			       lock->taken_at->function, lock->taken_at->file, lock->taken_at->line);
}

static void take_step(enum step step)
{
	enum panic_kind kind = panic_record.kind;

	switch (step) {
	case STEP_SCREEN:
		console_show_last_words();
		break;
	case STEP_WORDS:
		console_printf("\n%s: %s\n", titles[kind], panic_record.message);
		break;
	case STEP_REGISTERS:
		if (kind == PANIC_FAULT || kind == PANIC_STACK_OVERFLOW)
			print_registers(event.trap);
		break;
	case STEP_LOCKUP:
		if (kind != PANIC_LOCKUP)
			break;
		event.next_step = STEP_LOG;     /* backtrace and locks are part of the explanation */
		lockup_explain(event.start);
		break;
	case STEP_BACKTRACE:
		console_printf("backtrace, innermost first:\n");
		backtrace_print(event.start);
		break;
	case STEP_LOCKS:
		event.lock = spinlock_next_held(event.lock);
		if (event.lock == NULL)
			break;
		event.next_step = STEP_LOCKS;   /* one at a time: one that is damaged hides no other */
		print_held_lock(event.lock);
		break;
	case STEP_LOG:
		if (kind != PANIC_TODO)         /* which may be this one */
			log_force();
		break;
	default:
		console_printf("The machine stays put for a debugger.\n");
	}
}

/* Keeps what happened where a debugger and the grader find it. May jump to a test that expects it. */
static void begin_report(enum panic_kind kind, const struct trap_frame *trap, uint64_t caller_rbp,
			 const char *message, va_list arguments)
{
	const uint64_t *frame = (const uint64_t *)caller_rbp;

	event.trap = trap;
	event.start = trap != NULL ? (struct backtrace){ trap->rip, trap->rbp, trap->rsp }
				   : (struct backtrace){ frame[1], frame[0], 0 };
	event.lock = NULL;
	event.next_step = STEP_SCREEN;
	event.nr_events = 1;
	memset(panic_record.message, 0, sizeof(panic_record.message));
	buffer_sink_init(&event.message, panic_record.message, sizeof(panic_record.message) - 1);
	panic_record.kind = kind;
	vformat_line(&event.message.sink, message, arguments);
	ktest_intercept(kind, panic_record.message);
}

static bool words_write(struct sink *sink, const char *text, size_t nr_bytes)
{
	struct words_sink *words = (struct words_sink *)sink;

	if (nr_bytes > words->nr_left)
		nr_bytes = words->nr_left;
	words->nr_left -= nr_bytes;
	console_write(text, nr_bytes);
	buffer_sink_write(&event.message.sink, text, nr_bytes);
	return words->nr_left > 0;
}

/* Says that another event has come up. What it interrupted is not tried again. */
static void report_another(enum panic_kind kind, const char *message, va_list arguments)
{
	struct words_sink words = { .sink.write = words_write, .nr_left = sizeof(panic_record.message) };

	if (++event.nr_events > MAX_EVENTS) {
		event.next_step = NR_STEPS;
		return;
	}
	while (event.next_step <= STEP_WORDS)
		take_step(event.next_step++);
	console_printf("\n%s, while reporting the above: ", titles[kind]);
	format(&event.message.sink, "; %s: ", titles[kind]);
	vformat_line(&words.sink, message, arguments);
	console_write("\n", 1);
}

static _Noreturn void stop(enum panic_kind kind, const struct trap_frame *trap, uint64_t rbp,
			   const char *message, va_list arguments)
{
	bool is_first = panic_record.kind == PANIC_NONE;

	irq_save();
	if (is_first)
		begin_report(kind, trap, rbp, message, arguments);
	console_copy_to(NULL);
	watchdog_stop();
	if (!is_first)
		report_another(kind, message, arguments);
	while (event.next_step < NR_STEPS)
		take_step(event.next_step++);
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
