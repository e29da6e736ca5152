/* SPDX-License-Identifier: MIT */
/*
 * store_sweep_test.c: lab 6's sweep: each allocation of each operation fails once.
 *
 * A script of operations is carried out up to one of them. In this the k-th allocation fails, for
 * k = 1, 2, … until the operation makes no k-th one. Each time the store must be as it was before,
 * or as it would be afterwards, and say which. A model says how it would be: a table of names and
 * sizes. The sentences of store.h that are tested here:
 *
 *   whole, or nothing: files             …_is_whole_or_nothing
 *   whole, or nothing: the heap          …_loses_no_object
 *   no lock is held                      no_lock_stays_held
 *   one record at most                   one_record_at_most
 *   the same operation works then        the_next_try_works, the_next_rename_works
 *   a moment, or for good                each of them tries both
 *
 * store_exhausted_test.c: where there is no memory at all.
 */
#include <stdint.h>

#include "console.h"
#include "fail.h"
#include "format.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_holdings.h"
#include "ktest_store.h"
#include "log.h"
#include "options.h"
#include "store.h"
#include "string.h"

static struct model before, after;

/* One try: a step, and which of its allocations fails. */
struct try {
	const struct step *step;
	enum fail_plan plan;            /* FAIL_NTH or FAIL_FROM_NTH: once, or from then on */
	uint64_t k;
	enum store_result expected, result;
	struct holdings holdings;       /* before it */
	char what[64];                  /* for a message */
};

/* Carries out the script up to a step, with all the memory that it wants. `before` is the model then. */
static void prepare(struct try *try)
{
	store_clear();
	before.nr_files = 0;
	for (const struct step *step = script; step < try->step; step++) {
		enum store_result result = store_step(&before, step), expected = model_step(&before, step);

		CHECK(result == expected, "step %zu, %s %s: %u instead of %u", (size_t)(step - script),
		      operation_names[step->operation], step->name, result, expected);
	}
	after = before;
	try->expected = model_step(&after, try->step);
	format_string(try->what, sizeof(try->what), "step %zu, %s, allocation %lu%s",
		      (size_t)(try->step - script), operation_names[try->step->operation], try->k,
		      try->plan == FAIL_NTH ? "" : " and all after it");
	try->holdings = holdings_now();
	ktest_progress();
}

/* Only this is swept: the operations from one of the script's steps to another. */
struct range {
	size_t first, end;
};

static struct {
	size_t nr_operations, nr_tries;
} sums;

/*
 * For each step and each k, with the k-th allocation failing once and with all from it on: `check`
 * looks at what has become of the store, while the plan is still in force.
 */
static void sweep(struct range range, void (*check)(struct try *try))
{
	struct try try;
	bool has_failed;

	ktest_feed_heap();
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + i / 256 * 13);
	sums.nr_operations = sums.nr_tries = 0;
	for (size_t step = range.first; step < range.end; step++)
		for (try.plan = FAIL_NTH; try.plan <= FAIL_FROM_NTH; try.plan++)
			for (try.k = 1, has_failed = true; has_failed; try.k++) {
				try.step = &script[step];
				prepare(&try);
				fail_begin(try.plan, try.k);
				try.result = store_step(&before, try.step);
				has_failed = fail_count().nr_failed > 0;
				CHECK(try.result == try.expected || (has_failed && try.result == STORE_NO_MEMORY),
				      "%s: %u instead of %u", try.what, try.result, try.expected);
				check(&try);
				fail_end();
				sums.nr_tries += has_failed;
				sums.nr_operations += !has_failed && try.plan == FAIL_NTH;
			}
	store_clear();
	ktest_note("%zu operations, of which %zu allocations failed", sums.nr_operations, sums.nr_tries);
}

static void check_files(struct try *try)
{
	bool is_done = try->result != STORE_NO_MEMORY;

	CHECK(store_is_as(is_done ? &after : &before), "%s: the store is not what it was %s", try->what,
	      is_done ? "to become" : "before");
}

KTEST(store_sweep, create_and_remove_are_whole_or_nothing)
{
	sweep((struct range){ 0, FIRST_APPEND }, check_files);
}

KTEST(store_sweep, append_is_whole_or_nothing)
{
	sweep((struct range){ FIRST_APPEND, FIRST_RENAME }, check_files);
}

KTEST(store_sweep, rename_is_whole_or_nothing)
{
	sweep((struct range){ FIRST_RENAME, NR_STEPS }, check_files);
}

/* Behind a failure, the heap is as before; and when all files are removed, as before the first. */
static void check_holdings(struct try *try)
{
	if (try->result == STORE_NO_MEMORY)
		check_objects(try->holdings, try->what);
	check_locks_and_frames(try->holdings, try->what);
}

static void sweep_for_losses(struct range range)
{
	struct holdings empty;

	ktest_feed_heap();
	store_clear();
	empty = holdings_now();
	sweep(range, check_holdings);
	check_objects(empty, "an empty store");
	heap_check();
}

KTEST(store_sweep, create_loses_no_object)
{
	sweep_for_losses((struct range){ 0, FIRST_APPEND });
}

KTEST(store_sweep, append_loses_no_object)
{
	sweep_for_losses((struct range){ FIRST_APPEND, FIRST_RENAME });
}

KTEST(store_sweep, rename_loses_no_object)
{
	sweep_for_losses((struct range){ FIRST_RENAME, NR_STEPS });
}

static void check_locks(struct try *try)
{
	check_locks_and_frames(try->holdings, try->what);
}

KTEST(store_sweep, no_lock_stays_held)
{
	sweep((struct range){ 0, NR_STEPS }, check_locks);
}

/* The same once more, with memory and without a plan. */
static void check_next_try(struct try *try)
{
	enum store_result again;

	fail_end();
	if (try->result != STORE_NO_MEMORY)
		return;
	again = store_step(&before, try->step);
	CHECK(again == try->expected, "%s, and then the same again: %u instead of %u", try->what, again,
	      try->expected);
	CHECK(store_is_as(&after), "%s, and then the same again: the store is not what it was to become", try->what);
}

KTEST(store_sweep, the_next_try_works)
{
	sweep((struct range){ 0, FIRST_RENAME }, check_next_try);
}

KTEST(store_sweep, the_next_rename_works)
{
	sweep((struct range){ FIRST_RENAME, NR_STEPS }, check_next_try);
}

/* How many records there are in what the console got, without the heap's own. */
static size_t nr_records_in(const struct buffer_sink *console)
{
	static const char of_heap[] = "heap: ";
	size_t nr = 0;

	for (size_t i = 0; i < console->nr_bytes; i++) {
		nr += console->text[i] == '\n';
		if (i + strlen(of_heap) < console->nr_bytes &&
		    memcmp(console->text + i, of_heap, strlen(of_heap)) == 0)
			nr--;
	}
	return nr;
}

/* Once more, and listens. */
static void check_records(struct try *try)
{
	static char text[4 * LOG_RECORD_BYTES];
	struct buffer_sink console;

	fail_end();
	if (try->result != STORE_NO_MEMORY)
		return;
	buffer_sink_init(&console, text, sizeof(text));
	log_level = LOG_DEBUG;
	console_copy_to(&console);
	fail_begin(try->plan, try->k);
	store_step(&before, try->step);
	fail_end();
	console_copy_to(NULL);
	log_level = options.log;
	CHECK(!console.cut && nr_records_in(&console) <= 1, "%s: %zu records", try->what,
	      nr_records_in(&console));
}

KTEST(store_sweep, one_record_at_most)
{
	sweep((struct range){ 0, NR_STEPS }, check_records);
}
