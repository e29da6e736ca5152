/* SPDX-License-Identifier: MIT */
/*
 * initramfs_exhaustion_test.c: tests of unpacking with too little memory.
 *
 * They take all of the heap and give it back bit by bit, so that one allocation
 * after the other is the one that fails. Each failure must leave no trace. They
 * are for the heap of lab 2: where heap_rescue() can do something they skip.
 */
#include "cpio.h"
#include "directory.h"
#include "format.h"
#include "heap.h"
#include "initramfs.h"
#include "ktest.h"
#include "memory.h"
#include "string.h"

#define NR_FILES  60    /* too many for a directory's first table, of 64 slots */

/* More than the first reserve: a heap that has this much can grow. */
#define BEYOND_RESERVE_BYTES  (2 * HEAP_RESERVE_PAGES * PAGE_BYTES)

static struct directory directory;

/* Names of many lengths. The string is good until the next call. */
static const char *name_of(size_t i)
{
	static char name[CPIO_MAX_NAME];

	format_string(name, sizeof(name), "%zu%.*s", i, (int)(i % 26),
		      "abcdefghijklmnopqrstuvwxyz");
	return name;
}

/* An object that keeps memory from the others. The first one taken is the first one freed. */
struct filler {
	struct filler *next;
};

static struct filler *fillers, **last_filler = &fillers;

static bool take_filler(size_t bytes)
{
	struct filler *filler = kmalloc(bytes < sizeof(*filler) ? sizeof(*filler) : bytes);

	if (!filler)
		return false;
	filler->next = NULL;
	*last_filler = filler;
	last_filler = &filler->next;
	return true;
}

/* Return: false if there is none left to free. */
static bool free_filler(void)
{
	struct filler *filler = fillers;

	if (!filler)
		return false;
	fillers = filler->next;
	if (!fillers)
		last_filler = &fillers;
	kfree(filler);
	return true;
}

/*
 * Takes all that the heap has. First come fillers of the sizes that a directory of
 * NR_FILES entries asks for, in that order. So each filler that is freed lets the
 * directory make one more allocation.
 */
static void exhaust_heap(void)
{
	void *beyond = kmalloc(BEYOND_RESERVE_BYTES);

	if (beyond) {
		kfree(beyond);
		SKIP("this heap can grow: to exhaust it would take all of the RAM");
	}
	for (size_t i = 0; i < NR_FILES; i++) {
		CHECK(take_filler(strlen(name_of(i)) + 1), "name %zu", i);
		if (i == 0 || i == 48)
			CHECK(take_filler((i == 0 ? 64 : 128) * sizeof(struct dentry)), "table");
	}
	for (size_t bytes = BEYOND_RESERVE_BYTES; bytes >= sizeof(struct filler); bytes /= 2) {
		while (take_filler(bytes))
			continue;
		ktest_progress();
	}
}

static char archive[16384] __attribute__((aligned(4)));
static size_t archive_bytes;

/* Adds an empty file: only the length of its name, field 11 of 13, is not zero. */
static void put_file(const char *name)
{
	format_string(archive + archive_bytes, sizeof(archive) - archive_bytes,
		      "070701%088x%08zx%08x%s", 0, strlen(name) + 1, 0, name);
	archive_bytes += ROUND_UP(CPIO_HEADER_BYTES + strlen(name) + 1, 4);
}

/* Unpacks and checks that nothing stays behind: a good directory is given back here. */
static bool unpack_and_destroy(struct cpio_error *error)
{
	struct heap_stats before, after;
	bool good;

	heap_stats(&before);
	good = cpio_unpack(&directory, archive, archive_bytes, error);
	CHECK(good || directory.slots == NULL, "exhausted, and yet not empty");
	directory_destroy(&directory);
	heap_stats(&after);
	CHECK(before.nr_live == after.nr_live && before.live_bytes == after.live_bytes,
	      "%zu objects before, %zu after", before.nr_live, after.nr_live);
	return good;
}

KTEST(initramfs_exhaustion, an_archive_is_unpacked_whole_or_not_at_all)
{
	size_t nr_failures = 0, furthest = 0;
	struct cpio_error error;

	archive_bytes = 0;
	for (size_t i = 0; i < NR_FILES; i++)
		put_file(name_of(i));
	put_file("TRAILER!!!");
	exhaust_heap();
	for (; !unpack_and_destroy(&error); nr_failures++) {
		CHECK(strcmp(error.reason, "the heap is exhausted") == 0, "%s", error.reason);
		furthest = error.nr_entries;
		CHECK(free_filler(), "nothing is left to free");
		ktest_progress();
	}
	while (free_filler())
		continue;
	heap_check();
	CHECK(nr_failures > 0, "the heap was not exhausted");
	ktest_note("failed %zu times, the last time after %zu entries", nr_failures, furthest);
}

KTEST(initramfs_exhaustion, an_entry_is_added_whole_or_not_at_all)
{
	const struct dentry entry = { .mode = DENTRY_REGULAR | 0644 };
	struct heap_stats before, after;

	exhaust_heap();
	for (size_t i = 0; i < NR_FILES; i++) {
		const char *name = name_of(i);

		heap_stats(&before);
		while (!directory_add(&directory, name, strlen(name), &entry)) {
			heap_stats(&after);
			CHECK(after.live_bytes == before.live_bytes, "%s left something", name);
			CHECK(directory.nr_entries == i, "%s counts", name);
			CHECK(directory_find(&directory, name) == NULL, "%s is there", name);
			CHECK(free_filler(), "nothing is left to free");
			heap_stats(&before);
		}
	}
	for (size_t i = 0; i < NR_FILES; i++)
		CHECK(directory_find(&directory, name_of(i)) != NULL, "%s is lost", name_of(i));
	directory_destroy(&directory);
	while (free_filler())
		continue;
	heap_check();
}
