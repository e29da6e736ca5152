/* SPDX-License-Identifier: MIT */
/*
 * bench_store_test.c: what lab 6's store costs inside the kernel, with NR_FILES files of some kilobytes. One
 * boot serves for one of these tests. Each prints a line as those of bench_test.c do.
 */
#include "clock.h"
#include "format.h"
#include "ktest.h"
#include "memory.h"
#include "random.h"
#include "store.h"

enum { NR_FILES = 100, NR_OPERATIONS = 4000, MOST_BYTES = 100 };

static char name[32], new_name[32], bytes[MOST_BYTES];

static const char *name_of(char *at, const char *prefix, unsigned number)
{
	format_string(at, sizeof(name), "var/%s-%u", prefix, number);
	return at;
}

static void fill(void)
{
	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	for (unsigned i = 0; i < NR_FILES; i++) {
		store_create(name_of(name, "file", i));
		for (unsigned piece = 0; piece < 20; piece++)
			store_append(name, bytes, sizeof(bytes));
		ktest_progress();
	}
}

/* Measures one operation after the other, each on a file that was drawn. */
static void run(enum store_result (*operation)(unsigned number))
{
	uint64_t total = 0, most = 0;

	fill();
	for (unsigned i = 0; i < NR_OPERATIONS; i++) {
		unsigned number = random_below(&ktest_random, NR_FILES);
		uint64_t begin, cost;
		enum store_result result;

		name_of(name, "file", number);
		name_of(new_name, "other", number);
		begin = clock_instructions();
		result = operation(number);
		cost = clock_instructions() - begin;
		CHECK(result == STORE_DONE, "operation %u on %s gives %u", i, name, result);
		total += cost;
		most = cost > most ? cost : most;
		ktest_progress();
	}
	ktest_note("bench: %u operations, %lu instructions, %lu at most", NR_OPERATIONS, total, most);
}

static enum store_result append(unsigned number)
{
	return store_append(name, bytes, 1 + number);
}

KTEST(bench, store_append)
{
	run(append);
}

static enum store_result read(unsigned number)
{
	size_t nr_read;

	return store_read(name, number, bytes, sizeof(bytes), &nr_read);
}

KTEST(bench, store_read)
{
	run(read);
}

/* To and fro. */
static enum store_result rename(unsigned number)
{
	static bool is_new[NR_FILES];

	is_new[number] = !is_new[number];
	return is_new[number] ? store_rename(name, new_name) : store_rename(new_name, name);
}

KTEST(bench, store_rename)
{
	run(rename);
}

static enum store_result remove_and_create(unsigned number)
{
	enum store_result result = store_remove(name);

	return result == STORE_DONE ? store_create(name) : result;
}

KTEST(bench, store_remove_and_create)
{
	run(remove_and_create);
}
