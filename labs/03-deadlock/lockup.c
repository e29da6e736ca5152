/* SPDX-License-Identifier: MIT */
/*
 * lockup.c: explains a hang: who waits for what, who holds it since where, and the cycle.
 *
 * Everything here may be what went wrong, or may have been hit by it. So every pointer is
 * compared with where it can lead before it is followed, and every walk only leads upwards:
 *
 *      start.rbp ─► | frame pointer ─┐ | return address |   spin_lock, called by f
 *                   | frame pointer ◄┘ | return address |   f, called by h
 *                   | …                                 |
 *                   | 0                | return address |   kmain
 *
 * Limits: it knows one CPU and one stack. A cycle that leads through another CPU, or through
 * what an interrupt has interrupted, is not found.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "lockup.h"

#include "console.h"
#include "cpu.h"
#include "image.h"
#include "panic.h"
#include "spinlock.h"

/* BEGIN SOLUTION 3.1 */
static bool is_lock(const struct spinlock *lock)
{
	uint64_t offset = (uint64_t)lock - (uint64_t)spinlocks_start;

	return offset < (uint64_t)spinlocks_end - (uint64_t)spinlocks_start &&
	       offset % sizeof(*lock) == 0;
}

static const char *checked_text(const char *text)
{
	return image_is_constant(text, 1) ? text : "?";
}

/* A place whose every word can be read. */
static struct place checked_place(const struct place *place)
{
	if (!image_is_constant(place, sizeof(*place)))
		return (struct place){ "?", "?", 0 };
	return (struct place){ checked_text(place->file), checked_text(place->function), place->line };
}

/* Ends a line with a place. */
static void print_place(const struct place *unchecked)
{
	struct place place = checked_place(unchecked);

	console_printf("%s (%s:%u)\n", place.function, place.file, place.line);
}

static void print_held_locks(void)
{
	for (const struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++) {
		if (lock->locked) {
			console_printf("cpu%u holds %s since ", lock->owner, checked_text(lock->name));
			print_place(lock->taken_at);
		}
	}
}

/* Where the function begins that a return address leads back to, and its name; 0 if there is none. */
static uint64_t function_of(uint64_t return_address, const char **name)
{
	uint64_t offset = 0;

	*name = symbol_find(return_address - 1, &offset);
	return *name ? return_address - 1 - offset : 0;
}

/* Prints the nr_calls innermost callers, outermost first. The chain has been walked before. */
static void print_calls(const uint64_t *innermost, unsigned nr_calls)
{
	while (nr_calls-- > 0) {
		const uint64_t *frame = innermost;
		const char *name;

		for (unsigned i = 0; i < nr_calls; i++)
			frame = (const uint64_t *)frame[0];
		function_of(frame[1], &name);
		console_printf("%s%s", name, nr_calls > 0 ? " -> " : "\n");
	}
}

/* Walks from the caller of spin_lock(), whose frame is at `rbp`, to the call that took the lock. */
static void print_cycle(const struct spinlock *lock, uint64_t rbp)
{
	const uint64_t *innermost = (const uint64_t *)rbp, *frame;
	const char *name;
	uint64_t taker = function_of((uint64_t)lock->taken_from, &name), below = 0;

	for (unsigned nr_calls = 1; rbp != 0; nr_calls++, below = rbp, rbp = frame[0]) {
		uint64_t function = 0;

		frame = (const uint64_t *)rbp;
		if (rbp > below && stack_has_frame(rbp))
			function = function_of(frame[1], &name);
		if (function == 0) {
			console_printf("no cycle: the stack is damaged at %p\n", (void *)rbp);
			return;
		}
		if (nr_calls > 1 && function == taker) {
			console_printf("the cycle: ");
			print_calls(innermost, nr_calls);
			return;
		}
	}
	console_printf("no cycle: %s has returned and left %s locked\n",
		       checked_place(lock->taken_at).function, checked_text(lock->name));
}

/* The lines about the lock that the CPU waits for, with those about all that are held in between. */
static void explain_lock(const struct spinlock *lock, uint64_t rbp)
{
	const char *name = checked_text(lock->name);

	console_printf("%s in ", name);
	print_place(this_cpu.waits_at);
	print_held_locks();
	if (!lock->locked)
		console_printf("no cycle: nobody holds %s\n", name);
	else if (lock->owner != this_cpu.id)
		console_printf("no cycle: cpu%u holds %s\n", lock->owner, name);
	else
		print_cycle(lock, rbp);
}
/* END SOLUTION */

void lockup_explain(struct backtrace start)
{
	/* BEGIN SOLUTION 3.1 */
	const struct spinlock *lock = this_cpu.waits_for;

	console_printf("cpu%u waits for ", this_cpu.id);
	if (is_lock(lock)) {
		explain_lock(lock, start.rbp);
	} else {
		if (lock == NULL)
			console_printf("no lock\n");
		else
			console_printf("%p, which is no lock\n", (const void *)lock);
		print_held_locks();
	}
	console_printf("backtrace, innermost first:\n");
	backtrace_print(start);
	/* END SOLUTION */
}
