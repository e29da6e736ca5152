/* SPDX-License-Identifier: MIT */
/*
 * ktest.c: runs the tests registered with KTEST() and reports them as KTAP.
 *
 * A test ends by returning, by ktest_fail() or ktest_skip(), or by a panic that
 * ktest_intercept() turns into one of these; all but the first jump back here
 * with __builtin_longjmp. Locks left held on the way are released.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler;
 * ktest_intercept() and ktest_fail() from anywhere.
 */
#include "ktest.h"

#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "fail.h"
#include "ktest_step.h"
#include "machine.h"
#include "options.h"
#include "panic.h"
#include "string.h"
#include "trap.h"
#include "watchdog.h"

extern const struct ktest ktests_start[], ktests_end[];

struct random ktest_random;

bool (*ktest_rescue)(size_t bytes);

enum ktest_outcome ktests_outcome;
unsigned ktest_nmis_wanted;

uint64_t ktest_calls;

static struct {
	const struct ktest *test;       /* that is running, or NULL */
	void *context[5];               /* where run_one() waits for it */
	bool has_ended;                 /* its body has run to its end, and all that it called */
	enum ktest_outcome outcome;     /* so far; the test's own variable gets it last */
	char directive[80];             /* what follows the '#' of the result line, or "" */
	struct ktest_catch *catch;      /* the panic it expects, or NULL */
} current;

static void release_locks(void)
{
	struct spinlock *lock = NULL;

	while ((lock = spinlock_next_held(lock)) != NULL)
		__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

static _Noreturn void end_test(enum ktest_outcome outcome)
{
	current.outcome = outcome;
	current.catch = NULL;
	console_copy_to(NULL);
	__builtin_longjmp(current.context, 1);
}

void ktest_progress(void)
{
	watchdog_pet();
}

void ktest_note(const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	console_printf("# ");
	console_vprintf(message, arguments);
	console_printf("\n");
	va_end(arguments);
}

_Noreturn void ktest_fail(const struct place *place, const char *condition, const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	console_copy_to(NULL);
	console_fresh_line();
	console_printf("# %s:%u: expected %s: ", place->file, place->line, condition);
	console_vprintf(message, arguments);
	console_printf("\n");
	va_end(arguments);
	end_test(KTEST_FAILED);
}

_Noreturn void ktest_skip(const char *reason)
{
	format_string(current.directive, sizeof(current.directive), "SKIP %s", reason);
	end_test(KTEST_SKIPPED);
}

void ktest_catch_begin(struct ktest_catch *catch, const char *reason)
{
	catch->reason = reason;
	catch->flags = read_rflags();
	catch->calls = ktest_calls;
	current.catch = catch;
}

_Noreturn void ktest_catch_missed(const struct place *place, const char *statement)
{
	ktest_fail(place, "a panic", "%s went through, should have said \"%s\"", statement,
		   current.catch->reason);
}

void ktest_catch_end(const struct place *place, const char *statement)
{
	struct ktest_catch *catch = current.catch;

	current.catch = NULL;
	panic_record.kind = PANIC_NONE;
	release_locks();
	irq_restore(catch->flags);
	if (strstr(panic_record.message, catch->reason) == NULL)
		ktest_fail(place, "another panic", "%s said \"%s\", should have said \"%s\"",
			   statement, panic_record.message, catch->reason);
}

void ktest_intercept(uint32_t kind, const char *message)
{
	if (current.test == NULL)
		return;
	if (kind == PANIC_BUG && current.catch != NULL) {
		ktest_calls = current.catch->calls;
		__builtin_longjmp(current.catch->context, 1);
	}
	if (kind == PANIC_TODO) {
		format_string(current.directive, sizeof(current.directive), "%s", message);
		end_test(KTEST_TODO);
	}
}

static void check_locks(void)
{
	struct spinlock *lock = spinlock_next_held(NULL);

	if (lock == NULL)
		return;
	if (current.outcome == KTEST_PASSED) {
		ktest_note("%s is still held, taken in %s (%s:%u)", lock->name,
			   lock->taken_at->function, lock->taken_at->file, lock->taken_at->line);
		current.outcome = KTEST_FAILED;
	}
	release_locks();
}

void __cyg_profile_func_enter(void *function, void *caller)
{
}

void __cyg_profile_func_exit(void *function, void *caller)
{
	if (current.test != NULL && function == (void *)current.test->run)
		current.has_ended = ktest_calls == 0;
}

/* Where a test has failed behind allocations that failed on purpose: how to stop at the last. */
static void note_failure(void)
{
	if (current.outcome == KTEST_FAILED && fail_number > 0)
		ktest_note("allocations that failed on purpose: %lu; GDB stops at the last with BREAK='"
			   "allocation_fails if fail_number == %lu'", fail_number, fail_number);
}

/* Runs one test; comes back however it ends. */
static void run_one(const struct ktest *test)
{
	uint64_t flags = read_rflags();

	current.test = test;
	ktest_calls = 0;
	current.has_ended = false;
	current.directive[0] = '\0';
	*test->outcome = KTEST_RUNNING;
	ktest_random.state = options.seed;
	watchdog_pet();
	fail_init();
	if (__builtin_setjmp(current.context) == 0) {
		test->run();
		current.outcome = KTEST_PASSED;
		if (!current.has_ended) {
			ktest_note("it was left before its end: something has returned past it");
			current.outcome = KTEST_FAILED;
		}
	}
	current.test = NULL;
	fail_end();
	ktest_rescue = NULL;
	ktest_step_end();
	trap_uninstall_all();
	panic_record.kind = PANIC_NONE;         /* what has come back here was caught */
	irq_restore(flags);
	check_locks();
	note_failure();
	*test->outcome = current.outcome;
}

/* Is `name` one that the comma-separated patterns in options.ktest match? */
static bool is_wanted(const char *name)
{
	const char *pattern = options.ktest;
	char single[sizeof(options.ktest)];

	while (*pattern != '\0') {
		const char *comma = strchr(pattern, ',');
		size_t nr_bytes = comma == NULL ? strlen(pattern) : (size_t)(comma - pattern);

		memcpy(single, pattern, nr_bytes);
		single[nr_bytes] = '\0';
		if (glob_matches(single, name))
			return true;
		pattern += nr_bytes + (comma != NULL);
	}
	return false;
}

static bool has_failed(const struct ktest *test)
{
	return *test->outcome == KTEST_FAILED || *test->outcome == KTEST_TODO;
}

static void print_result(const struct ktest *test, unsigned number)
{
	console_fresh_line();
	console_printf("%s %u %s%s%s\n", has_failed(test) ? "not ok" : "ok", number, test->name,
		       current.directive[0] ? " # " : "", current.directive);
}

void ktest_run(void)
{
	unsigned nr_tests = 0, nr_run = 0, nr_failed = 0;

	if (options.ktest[0] == '\0')
		return;
	ktests_outcome = KTEST_RUNNING;
	for (const struct ktest *test = ktests_start; test < ktests_end; test++)
		nr_tests += is_wanted(test->name);
	console_printf("KTAP version 1\n1..%u\n# seed %lu\n", nr_tests, options.seed);
	for (const struct ktest *test = ktests_start; test < ktests_end; test++) {
		if (!is_wanted(test->name))
			continue;
		run_one(test);
		nr_failed += has_failed(test);
		print_result(test, ++nr_run);
	}
	if (nr_tests == 0)
		ktest_note("no test is named %s", options.ktest);
	ktests_outcome = nr_failed || nr_tests == 0 ? KTEST_FAILED : KTEST_PASSED;
	machine_exit(ktests_outcome == KTEST_PASSED ? MACHINE_TESTS_PASSED : MACHINE_TESTS_FAILED);
}
