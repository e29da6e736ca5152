/* SPDX-License-Identifier: MIT */
/* directory_test.c: tests of the hash table of files. They need a heap, but not a large one. */
#include "directory.h"
#include "format.h"
#include "heap.h"
#include "ktest.h"
#include "string.h"

#define MANY  400       /* entries: the table doubles four times */

static struct directory directory;
static struct heap_stats before;

/* An empty directory, and a note of what is allocated; each test ends with finish(). */
static void begin(void)
{
	directory = (struct directory){ 0 };
	heap_stats(&before);
}

static void finish(void)
{
	struct heap_stats after;

	directory_destroy(&directory);
	heap_stats(&after);
	CHECK(directory.slots == NULL && directory.nr_entries == 0, "not empty");
	CHECK(after.nr_live == before.nr_live, "%zu objects before, %zu after",
	      before.nr_live, after.nr_live);
	CHECK(after.live_bytes == before.live_bytes, "%zu bytes before, %zu after",
	      before.live_bytes, after.live_bytes);
}

/* Adds an entry that can be told from others by its size. */
static bool add(const char *name, uint64_t nr_bytes)
{
	const struct dentry entry = { .nr_bytes = nr_bytes, .mode = DENTRY_REGULAR | 0644 };

	return directory_add(&directory, name, strlen(name), &entry);
}

/* The name of entry i, in a buffer of its own. */
static const char *name_of(size_t i)
{
	static char name[32];

	format_string(name, sizeof(name), "usr/share/%zx/%zu", i * i, i);
	return name;
}

static void add_many(void)
{
	for (size_t i = 0; i < MANY; i++) {
		CHECK(add(name_of(i), i), "entry %zu", i);
		ktest_progress();
	}
}

KTEST(directory, an_empty_one_has_nothing)
{
	size_t cursor = 0;

	begin();
	CHECK(directory_find(&directory, "etc") == NULL, "found in nothing");
	CHECK(directory_next(&directory, &cursor) == NULL, "first of nothing");
	finish();
}

KTEST(directory, what_was_added_is_found_by_its_whole_name)
{
	const struct dentry *entry;

	begin();
	CHECK(add("etc/motd", 7) && add("etc", 8) && add("", 9), "add");
	entry = directory_find(&directory, "etc/motd");
	CHECK(entry != NULL && entry->nr_bytes == 7, "etc/motd");
	CHECK(strcmp(entry->name, "etc/motd") == 0, "its name is \"%s\"", entry->name);
	CHECK(entry->mode == (DENTRY_REGULAR | 0644), "its mode is %x", entry->mode);
	CHECK(directory_find(&directory, "etc")->nr_bytes == 8, "etc");
	CHECK(directory_find(&directory, "")->nr_bytes == 9, "the empty name");
	CHECK(directory_find(&directory, "etc/") == NULL, "etc/");
	CHECK(directory_find(&directory, "etc/motd2") == NULL, "etc/motd2");
	CHECK(directory_find(&directory, "et") == NULL, "et");
	finish();
}

KTEST(directory, the_name_is_the_directory_s_own)
{
	char name[] = "etc/motd, and more";
	const struct dentry entry = { .name = name, .nr_bytes = 7 };

	begin();
	CHECK(directory_add(&directory, name, 8, &entry), "add");
	memset(name, 'x', sizeof(name));
	CHECK(directory_find(&directory, "etc/motd") != NULL, "it changed with the caller's");
	finish();
}

KTEST(directory, hashes_are_fnv_1a)
{
	begin();
	CHECK(add("", 0) && add("a", 0) && add("foobar", 0), "add");
	CHECK(directory_find(&directory, "")->hash == 0x811c9dc5, "of nothing");
	CHECK(directory_find(&directory, "a")->hash == 0xe40c292c, "of a");
	CHECK(directory_find(&directory, "foobar")->hash == 0xbf9cf968, "of foobar");
	finish();
}

KTEST(directory, names_of_equal_hash_stay_apart)
{
	const struct dentry *entry;

	begin();
	CHECK(add("pivali", 1) && add("dufetu", 2) && add("motdttogdas", 3), "add");
	entry = directory_find(&directory, "pivali");
	CHECK(entry->nr_bytes == 1, "pivali has %lu bytes", entry->nr_bytes);
	CHECK(directory_find(&directory, "dufetu")->hash == entry->hash, "these were to collide");
	CHECK(directory_find(&directory, "dufetu")->nr_bytes == 2, "dufetu");
	CHECK(directory_find(&directory, "motd") == NULL, "found by a part of its name");
	CHECK(add("motd", 4), "add");
	entry = directory_find(&directory, "motd");
	CHECK(directory_find(&directory, "motdttogdas")->hash == entry->hash, "and these");
	CHECK(directory_find(&directory, "motdttogdas")->nr_bytes == 3, "motdttogdas");
	finish();
}

KTEST(directory, a_later_entry_replaces_the_one_of_its_name)
{
	struct heap_stats once, twice;

	begin();
	CHECK(add("etc/motd", 1) && add("etc/hostname", 2), "add");
	heap_stats(&once);
	CHECK(add("etc/motd", 3), "replace");
	heap_stats(&twice);
	CHECK(directory.nr_entries == 2, "%zu entries", directory.nr_entries);
	CHECK(directory_find(&directory, "etc/motd")->nr_bytes == 3, "still the old one");
	CHECK(strcmp(directory_find(&directory, "etc/motd")->name, "etc/motd") == 0, "its name");
	CHECK(once.live_bytes == twice.live_bytes, "%zu bytes, then %zu",
	      once.live_bytes, twice.live_bytes);
	finish();
}

KTEST(directory, it_grows_and_forgets_nothing)
{
	begin();
	for (size_t i = 0; i < MANY; i++) {
		CHECK(add(name_of(i), i), "entry %zu", i);
		CHECK(directory.nr_entries == i + 1, "%zu entries", directory.nr_entries);
		CHECK((directory.nr_slots & (directory.nr_slots - 1)) == 0, "a power of two");
		CHECK(directory.nr_entries * 4 <= directory.nr_slots * 3, "%zu of %zu slots",
		      directory.nr_entries, directory.nr_slots);
		ktest_progress();
	}
	for (size_t i = 0; i < MANY; i++) {
		CHECK(directory_find(&directory, name_of(i)) != NULL, "%s is lost", name_of(i));
		CHECK(directory_find(&directory, name_of(i))->nr_bytes == i, "%s", name_of(i));
	}
	CHECK(directory_find(&directory, name_of(MANY)) == NULL, "%s", name_of(MANY));
	finish();
}

KTEST(directory, it_grows_when_three_quarters_are_not_enough)
{
	begin();
	for (size_t i = 0; i < 48; i++)
		CHECK(add(name_of(i), i), "entry %zu", i);
	CHECK(directory.nr_slots == 64, "%zu slots for 48 entries", directory.nr_slots);
	CHECK(add(name_of(0), 0), "replace");
	CHECK(directory.nr_slots == 64, "%zu slots: replacing takes none", directory.nr_slots);
	CHECK(add(name_of(48), 48), "entry 48");
	CHECK(directory.nr_slots == 128, "%zu slots for 49 entries", directory.nr_slots);
	finish();
}

KTEST(directory, an_entry_may_be_made_from_another)
{
	begin();
	for (size_t i = 0; i < 48; i++)
		CHECK(add(name_of(i), i), "entry %zu", i);
	/* The entry given lies in the table that this very call replaces by a larger one. */
	CHECK(directory_add(&directory, "link", 4, directory_find(&directory, name_of(9))), "add");
	CHECK(directory_find(&directory, "link")->nr_bytes == 9, "the link");
	CHECK(directory_find(&directory, name_of(9))->nr_bytes == 9, "the original");
	finish();
}

KTEST(directory, a_walk_sees_each_entry_once)
{
	static bool seen[MANY];
	const struct dentry *entry;
	size_t cursor = 0, nr_seen = 0;

	begin();
	add_many();
	memset(seen, 0, sizeof(seen));
	while ((entry = directory_next(&directory, &cursor)) != NULL) {
		CHECK(entry->nr_bytes < MANY && !seen[entry->nr_bytes], "%s", entry->name);
		seen[entry->nr_bytes] = true;
		nr_seen++;
	}
	CHECK(nr_seen == MANY, "%zu of %u entries", nr_seen, MANY);
	CHECK(directory_next(&directory, &cursor) == NULL, "the end is not the end");
	finish();
}

KTEST(directory, it_can_be_used_again_after_destroy)
{
	begin();
	add_many();
	directory_destroy(&directory);
	directory_destroy(&directory);
	CHECK(directory_find(&directory, name_of(1)) == NULL, "something is left");
	CHECK(add("again", 1) && directory.nr_entries == 1, "add");
	finish();
}
