/* SPDX-License-Identifier: MIT */
/* anywhere_read_test.c: what log_read() shows: whole records, beginnings, and nothing of what is lost. */
#include "ktest.h"
#include "ktest_log.h"
#include "ktest_step.h"
#include "memory.h"
#include "string.h"

static struct log_view view;

/* What a reader in the midst of a record has seen of it. */
static struct log_view watched;
static const char *watcher_flaw;

static void watch(void)
{
	watched.nr_bytes = 0;
	watcher_flaw = NULL;
	if (log_last_number() < first_number)
		return;                 /* it has no number yet */
	if (!log_read(first_number, &watched) || watched.number != first_number)
		watcher_flaw = "log_read() passes over a record that is not finished";
	else if (watched.is_whole && !record_is(&watched, OUTER) && !is_long_record(&watched))
		watcher_flaw = "log_read() shows a record as whole that is not";
}

/* It must have seen the beginning of the record. */
static const char *watched_flaw(void)
{
	if (watcher_flaw != NULL)
		return watcher_flaw;
	if (!log_read(first_number, &view) || !view.is_whole)
		return "the record is lost";
	if (memcmp(watched.text, view.text, watched.nr_bytes) != 0)
		return "what log_read() shows of a record that is not finished is not its beginning";
	return shown_flaw(first_number);
}

KTEST(anywhere, a_reader_at_any_instruction_of_a_record)
{
	sweep_firsts(log_outer, watch, false, watched_flaw);
}

/* The mark is no part of the beginning before it is there. */
KTEST(anywhere, a_reader_at_any_instruction_of_one_that_is_cut)
{
	sweep_firsts(log_long, watch, false, watched_flaw);
}

static void read_oldest(void)
{
	if (!log_read(log_last_number() - LOG_KEPT_RECORDS + 1, &watched))
		watched.nr_bytes = 0;
}

/* The record may be lost meanwhile. Then it is one that came after it, and whole all the same. */
static const char *overtaken_flaw(void)
{
	return watched.is_whole && record_is(&watched, MIDDLE) ? NULL : "log_read() shows a record that is torn";
}

KTEST(anywhere, many_records_at_any_instruction_of_a_reader)
{
	heard_alone_begin(LOG_INFO);
	log_many();
	heard_end();
	sweep_firsts(read_oldest, log_many, false, overtaken_flaw);
}

KTEST(anywhere, log_read_shows_what_the_console_got)
{
	static const struct counted wanted[] = { { OUTER, 1 }, { MIDDLE, 2 } };
	uint64_t first = log_last_number() + 1;
	const char *flaw;

	heard_begin(LOG_INFO);
	log_middle();
	log_outer();
	log_middle();
	heard_end();
	flaw = records_flaw(first, wanted, ARRAY_LENGTH(wanted));
	CHECK(flaw == NULL, "%s: %s", flaw, heard.text);
	CHECK(!log_read(log_last_number() + 1, &view), "it shows a record that there is not");
}

KTEST(anywhere, log_read_skips_what_is_lost)
{
	enum { NR_RECORDS = 2000 };
	uint64_t first = log_last_number() + 1, last = first + NR_RECORDS - 1, number = first;

	for (unsigned i = 0; i < NR_RECORDS; i++) {
		log_middle();
		ktest_progress();
	}
	for (; log_read(number, &view); number = view.number + 1) {
		CHECK(number == first || view.number == number, "%lu comes after %lu", view.number, number - 1);
		CHECK(view.is_whole && record_is(&view, MIDDLE), "record %lu is torn", view.number);
	}
	CHECK(view.number == last, "the last one is %lu, not %lu", view.number, last);
	CHECK(log_read(last - LOG_KEPT_RECORDS + 1, &view) && view.number == last - LOG_KEPT_RECORDS + 1,
	      "less than %u records are kept", LOG_KEPT_RECORDS);
}
