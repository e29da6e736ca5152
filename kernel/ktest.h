/* SPDX-License-Identifier: MIT */
/*
 * ktest.h: tests that run inside the kernel.
 *
 *     KTEST(frame, alignment)
 *     {
 *             CHECK(base % PAGE_BYTES == 0, "base %#lx", base);
 *             EXPECT_PANIC("already free", frame_free(base, 0));
 *     }
 *
 * registers frame.alignment; to find the function that a backtrace calls
 * ktest_frame_alignment, search for its last word. The kernel runs the tests that
 * ktest=GLOB names, in link order, and reports them as KTAP version 1 on the console.
 * A failed CHECK ends its test at once. An unexpected panic ends the kernel. A test that
 * ends with a lock held has failed, and so has one that is left before its end, or in which a
 * call comes back to another place. Every test starts with the same random seed.
 *
 * The console is for people: whatever runs in the kernel can print. What became of
 * a test stands in a variable of its own, which the grader reads in the machine's
 * memory: ktest_outcome_frame_alignment.
 *
 * Source of the format: Linux, Documentation/dev-tools/ktap.rst.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler;
 * ktest_intercept() from anywhere.
 */
#ifndef KTEST_H
#define KTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"
#include "spinlock.h"

/* Values are part of the grader's interface: grader/machine/abi.py has the same list. */
enum ktest_outcome {
	KTEST_NOT_RUN,
	KTEST_RUNNING,          /* also what a crash leaves behind */
	KTEST_PASSED,
	KTEST_FAILED,
	KTEST_SKIPPED,
	KTEST_TODO,             /* came upon an exercise that nobody has done yet */
};

struct ktest {
	const char *name;               /* suite.test */
	void (*run)(void);
	enum ktest_outcome *outcome;    /* what became of it */
};

/* What became of ktest_run() as a whole: passed or failed once all tests have run. */
extern enum ktest_outcome ktests_outcome;

#define KTEST(suite, test)                                                              \
	static void ktest_##suite##_##test(void);                                       \
	static enum ktest_outcome ktest_outcome_##suite##_##test;                       \
	__attribute__((section(".ktests"), used, aligned(8)))                             \
	static const struct ktest ktest_entry_##suite##_##test = {                      \
		.name = #suite "." #test, .run = ktest_##suite##_##test,                \
		.outcome = &ktest_outcome_##suite##_##test,                             \
	};                                                                              \
	static void ktest_##suite##_##test(void)

/* Fails the test unless `condition` holds. The message, a format, says what was found. */
#define CHECK(condition, ...)                                                           \
	do {                                                                            \
		if (!(condition))                                                       \
			ktest_fail(PLACE(), #condition, __VA_ARGS__);                   \
	} while (0)

/*
 * Runs `statement` and fails the test unless it panics with a message that has
 * `reason` in it. Locks that the panic left held are released.
 */
#define EXPECT_PANIC(reason, statement)                                                 \
	do {                                                                            \
		struct ktest_catch catch_;                                              \
		ktest_catch_begin(&catch_, reason);                                     \
		if (__builtin_setjmp(catch_.context) == 0) {                            \
			statement;                                                      \
			ktest_catch_missed(PLACE(), #statement);                        \
		}                                                                       \
		ktest_catch_end(PLACE(), #statement);                                   \
	} while (0)

/* Ends the test as skipped. */
#define SKIP(reason) ktest_skip(reason)

/* The tests' random numbers, seeded anew for each test from seed= on the command line. */
extern struct random ktest_random;

/*
 * What the base heap_rescue() (rescue.c) does, for tests that play the rescue; NULL: it brings
 * nothing. Forgotten when the test ends. A stage with a rescue of its own does not look at it.
 */
extern bool (*ktest_rescue)(size_t bytes);

/*
 * How many NMIs from outside the tests have asked for. The grader sends one whenever it finds more than it
 * has sent; it looks when there is output. A test that nobody answers, as in make run, should give up.
 */
extern unsigned ktest_nmis_wanted;

/* Says that the test is getting on: pets the watchdog. Once in a million instructions will do. */
void ktest_progress(void);

/* Prints a "# …" line. */
void ktest_note(const char *message, ...) __attribute__((format(printf, 1, 2)));

/* Runs the tests that options.ktest names and ends the machine; returns if it names none. */
void ktest_run(void);

/* The rest serves the macros and panic(). */
struct ktest_catch {
	void *context[5];               /* for __builtin_longjmp */
	const char *reason;             /* the text that the message must contain */
	uint64_t flags;                 /* RFLAGS to go back to */
	uint64_t calls;                 /* ktest_calls, to go back to */
};

_Noreturn void ktest_fail(const struct place *place, const char *condition,
			  const char *message, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void ktest_skip(const char *reason);
void ktest_catch_begin(struct ktest_catch *catch, const char *reason);
_Noreturn void ktest_catch_missed(const struct place *place, const char *statement);
void ktest_catch_end(const struct place *place, const char *statement);

/*
 * Called by panic_stop() before it reports. Does not return, and the kernel goes on, if a test waits for
 * a panic (PANIC_BUG), or if an exercise is missing (PANIC_TODO): that fails the
 * test alone, as code that is not there has broken nothing.
 */
void ktest_intercept(uint32_t kind, const char *message);

/*
 * The numbers of the calls that are under way in the test's file, added up: boot/calls.awk has each
 * call add its own, and take it away behind the call. A test has come to its end if none is left there:
 * nothing has returned past a function or a check, by changing what is on the stack.
 */
extern uint64_t ktest_calls;

/* What the compiler has each function of a test file call, at its start and at its end (GCC,
 * "Program Instrumentation Options"). */
void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);

#endif
