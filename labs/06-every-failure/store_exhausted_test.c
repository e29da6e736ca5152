/* SPDX-License-Identifier: MIT */
/*
 * store_exhausted_test.c: lab 6's store where there is no memory at all. The sentences of store.h that are
 * tested here:
 *
 *   read, remove and list need none      list_and_remove_need_no_memory, read_needs_no_memory,
 *                                        an_exhausted_heap_is_borne
 */
#include <stdint.h>

#include "fail.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_store.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "store.h"
#include "string.h"

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
	store_clear();
	CHECK(store_create("motd") == STORE_DONE && store_create(LONG_NAME) == STORE_DONE, "create");
	without_memory(list_and_remove);
}

static void read_both(void)
{
	CHECK(store_has("motd", pattern, 5000) && store_has(LONG_NAME, pattern, 1), "reading");
	CHECK(store_remove("motd") == STORE_DONE && store_remove(LONG_NAME) == STORE_DONE, "removing");
}

KTEST(store_sweep, read_needs_no_memory)
{
	store_clear();
	CHECK(store_create("motd") == STORE_DONE && store_create(LONG_NAME) == STORE_DONE, "create");
	CHECK(store_append("motd", pattern, 5000) == STORE_DONE &&
	      store_append(LONG_NAME, pattern, 1) == STORE_DONE, "append");
	without_memory(read_both);
}

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

	store_clear();
	CHECK(store_create("motd") == STORE_DONE && store_append("motd", pattern, 5000) == STORE_DONE, "motd");
	CHECK(store_create("b") == STORE_DONE, "b");
	log_level = LOG_ERROR;          /* else it is told of each rescue */
	all = exhaust();
	created = store_create(LONG_NAME);
	appended = store_append("b", pattern, MAX_BYTES);
	renamed = store_rename("b", "c");
	name = renamed == STORE_DONE ? "c" : "b";
	is_as_said = store_has("motd", pattern, 5000) && store_has(name, pattern, 0) &&
		     store_has(LONG_NAME, pattern, 0) == (created == STORE_DONE);
	is_removed = store_remove("motd") == STORE_DONE;
	give_back(all);
	log_level = options.log;
	CHECK(is_possible(created) && is_possible(renamed) && appended == STORE_NO_MEMORY, "%u, %u, %u",
	      created, renamed, appended);
	CHECK(is_as_said, "the files are not as it was said");
	CHECK(is_removed, "removing did not work");
	CHECK(store_append(name, pattern, MAX_BYTES) == STORE_DONE, "there is memory again");
	CHECK(store_has(name, pattern, MAX_BYTES), "its contents");
	store_clear();
	heap_check();
}
