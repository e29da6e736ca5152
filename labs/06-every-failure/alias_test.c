/* SPDX-License-Identifier: MIT */
/*
 * alias_test.c: lab 6's tests of alias.c, which is given: with memory, and with each allocation
 * failing once. The sentences of alias.h that are tested here:
 *
 *   what a name stands for       what_is_set_is_there
 *   as a whole, or not           set_is_whole_or_nothing
 *   nothing is lost              set_loses_no_object
 *   no lock stays held           set_leaves_no_lock_held
 *   the number of lines          set_counts_its_lines
 */
#include "alias.h"
#include "fail.h"
#include "format.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_holdings.h"
#include "string.h"

/* What is set, one after the other: each behind those before it. */
static const struct setting {
	const char *name, *text;
	const char *lines[4];           /* that `text` is, up to a NULL */
} settings[] = {
	{ "h", "heap", { "heap" } },
	{ "look", " mem;  frames ;heap", { "mem", "frames", "heap" } },
	{ "h", "help; heap", { "help", "heap" } },              /* replaces the first */
	{ "say", "write a-file words with  blanks", { "write a-file words with  blanks" } },
	{ "look", "ls", { "ls" } },
	{ "nothing", "", { "" } },
};

static bool set(const struct setting *setting)
{
	return alias_set(setting->name, setting->text);
}

/* The last of the first nr settings that has this name, or NULL. */
static const struct setting *last_of(const char *name, size_t nr)
{
	while (nr-- > 0)
		if (strcmp(settings[nr].name, name) == 0)
			return &settings[nr];
	return NULL;
}

static size_t nr_lines_of(const struct setting *setting)
{
	size_t nr = 0;

	while (nr < ARRAY_LENGTH(setting->lines) && setting->lines[nr] != NULL)
		nr++;
	return nr;
}

/* Does a name stand for what the first nr settings make of it? */
static bool stands_for(const char *name, size_t nr)
{
	const struct setting *setting = last_of(name, nr);
	size_t nr_lines = setting ? nr_lines_of(setting) : 0;
	char line[64];

	for (size_t i = 0; i < nr_lines; i++)
		if (!alias_line(name, i, line, sizeof(line)) || strcmp(line, setting->lines[i]) != 0)
			return false;
	return !alias_line(name, nr_lines, line, sizeof(line));
}

static bool is_as_after(size_t nr)
{
	for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
		if (!stands_for(settings[i].name, nr))
			return false;
	return true;
}

/* The lines of all aliases after the first nr settings. */
static size_t nr_lines_after(size_t nr)
{
	size_t nr_lines = 0;

	for (size_t i = 0; i < nr; i++)
		if (last_of(settings[i].name, nr) == &settings[i])
			nr_lines += nr_lines_of(&settings[i]);
	return nr_lines;
}

static void clear(void)
{
	for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
		alias_remove(settings[i].name);
}

static void prepare(size_t nr)
{
	clear();
	for (size_t i = 0; i < nr; i++)
		CHECK(set(&settings[i]), "alias %s", settings[i].name);
	ktest_progress();
}

KTEST(alias, what_is_set_is_there)
{
	struct holdings before;
	char line[4];

	clear();
	before = holdings_now();
	for (size_t nr = 0; nr <= ARRAY_LENGTH(settings); nr++) {
		prepare(nr);
		CHECK(is_as_after(nr), "after %zu settings", nr);
		CHECK(alias_nr_lines() == nr_lines_after(nr), "%zu lines, not %zu", alias_nr_lines(),
		      nr_lines_after(nr));
	}
	CHECK(alias_line("say", 0, line, sizeof(line)) && strcmp(line, "wri") == 0, "cut: \"%s\"", line);
	CHECK(alias_remove("say") && !alias_remove("say") && !alias_line("say", 0, line, sizeof(line)), "removed");
	clear();
	check_objects(before, "no alias");
}

/* What alias_nr_lines() says without an alias: 0, unless an earlier test has left it wrong. */
static size_t nr_lines_of_none;

/* One try: a setting, of whose allocations the k-th fails. */
struct try {
	size_t setting;
	bool is_done;                   /* what alias_set() has said */
	struct holdings holdings;       /* before it */
	char what[64];                  /* for a message */
};

/* For each setting and each k, for a moment and for good: `check` looks at what has become of it. */
static void sweep(void (*check)(const struct try *try))
{
	size_t nr_tries = 0;
	struct try try;
	bool has_failed;

	ktest_feed_heap();
	clear();
	nr_lines_of_none = alias_nr_lines();
	for (try.setting = 0; try.setting < ARRAY_LENGTH(settings); try.setting++)
		for (enum fail_plan plan = FAIL_NTH; plan <= FAIL_FROM_NTH; plan++) {
			has_failed = true;
			for (uint64_t k = 1; has_failed; k++) {
				prepare(try.setting);
				format_string(try.what, sizeof(try.what), "alias %s, allocation %lu%s",
					      settings[try.setting].name, k, plan == FAIL_NTH ? "" : " and all after it");
				try.holdings = holdings_now();
				fail_begin(plan, k);
				try.is_done = set(&settings[try.setting]);
				has_failed = fail_end().nr_failed > 0;
				nr_tries += has_failed;
				CHECK(try.is_done || has_failed, "%s: false, and no allocation has failed", try.what);
				check(&try);
			}
		}
	clear();
	ktest_note("%zu allocations failed", nr_tries);
}

static void check_locks(const struct try *try)
{
	check_locks_and_frames(try->holdings, try->what);
}

KTEST(alias_sweep, set_leaves_no_lock_held)
{
	sweep(check_locks);
}

static void check_whole(const struct try *try)
{
	check_locks(try);
	CHECK(is_as_after(try->setting + try->is_done), "%s: %s, and that is not so", try->what,
	      try->is_done ? "done" : "not done");
}

KTEST(alias_sweep, set_is_whole_or_nothing)
{
	sweep(check_whole);
}

static void check_lines(const struct try *try)
{
	size_t nr_wanted = nr_lines_after(try->setting + try->is_done), nr = alias_nr_lines() - nr_lines_of_none;

	check_locks(try);
	CHECK(nr == nr_wanted, "%s: %zu lines, not %zu", try->what, nr, nr_wanted);
}

KTEST(alias_sweep, set_counts_its_lines)
{
	sweep(check_lines);
}

static void check_losses(const struct try *try)
{
	check_locks(try);
	if (!try->is_done)
		check_objects(try->holdings, try->what);
}

KTEST(alias_sweep, set_loses_no_object)
{
	struct holdings before;

	clear();
	before = holdings_now();
	sweep(check_losses);
	check_objects(before, "no alias");
}
