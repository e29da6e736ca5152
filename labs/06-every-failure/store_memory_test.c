/* SPDX-License-Identifier: MIT */
/* store_memory_test.c: what lab 6's store takes of the heap while files grow and go. */
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_holdings.h"
#include "ktest_store.h"
#include "memory.h"
#include "store.h"
#include "string.h"

static uint8_t buffer[KIB(12)];

KTEST(store, names_grow)
{
	store_clear();
	for (size_t nr_bytes = 1; nr_bytes <= STORE_MAX_NAME; nr_bytes++) {
		store_must_create(store_name_of(nr_bytes));
		ktest_progress();
	}
	CHECK(store_nr_files() == STORE_MAX_NAME, "%zu files", store_nr_files());
	for (size_t nr_bytes = 1; nr_bytes <= STORE_MAX_NAME; nr_bytes += 23)
		CHECK(store_lists(store_name_of(nr_bytes), 0), "the name of %zu bytes", nr_bytes);
	store_clear();
}

/* A byte for each place in each file, so that one in a wrong place shows. */
static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 256 * 13 + 1);
}

KTEST(store, contents_grow)
{
	enum { PIECES = 160 };
	size_t nr_bytes = 0;

	store_clear();
	ktest_feed_heap();
	store_must_create("log");
	for (size_t piece = 0; piece < PIECES; piece++) {
		size_t piece_bytes = piece * 5 % 512;

		for (size_t i = 0; i < piece_bytes; i++)
			buffer[i] = byte_at(nr_bytes + i);
		store_must_append("log", buffer, piece_bytes);
		nr_bytes += piece_bytes;
		ktest_progress();
	}
	CHECK(store_lists("log", nr_bytes), "not %zu bytes", nr_bytes);
	for (size_t offset = 0, nr_read; offset < nr_bytes; offset += nr_read) {
		CHECK(store_read("log", offset, buffer, sizeof(buffer), &nr_read) == STORE_DONE && nr_read > 0,
		      "byte %zu", offset);
		for (size_t i = 0; i < nr_read; i++)
			CHECK(buffer[i] == byte_at(offset + i), "byte %zu", offset + i);
		ktest_progress();
	}
	store_clear();
}

KTEST(store, files_lie_on_the_heap)
{
	struct holdings before, after;

	store_clear();
	before = holdings_now();
	store_must_create(store_name_of(STORE_MAX_NAME));
	store_must_append(store_name_of(STORE_MAX_NAME), buffer, sizeof(buffer));
	after = holdings_now();
	CHECK(after.live_bytes >= before.live_bytes + STORE_MAX_NAME + sizeof(buffer),
	      "a file of %zu bytes takes %zu of the heap", sizeof(buffer), after.live_bytes - before.live_bytes);
	store_clear();
}

KTEST(store, append_of_more_than_all)
{
	struct holdings before;

	store_clear();
	store_must_create("motd");
	store_must_append("motd", "abc", 3);
	before = holdings_now();
	CHECK(store_append("motd", buffer, HEAP_MAX_BYTES) == STORE_NO_MEMORY, "HEAP_MAX_BYTES");
	for (size_t less = 0; less < 40; less++)
		CHECK(store_append("motd", buffer, SIZE_MAX - less) == STORE_NO_MEMORY, "SIZE_MAX - %zu", less);
	CHECK(store_append("motd", buffer, SIZE_MAX / 2 + 1) == STORE_NO_MEMORY, "half of SIZE_MAX");
	CHECK(store_has_text("motd", "abc"), "it has changed");
	check_objects(before, "store_append()");
	store_clear();
}

KTEST(store, nothing_is_kept_of_what_is_removed)
{
	struct holdings before;

	store_clear();
	before = holdings_now();
	for (size_t i = 1; i < 60; i++) {
		store_must_create(store_name_of(i));
		store_must_append(store_name_of(i), buffer, i * 9);
		store_must_append(store_name_of(i), buffer, i);
		if (i % 3 == 0)
			CHECK(store_rename(store_name_of(i), store_name_of(i + 100)) == STORE_DONE, "%zu", i);
		if (i % 3 == 2)
			CHECK(store_rename(store_name_of(i), store_name_of(i - 1)) == STORE_DONE, "%zu", i);
		ktest_progress();
	}
	store_clear();
	check_objects(before, "an empty store");
}

/* Fails the test if the store takes more than it may. */
static void check_live_bytes(struct holdings empty)
{
	size_t nr = 0, nr_bytes = 0, live_bytes = holdings_now().live_bytes - empty.live_bytes;

	for (; store_list(nr, &listed); nr++) {
		nr_bytes += strlen(listed.name) + listed.nr_bytes;
		ktest_progress();
	}
	CHECK(live_bytes <= STORE_LIVE_BYTES(nr, nr_bytes), "%zu bytes are live for %zu files with %zu bytes",
	      live_bytes, nr, nr_bytes);
}

KTEST(store, live_bytes_are_bounded)
{
	struct holdings empty;

	store_clear();
	ktest_feed_heap();
	empty = holdings_now();
	store_must_create("large");
	store_must_append("large", buffer, sizeof(buffer));
	check_live_bytes(empty);
	for (size_t i = 1; i <= 100; i++) {
		store_must_create(store_name_of(i));
		for (size_t piece = 0; piece < i % 7 * 3; piece++)
			store_must_append(store_name_of(i), buffer, 100 + i);
		check_live_bytes(empty);
		ktest_progress();
	}
	for (size_t i = 1; i <= 100; i++) {
		CHECK(store_remove(store_name_of(i * 37 % 101)) == STORE_DONE, "%zu", i);
		check_live_bytes(empty);
		ktest_progress();
	}
	store_clear();
}
