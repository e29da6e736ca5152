/* SPDX-License-Identifier: MIT */
/* store_handler_test.c: a handler that uses lab 6's store in the midst of an operation, and interrupts. */
#include "cpu.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_holdings.h"
#include "ktest_step.h"
#include "ktest_store.h"
#include "memory.h"
#include "store.h"
#include "string.h"

static uint8_t buffer[32];

KTEST(store, interrupts_are_as_they_were)
{
	size_t nr_read;

	store_clear();
	for (int are_on = 0; are_on <= 1; are_on++) {
		uint64_t flags = irq_save(), after[9];
		size_t i = 0;

		if (are_on)
			irq_unmask();
		store_must_create("a");
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
	store_clear();
}

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
		store_clear();
		store_must_create("shared");
		store_must_append("shared", "0", 1);
		has_run = ktest_interrupt(step, subject, handler);
		CHECK(of_subject == STORE_DONE, "instruction %lu: append gives %u", step, of_subject);
		CHECK(store_has_text("shared", has_run ? "0sh" : "0s") || store_has_text("shared", "0hs"),
		      "instruction %lu: of two bytes appended one is lost", step);
		CHECK(!has_run || store_has_text("made", "m"), "instruction %lu: the handler's file is lost", step);
		CHECK(store_nr_files() == (has_run ? 2 : 1), "instruction %lu: %zu files", step, store_nr_files());
	}
	store_clear();
}

/*
 * Operations in whose midst a handler takes away the very file that they are about, and makes another
 * one. Behind them the files must be as if one had come after the other.
 */
static void take_away(void)
{
	store_remove("shared");
	store_create("made");
}

static void create_it(void)
{
	store_create("shared");
}

static void rename_it(void)
{
	store_rename("shared", "renamed");
}

static void rename_to_it(void)
{
	store_rename("other", "shared");
}

static void remove_it(void)
{
	store_remove("shared");
}

static void read_it(void)
{
	size_t nr_read;

	store_read("shared", 0, buffer, sizeof(buffer), &nr_read);
}

static void list_all(void)
{
	for (size_t i = 0; store_list(i, &listed); i++)
		;
}

/* The files that may be there behind both, beside `made`: if the operation came first, or the handler did. */
static const struct race {
	const char *what;
	void (*subject)(void);
	const char *operation_first, *handler_first;
} races[] = {
	{ "create", create_it, "other", "other shared" },
	{ "rename", rename_it, "other renamed", "other" },
	{ "rename to it", rename_to_it, "", "shared" },
	{ "remove", remove_it, "other", "other" },
	{ "read", read_it, "other", "other" },
	{ "list", list_all, "other", "other" },
};

/* Are these the files, and `made`? */
static bool are_files(const char *names)
{
	static const char *const all[] = { "shared", "other", "renamed" };
	size_t nr_wanted = 1, none;

	for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
		bool is_wanted = strstr(names, all[i]) != NULL;

		if (is_wanted != (store_read(all[i], 0, buffer, 0, &none) == STORE_DONE))
			return false;
		nr_wanted += is_wanted;
	}
	return store_lists("made", 0) && store_nr_files() == nr_wanted;
}

static void run_race(const struct race *race)
{
	bool has_run = true;

	for (unsigned long step = 1; has_run; step++) {
		store_clear();
		store_must_create("other");
		store_must_create("shared");
		store_must_append("shared", "0", 1);
		has_run = ktest_interrupt(step, race->subject, take_away);
		if (!has_run)
			take_away();
		CHECK(are_files(race->operation_first) || (has_run && are_files(race->handler_first)),
		      "%s, instruction %lu: the files are not as if one came after the other", race->what, step);
	}
	store_clear();
}

KTEST(store, a_handler_may_use_it_in_any_operation)
{
	struct holdings empty;

	store_clear();
	empty = holdings_now();
	for (size_t i = 0; i < ARRAY_LENGTH(races); i++)
		run_race(&races[i]);
	check_objects(empty, "an empty store");
	heap_check();
}
