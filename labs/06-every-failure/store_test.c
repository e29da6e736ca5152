/* SPDX-License-Identifier: MIT */
/*
 * store_test.c: lab 6's tests of the store while there is memory. The sentences of store.h that are
 * tested here:
 *
 *   what a name may be           names
 *   names and contents grow      names_grow, contents_grow, files_lie_on_the_heap
 *   what is created, removed     create_and_remove
 *   what list tells              list_numbers_all_files
 *   what read gives              read_from_any_offset
 *   what append adds             append_adds_at_the_end
 *   what rename does             rename_keeps_the_contents, rename_replaces
 *   nothing is kept              nothing_is_kept_of_what_is_removed
 *   STORE_LIVE_BYTES             live_bytes_are_bounded
 *   what no object can hold      append_of_more_than_all
 *   a handler may use it         a_handler_may_use_it_at_any_instruction
 *   interrupts as before         interrupts_are_as_they_were
 */
#include <stdint.h>

#include "cpu.h"
#include "format.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_holdings.h"
#include "ktest_step.h"
#include "memory.h"
#include "store.h"
#include "string.h"

static struct store_file listed;
static uint8_t buffer[KIB(12)];

/* Removes all files. Each test begins and ends without any. */
static void clear(void)
{
	while (store_list(0, &listed)) {
		CHECK(store_remove(listed.name) == STORE_DONE, "%s is listed, and cannot be removed",
		      listed.name);
		ktest_progress();
	}
}

static void create(const char *name)
{
	enum store_result result = store_create(name);

	CHECK(result == STORE_DONE, "creating \"%s\" gives %u", name, result);
}

static void append(const char *name, const void *bytes, size_t nr_bytes)
{
	enum store_result result = store_append(name, bytes, nr_bytes);

	CHECK(result == STORE_DONE, "appending %zu bytes to \"%s\" gives %u", nr_bytes, name, result);
}

static size_t nr_files(void)
{
	size_t nr = 0;

	while (store_list(nr, &listed)) {
		nr++;
		ktest_progress();
	}
	return nr;
}

/* Does the store list a file of that name and size, once? */
static bool is_listed(const char *name, size_t nr_bytes)
{
	size_t nr_found = 0;

	for (size_t i = 0; store_list(i, &listed); i++) {
		nr_found += strcmp(listed.name, name) == 0 && listed.nr_bytes == nr_bytes;
		ktest_progress();
	}
	return nr_found == 1;
}

static bool has_contents(const char *name, const char *text)
{
	size_t nr_read = 0;

	return store_read(name, 0, buffer, sizeof(buffer), &nr_read) == STORE_DONE &&
	       nr_read == strlen(text) && memcmp(buffer, text, nr_read) == 0;
}

/* A name of so many bytes. Good until the next call but one. */
static char *name_of(size_t nr_bytes)
{
	static char names[2][STORE_MAX_NAME + 2];
	static unsigned nr_calls;
	char *name = names[++nr_calls % 2];

	memset(name, 'n', nr_bytes);
	name[nr_bytes] = '\0';
	return name;
}

KTEST(store, create_and_remove)
{
	clear();
	CHECK(nr_files() == 0, "%zu files at first", nr_files());
	create("motd");
	CHECK(is_listed("motd", 0) && nr_files() == 1, "motd is not the only file, without contents");
	CHECK(store_create("motd") == STORE_EXISTS && nr_files() == 1, "created twice");
	CHECK(store_remove("mot") == STORE_ABSENT && store_remove("motd2") == STORE_ABSENT,
	      "removed by a part of its name");
	CHECK(store_remove("motd") == STORE_DONE && nr_files() == 0, "still there");
	CHECK(store_remove("motd") == STORE_ABSENT, "removed twice");
	create("motd");
	clear();
}

KTEST(store, names)
{
	clear();
	CHECK(store_create("") == STORE_BAD_NAME, "no name");
	CHECK(store_create(name_of(STORE_MAX_NAME + 1)) == STORE_BAD_NAME, "a longer one");
	CHECK(nr_files() == 0, "%zu files", nr_files());
	create("etc/motd");
	create("/");
	create(" \x01\xff\n");
	CHECK(is_listed("etc/motd", 0) && is_listed("/", 0) && is_listed(" \x01\xff\n", 0), "a name");
	clear();
}

KTEST(store, names_grow)
{
	clear();
	for (size_t nr_bytes = 1; nr_bytes <= STORE_MAX_NAME; nr_bytes++) {
		create(name_of(nr_bytes));
		ktest_progress();
	}
	CHECK(nr_files() == STORE_MAX_NAME, "%zu files", nr_files());
	for (size_t nr_bytes = 1; nr_bytes <= STORE_MAX_NAME; nr_bytes += 23)
		CHECK(is_listed(name_of(nr_bytes), 0), "the name of %zu bytes", nr_bytes);
	clear();
}

KTEST(store, list_numbers_all_files)
{
	static bool seen[20];
	char name[8];

	clear();
	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < ARRAY_LENGTH(seen); i++) {
		format_string(name, sizeof(name), "%c", (char)('a' + i));
		create(name);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(seen); i++) {
		CHECK(store_list(i, &listed), "file %zu", i);
		CHECK(!seen[listed.name[0] - 'a'], "%s has two numbers", listed.name);
		seen[listed.name[0] - 'a'] = true;
	}
	CHECK(!store_list(ARRAY_LENGTH(seen), &listed) && !store_list(SIZE_MAX, &listed),
	      "a number too many");
	for (size_t i = 0; i < ARRAY_LENGTH(seen); i += 2) {
		format_string(name, sizeof(name), "%c", (char)('a' + i));
		CHECK(store_remove(name) == STORE_DONE, "%s", name);
	}
	CHECK(nr_files() == ARRAY_LENGTH(seen) / 2, "%zu files", nr_files());
	clear();
}

KTEST(store, append_adds_at_the_end)
{
	clear();
	CHECK(store_append("motd", "x", 1) == STORE_ABSENT && nr_files() == 0, "to no file");
	create("motd");
	create("other");
	append("motd", "hello", 5);
	append("other", "...", 3);
	append("motd", "", 0);
	append("motd", ", world", 7);
	CHECK(has_contents("motd", "hello, world") && is_listed("motd", 12), "motd");
	CHECK(has_contents("other", "...") && is_listed("other", 3), "other");
	clear();
}

KTEST(store, read_from_any_offset)
{
	size_t nr_read = 99;

	clear();
	CHECK(store_read("motd", 0, buffer, 1, &nr_read) == STORE_ABSENT, "of no file");
	create("motd");
	CHECK(store_read("motd", 0, buffer, 9, &nr_read) == STORE_DONE && nr_read == 0,
	      "%zu bytes of a new file", nr_read);
	append("motd", "0123456789", 10);
	memset(buffer, '#', sizeof(buffer));
	CHECK(store_read("motd", 3, buffer, 4, &nr_read) == STORE_DONE && nr_read == 4, "%zu of 4", nr_read);
	CHECK(memcmp(buffer, "3456#", 5) == 0, "\"%.5s\"", (const char *)buffer);
	CHECK(store_read("motd", 8, buffer, 9, &nr_read) == STORE_DONE && nr_read == 2, "%zu of 2", nr_read);
	CHECK(memcmp(buffer, "8956#", 5) == 0, "\"%.5s\"", (const char *)buffer);
	CHECK(store_read("motd", 10, buffer, 9, &nr_read) == STORE_DONE && nr_read == 0, "%zu at the end", nr_read);
	CHECK(store_read("motd", SIZE_MAX, buffer, 9, &nr_read) == STORE_DONE && nr_read == 0,
	      "%zu behind the end", nr_read);
	CHECK(store_read("motd", 1, buffer, SIZE_MAX, &nr_read) == STORE_DONE && nr_read == 9,
	      "%zu of all", nr_read);
	clear();
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

	clear();
	ktest_feed_heap();
	create("log");
	for (size_t piece = 0; piece < PIECES; piece++) {
		size_t piece_bytes = piece * 5 % 512;

		for (size_t i = 0; i < piece_bytes; i++)
			buffer[i] = byte_at(nr_bytes + i);
		append("log", buffer, piece_bytes);
		nr_bytes += piece_bytes;
		ktest_progress();
	}
	CHECK(is_listed("log", nr_bytes), "not %zu bytes", nr_bytes);
	for (size_t offset = 0, nr_read; offset < nr_bytes; offset += nr_read) {
		CHECK(store_read("log", offset, buffer, sizeof(buffer), &nr_read) == STORE_DONE && nr_read > 0,
		      "byte %zu", offset);
		for (size_t i = 0; i < nr_read; i++)
			CHECK(buffer[i] == byte_at(offset + i), "byte %zu", offset + i);
		ktest_progress();
	}
	clear();
}

KTEST(store, files_lie_on_the_heap)
{
	struct holdings before, after;

	clear();
	before = holdings_now();
	create(name_of(STORE_MAX_NAME));
	append(name_of(STORE_MAX_NAME), buffer, sizeof(buffer));
	after = holdings_now();
	CHECK(after.live_bytes >= before.live_bytes + STORE_MAX_NAME + sizeof(buffer),
	      "a file of %zu bytes takes %zu of the heap", sizeof(buffer), after.live_bytes - before.live_bytes);
	clear();
}

KTEST(store, append_of_more_than_all)
{
	struct holdings before;

	clear();
	create("motd");
	append("motd", "abc", 3);
	before = holdings_now();
	CHECK(store_append("motd", buffer, HEAP_MAX_BYTES) == STORE_NO_MEMORY, "HEAP_MAX_BYTES");
	for (size_t less = 0; less < 40; less++)
		CHECK(store_append("motd", buffer, SIZE_MAX - less) == STORE_NO_MEMORY, "SIZE_MAX - %zu", less);
	CHECK(store_append("motd", buffer, SIZE_MAX / 2 + 1) == STORE_NO_MEMORY, "half of SIZE_MAX");
	CHECK(has_contents("motd", "abc"), "it has changed");
	check_objects(before, "store_append()");
	clear();
}

KTEST(store, rename_keeps_the_contents)
{
	clear();
	CHECK(store_rename("old", "new") == STORE_ABSENT, "a file that is not there");
	create("old");
	append("old", "text", 4);
	CHECK(store_rename("old", "") == STORE_BAD_NAME, "to no name");
	CHECK(store_rename("old", name_of(STORE_MAX_NAME + 1)) == STORE_BAD_NAME, "to a longer one");
	CHECK(has_contents("old", "text") && nr_files() == 1, "a bad name has changed something");
	CHECK(store_rename("old", name_of(STORE_MAX_NAME)) == STORE_DONE, "to a long one");
	CHECK(has_contents(name_of(STORE_MAX_NAME), "text") && nr_files() == 1, "the contents");
	CHECK(store_rename(name_of(STORE_MAX_NAME), "n") == STORE_DONE && has_contents("n", "text"), "and back");
	CHECK(store_rename("n", "n") == STORE_DONE && has_contents("n", "text") && nr_files() == 1,
	      "to the name that it has");
	clear();
}

KTEST(store, rename_replaces)
{
	clear();
	create("first");
	create("second");
	create("third");
	append("first", "1", 1);
	append("second", "22", 2);
	append("third", "333", 3);
	CHECK(store_rename("third", "first") == STORE_DONE, "third to first");
	CHECK(nr_files() == 2 && has_contents("first", "333") && has_contents("second", "22"), "third to first");
	CHECK(store_rename("first", "second") == STORE_DONE, "first to second");
	CHECK(nr_files() == 1 && has_contents("second", "333"), "first to second");
	clear();
}

KTEST(store, nothing_is_kept_of_what_is_removed)
{
	struct holdings before;

	clear();
	before = holdings_now();
	for (size_t i = 1; i < 60; i++) {
		create(name_of(i));
		append(name_of(i), buffer, i * 9);
		append(name_of(i), buffer, i);
		if (i % 3 == 0)
			CHECK(store_rename(name_of(i), name_of(i + 100)) == STORE_DONE, "%zu", i);
		if (i % 3 == 2)
			CHECK(store_rename(name_of(i), name_of(i - 1)) == STORE_DONE, "%zu", i);
		ktest_progress();
	}
	clear();
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

	clear();
	ktest_feed_heap();
	empty = holdings_now();
	create("large");
	append("large", buffer, sizeof(buffer));
	check_live_bytes(empty);
	for (size_t i = 1; i <= 100; i++) {
		create(name_of(i));
		for (size_t piece = 0; piece < i % 7 * 3; piece++)
			append(name_of(i), buffer, 100 + i);
		check_live_bytes(empty);
		ktest_progress();
	}
	for (size_t i = 1; i <= 100; i++) {
		CHECK(store_remove(name_of(i * 37 % 101)) == STORE_DONE, "%zu", i);
		check_live_bytes(empty);
		ktest_progress();
	}
	clear();
}

KTEST(store, interrupts_are_as_they_were)
{
	size_t nr_read;

	clear();
	for (int are_on = 0; are_on <= 1; are_on++) {
		uint64_t flags = irq_save(), after[9];
		size_t i = 0;

		if (are_on)
			irq_unmask();
		create("a");
		after[i++] = read_rflags();
		after[i++] = (store_create("a"), read_rflags());
		after[i++] = (store_append("a", "1", 1), read_rflags());
		after[i++] = (store_read("a", 0, buffer, 1, &nr_read), read_rflags());
		after[i++] = (store_rename("a", "b"), read_rflags());
		after[i++] = (store_rename("a", "b"), read_rflags());
		after[i++] = (store_list(0, &listed), read_rflags());
		after[i++] = (store_remove("b"), read_rflags());
		after[i++] = (store_remove("b"), read_rflags());
		irq_mask();
		irq_restore(flags);
		while (i-- > 0)
			CHECK(!(after[i] & RFLAGS_IF) == !are_on, "call %zu, interrupts %s", i,
			      are_on ? "on" : "off");
	}
	clear();
}

/* ---- a handler that uses the store in the midst of an operation */

static enum store_result of_subject;

static void subject(void)
{
	of_subject = store_append("shared", "s", 1);
}

static void handler(void)
{
	store_append("shared", "h", 1);
	store_create("made");
	store_append("made", "m", 1);
}

KTEST(store, a_handler_may_use_it_at_any_instruction)
{
	bool has_run = true;

	for (unsigned long step = 1; has_run; step++) {
		clear();
		create("shared");
		append("shared", "0", 1);
		has_run = ktest_interrupt(step, subject, handler);
		CHECK(of_subject == STORE_DONE, "instruction %lu: append gives %u", step, of_subject);
		CHECK(has_contents("shared", has_run ? "0sh" : "0s") || has_contents("shared", "0hs"),
		      "instruction %lu: of two bytes appended \"%.3s\" are there", step, (const char *)buffer);
		CHECK(!has_run || has_contents("made", "m"), "instruction %lu: the handler's file is lost", step);
		CHECK(nr_files() == (has_run ? 2 : 1), "instruction %lu: %zu files", step, nr_files());
	}
	clear();
}
