/* SPDX-License-Identifier: MIT */
/*
 * store_sweep_test.c: lab 6's sweep: each allocation of each operation fails once.
 *
 * A script of operations is carried out up to one of them, and in this the k-th allocation fails,
 * for k = 1, 2, … until the operation makes no k-th one. Each time the store must be what it was
 * before, or what it would be afterwards, and say which. What it would be, a model says, which is a
 * table of names and sizes. The sentences of store.h that are tested here:
 *
 *   whole, or nothing: files             …_is_whole_or_nothing
 *   whole, or nothing: the heap          …_loses_no_object
 *   no lock is held                      no_lock_stays_held
 *   one record at most                   one_record_at_most
 *   the same operation works then        the_next_try_works
 *   read, remove and list need none      list_and_remove_need_no_memory, read_needs_no_memory,
 *                                        an_exhausted_heap_is_borne
 *   a moment, or for good                each of them tries both
 */
#include <stdint.h>

#include "console.h"
#include "fail.h"
#include "format.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_holdings.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "store.h"
#include "string.h"

#define MAX_FILES   8
#define MAX_BYTES   KIB(20)     /* of a file */

/* ---- the script */

enum operation { CREATE, APPEND, RENAME, REMOVE };

struct step {
	enum operation operation;
	const char *name, *new_name;
	size_t nr_bytes;                /* that are appended */
};

#define LONG_NAME  "var/lib/a-name-that-is-longer-than-the-one-before-it-and-needs-an-object-of-another-size"

static const struct step script[] = {
	{ CREATE, .name = "motd" },
	{ CREATE, .name = LONG_NAME },
	{ CREATE, .name = "motd" },                             /* there is one */
	{ CREATE, .name = "etc/hostname" },
	{ REMOVE, .name = "etc/hostname" },
	{ CREATE, .name = "etc/hostname" },
	{ REMOVE, .name = "nothing" },
	{ CREATE, .name = "a" },
	{ CREATE, .name = "b" },
	{ APPEND, .name = "motd", .nr_bytes = 1 },
	{ APPEND, .name = "motd", .nr_bytes = 15 },
	{ APPEND, .name = "motd", .nr_bytes = 8 },            /* there may be room for more now */
	{ APPEND, .name = "motd", .nr_bytes = 100 },
	{ APPEND, .name = "nothing", .nr_bytes = 9 },
	{ APPEND, .name = LONG_NAME, .nr_bytes = 700 },
	{ APPEND, .name = "motd", .nr_bytes = 5000 },           /* more than a page */
	{ APPEND, .name = LONG_NAME, .nr_bytes = 1 },
	{ APPEND, .name = "motd", .nr_bytes = 12000 },          /* more than any slab has */
	{ REMOVE, .name = "a" },
	{ APPEND, .name = "b", .nr_bytes = 33 },
	{ RENAME, .name = "b", .new_name = "c" },
	{ RENAME, .name = "c", .new_name = LONG_NAME "/c" },
	{ RENAME, .name = "nothing", .new_name = "something" },
	{ RENAME, .name = LONG_NAME "/c", .new_name = "motd" }, /* whose contents go */
	{ RENAME, .name = "motd", .new_name = "motd" },
	{ RENAME, .name = LONG_NAME, .new_name = "d" },
	{ CREATE, .name = LONG_NAME },
	{ APPEND, .name = "d", .nr_bytes = 1300 },
};

/* How far the tests go that have one kind of operation to try: up to the first of the next. */
enum { FIRST_APPEND = 9, FIRST_RENAME = 20, ALL_STEPS = ARRAY_LENGTH(script) };

static const char *const operation_names[] = { "create", "append", "rename", "remove" };

/* ---- the model */

struct model {
	struct { const char *name; size_t seed, nr_bytes; } files[MAX_FILES];
	size_t nr_files;
};

static struct model before, after;
static uint8_t pattern[MAX_BYTES + ALL_STEPS];  /* from its own byte of it on, contents of each file */

static size_t model_find(const struct model *model, const char *name)
{
	size_t i = 0;

	while (i < model->nr_files && strcmp(model->files[i].name, name) != 0)
		i++;
	return i;
}

static void model_remove(struct model *model, size_t i)
{
	model->files[i] = model->files[--model->nr_files];
}

/* Carries out a step in the model. Return: what the store must say to it. */
static enum store_result model_step(struct model *model, const struct step *step)
{
	size_t i = model_find(model, step->name), replaced;

	if (step->operation == CREATE) {
		if (i < model->nr_files)
			return STORE_EXISTS;
		CHECK(i < MAX_FILES, "the script has too many files");
		model->files[i].name = step->name;
		model->files[i].seed = (size_t)(step - script);
		model->files[i].nr_bytes = 0;
		model->nr_files++;
		return STORE_DONE;
	}
	if (i == model->nr_files)
		return STORE_ABSENT;
	if (step->operation == APPEND) {
		model->files[i].nr_bytes += step->nr_bytes;
	} else if (step->operation == RENAME) {
		replaced = model_find(model, step->new_name);
		model->files[i].name = step->new_name;
		if (replaced < model->nr_files && replaced != i)
			model_remove(model, replaced);
	} else {
		model_remove(model, i);
	}
	return STORE_DONE;
}

/* ---- the store */

static struct store_file listed;

static void clear(void)
{
	while (store_list(0, &listed))
		CHECK(store_remove(listed.name) == STORE_DONE, "%s cannot be removed", listed.name);
}

/* Carries out a step in the store; `model` is what it was before. */
static enum store_result store_step(const struct model *model, const struct step *step)
{
	size_t i;

	switch (step->operation) {
	case CREATE:
		return store_create(step->name);
	case APPEND:
		i = model_find(model, step->name);
		if (i == model->nr_files)
			return store_append(step->name, pattern, step->nr_bytes);
		return store_append(step->name, pattern + model->files[i].seed + model->files[i].nr_bytes,
				    step->nr_bytes);
	case RENAME:
		return store_rename(step->name, step->new_name);
	default:
		return store_remove(step->name);
	}
}

/* Has the store a file with these contents? */
static bool has_file(const char *name, const uint8_t *bytes, size_t nr_bytes)
{
	static uint8_t buffer[KIB(4)];
	size_t offset = 0, nr_read;

	do {
		memset(buffer, 0xa5, sizeof(buffer));
		if (store_read(name, offset, buffer, sizeof(buffer), &nr_read) != STORE_DONE ||
		    nr_read > nr_bytes - offset || memcmp(buffer, bytes + offset, nr_read) != 0)
			return false;
		offset += nr_read;
	} while (nr_read > 0);
	return offset == nr_bytes;
}

/* Is the store what the model says? */
static bool is_as(const struct model *model)
{
	size_t nr = 0;

	for (; store_list(nr, &listed); nr++) {
		size_t i = model_find(model, listed.name);

		if (i == model->nr_files || listed.nr_bytes != model->files[i].nr_bytes)
			return false;
	}
	for (size_t i = 0; i < model->nr_files; i++)
		if (model->files[i].nr_bytes > 0 &&
		    !has_file(model->files[i].name, pattern + model->files[i].seed, model->files[i].nr_bytes))
			return false;
	return nr == model->nr_files;
}

/* ---- the sweep */

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
	clear();
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
	clear();
	ktest_note("%zu operations, of which %zu allocations failed", sums.nr_operations, sums.nr_tries);
}

static void check_files(struct try *try)
{
	bool is_done = try->result != STORE_NO_MEMORY;

	CHECK(is_as(is_done ? &after : &before), "%s: the store is not what it was %s", try->what,
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
	sweep((struct range){ FIRST_RENAME, ALL_STEPS }, check_files);
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
	clear();
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
	sweep_for_losses((struct range){ FIRST_RENAME, ALL_STEPS });
}

static void check_locks(struct try *try)
{
	check_locks_and_frames(try->holdings, try->what);
}

KTEST(store_sweep, no_lock_stays_held)
{
	sweep((struct range){ 0, ALL_STEPS }, check_locks);
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
	CHECK(is_as(&after), "%s, and then the same again: the store is not what it was to become", try->what);
}

KTEST(store_sweep, the_next_try_works)
{
	sweep((struct range){ 0, FIRST_RENAME }, check_next_try);
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
	sweep((struct range){ 0, ALL_STEPS }, check_records);
}

/* ---- no memory at all, not even for a moment */

/* Carries out `check` while nothing can be had. */
static void without_memory(void (*check)(void))
{
	fail_begin(FAIL_FROM_NTH, 1);
	check();
	fail_end();
}

static void list_and_remove(void)
{
	CHECK(store_list(0, &listed) && store_list(1, &listed), "two files are not listed");
	CHECK(store_remove("motd") == STORE_DONE && store_remove("motd") == STORE_ABSENT, "removing motd");
	CHECK(store_list(0, &listed) && strcmp(listed.name, LONG_NAME) == 0, "the other one");
	CHECK(store_remove(LONG_NAME) == STORE_DONE && !store_list(0, &listed), "removing the last");
}

KTEST(store_sweep, list_and_remove_need_no_memory)
{
	clear();
	CHECK(store_create("motd") == STORE_DONE && store_create(LONG_NAME) == STORE_DONE, "create");
	without_memory(list_and_remove);
}

static void read_both(void)
{
	CHECK(has_file("motd", pattern, 5000) && has_file(LONG_NAME, pattern, 1), "reading");
	CHECK(store_remove("motd") == STORE_DONE && store_remove(LONG_NAME) == STORE_DONE, "removing");
}

KTEST(store_sweep, read_needs_no_memory)
{
	clear();
	CHECK(store_create("motd") == STORE_DONE && store_create(LONG_NAME) == STORE_DONE, "create");
	CHECK(store_append("motd", pattern, 5000) == STORE_DONE &&
	      store_append(LONG_NAME, pattern, 1) == STORE_DONE, "append");
	without_memory(read_both);
}

/* ---- memory that is really gone */

/* What keeps memory from the others. */
struct hoard {
	struct hoard *next;
};

/* Takes all that the heap has. */
static struct hoard *exhaust(void)
{
	struct hoard *all = NULL, *more;

	for (size_t bytes = MIB(1), step; bytes >= HEAP_ALIGN_BYTES; bytes -= step) {
		step = bytes > PAGE_BYTES ? bytes / 2 : HEAP_ALIGN_BYTES;
		for (more = kmalloc(bytes); more != NULL; more = kmalloc(bytes)) {
			more->next = all;
			all = more;
			ktest_progress();
		}
	}
	return all;
}

static void give_back(struct hoard *all)
{
	while (all != NULL) {
		struct hoard *next = all->next;

		kfree(all);
		all = next;
		ktest_progress();
	}
}

/* What a call may say that has found no memory, or has needed none. */
static bool is_possible(enum store_result result)
{
	return result == STORE_DONE || result == STORE_NO_MEMORY;
}

KTEST(store_sweep, an_exhausted_heap_is_borne)
{
	enum store_result created, appended, renamed;
	bool is_as_said, is_removed;
	const char *name;
	struct hoard *all;

	clear();
	CHECK(store_create("motd") == STORE_DONE && store_append("motd", pattern, 5000) == STORE_DONE, "motd");
	CHECK(store_create("b") == STORE_DONE, "b");
	log_level = LOG_ERROR;          /* else it is told of each rescue */
	all = exhaust();
	created = store_create(LONG_NAME);
	appended = store_append("b", pattern, MAX_BYTES);
	renamed = store_rename("b", "c");
	name = renamed == STORE_DONE ? "c" : "b";
	is_as_said = has_file("motd", pattern, 5000) && has_file(name, pattern, 0) &&
		     has_file(LONG_NAME, pattern, 0) == (created == STORE_DONE);
	is_removed = store_remove("motd") == STORE_DONE;
	give_back(all);
	log_level = options.log;
	CHECK(is_possible(created) && is_possible(renamed) && appended == STORE_NO_MEMORY, "%u, %u, %u",
	      created, renamed, appended);
	CHECK(is_as_said, "the files are not as it was said");
	CHECK(is_removed, "removing did not work");
	CHECK(store_append(name, pattern, MAX_BYTES) == STORE_DONE, "there is memory again");
	CHECK(has_file(name, pattern, MAX_BYTES), "its contents");
	clear();
	heap_check();
}
