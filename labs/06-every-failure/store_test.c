/* SPDX-License-Identifier: MIT */
/*
 * store_test.c: lab 6's tests of the store while there is memory. The sentences of store.h that are
 * tested here, and in the two files beside it:
 *
 *   what a name may be           names
 *   what is created, removed     create_and_remove
 *   what list tells              list_numbers_all_files, list_keeps_its_order
 *   what read gives              read_from_any_offset
 *   what append adds             append_adds_at_the_end
 *   what rename does             rename_keeps_the_contents, rename_replaces
 *   store_memory_test.c:
 *   names and contents grow      names_grow, contents_grow, files_lie_on_the_heap
 *   nothing is kept              nothing_is_kept_of_what_is_removed
 *   STORE_LIVE_BYTES             live_bytes_are_bounded
 *   what no object can hold      append_of_more_than_all
 *   store_handler_test.c:
 *   a handler may use it         a_handler_may_use_it_at_any_instruction,
 *                                a_handler_may_use_it_in_any_operation
 *   interrupts as before         interrupts_are_as_they_were
 */
#include "format.h"
#include "ktest.h"
#include "ktest_store.h"
#include "memory.h"
#include "store.h"
#include "string.h"

static uint8_t buffer[32];

KTEST(store, create_and_remove)
{
	store_clear();
	CHECK(store_nr_files() == 0, "%zu files at first", store_nr_files());
	store_must_create("motd");
	CHECK(store_lists("motd", 0) && store_nr_files() == 1, "motd is not the only file, without contents");
	CHECK(store_create("motd") == STORE_EXISTS && store_nr_files() == 1, "created twice");
	CHECK(store_remove("mot") == STORE_ABSENT && store_remove("motd2") == STORE_ABSENT,
	      "removed by a part of its name");
	CHECK(store_remove("motd") == STORE_DONE && store_nr_files() == 0, "still there");
	CHECK(store_remove("motd") == STORE_ABSENT, "removed twice");
	store_must_create("motd");
	store_clear();
}

KTEST(store, names)
{
	store_clear();
	CHECK(store_create("") == STORE_BAD_NAME, "no name");
	CHECK(store_create(store_name_of(STORE_MAX_NAME + 1)) == STORE_BAD_NAME, "a longer one");
	CHECK(store_nr_files() == 0, "%zu files", store_nr_files());
	store_must_create("etc/motd");
	store_must_create("/");
	store_must_create(" \x01\xff\n");
	CHECK(store_lists("etc/motd", 0) && store_lists("/", 0) && store_lists(" \x01\xff\n", 0), "a name");
	store_clear();
}

KTEST(store, list_numbers_all_files)
{
	static bool seen[20];
	char name[8];

	store_clear();
	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < ARRAY_LENGTH(seen); i++) {
		format_string(name, sizeof(name), "%c", (char)('a' + i));
		store_must_create(name);
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
	CHECK(store_nr_files() == ARRAY_LENGTH(seen) / 2, "%zu files", store_nr_files());
	store_clear();
}

KTEST(store, list_keeps_its_order)
{
	static char names[4][STORE_MAX_NAME + 1];
	size_t nr_read;

	store_clear();
	for (size_t i = 1; i <= ARRAY_LENGTH(names); i++)
		store_must_create(store_name_of(i));
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		CHECK(store_list(i, &listed), "file %zu", i);
		memcpy(names[i], listed.name, sizeof(names[i]));
	}
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		CHECK(store_read(names[i], 0, buffer, 1, &nr_read) == STORE_DONE, "reading file %zu", i);
		CHECK(store_create(names[i]) == STORE_EXISTS && store_remove("none") == STORE_ABSENT, "what is refused");
		for (size_t j = 0; j < ARRAY_LENGTH(names); j++)
			CHECK(store_list(j, &listed) && strcmp(listed.name, names[j]) == 0,
			      "behind reading file %zu, file %zu is another one", i, j);
	}
	store_clear();
}

KTEST(store, append_adds_at_the_end)
{
	store_clear();
	CHECK(store_append("motd", "x", 1) == STORE_ABSENT && store_append("motd", "", 0) == STORE_ABSENT &&
	      store_nr_files() == 0, "to no file");
	store_must_create("motd");
	store_must_create("other");
	store_must_append("motd", "hello", 5);
	store_must_append("other", "...", 3);
	store_must_append("motd", "", 0);
	store_must_append("motd", ", world", 7);
	CHECK(store_has_text("motd", "hello, world") && store_lists("motd", 12), "motd");
	CHECK(store_has_text("other", "...") && store_lists("other", 3), "other");
	store_clear();
}

KTEST(store, read_from_any_offset)
{
	size_t nr_read = 99;

	store_clear();
	CHECK(store_read("motd", 0, buffer, 1, &nr_read) == STORE_ABSENT, "of no file");
	store_must_create("motd");
	CHECK(store_read("motd", 0, buffer, 9, &nr_read) == STORE_DONE && nr_read == 0,
	      "%zu bytes of a new file", nr_read);
	store_must_append("motd", "0123456789", 10);
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
	store_clear();
}

KTEST(store, rename_keeps_the_contents)
{
	store_clear();
	CHECK(store_rename("old", "new") == STORE_ABSENT, "a file that is not there");
	CHECK(store_rename("old", "old") == STORE_ABSENT, "to the name that it would have");
	CHECK(store_rename("old", "") == STORE_BAD_NAME, "to no name, of a file that is not there");
	store_must_create("old");
	store_must_append("old", "text", 4);
	CHECK(store_rename("old", "") == STORE_BAD_NAME, "to no name");
	CHECK(store_rename("old", store_name_of(STORE_MAX_NAME + 1)) == STORE_BAD_NAME, "to a longer one");
	CHECK(store_has_text("old", "text") && store_nr_files() == 1, "a bad name has changed something");
	CHECK(store_rename("old", store_name_of(STORE_MAX_NAME)) == STORE_DONE, "to a long one");
	CHECK(store_has_text(store_name_of(STORE_MAX_NAME), "text") && store_nr_files() == 1, "the contents");
	CHECK(store_rename(store_name_of(STORE_MAX_NAME), "n") == STORE_DONE && store_has_text("n", "text"), "and back");
	CHECK(store_rename("n", "n") == STORE_DONE && store_has_text("n", "text") && store_nr_files() == 1,
	      "to the name that it has");
	store_clear();
}

KTEST(store, rename_replaces)
{
	store_clear();
	store_must_create("first");
	store_must_create("second");
	store_must_create("third");
	store_must_append("first", "1", 1);
	store_must_append("second", "22", 2);
	store_must_append("third", "333", 3);
	CHECK(store_rename("third", "first") == STORE_DONE, "third to first");
	CHECK(store_nr_files() == 2 && store_has_text("first", "333") && store_has_text("second", "22"), "third to first");
	CHECK(store_rename("first", "second") == STORE_DONE, "first to second");
	CHECK(store_nr_files() == 1 && store_has_text("second", "333"), "first to second");
	store_clear();
}
