/* SPDX-License-Identifier: MIT */
/* anywhere_panic_test.c: what a panic in the midst of a record shows of it, and of the others: log_force(). */
#include "console.h"
#include "ktest.h"
#include "ktest_log.h"
#include "string.h"

#define MAX_SEEN 2

static struct log_view seen[MAX_SEEN];  /* what there was when log_force() was called */
static unsigned nr_seen;
static bool was_shown[MAX_SEEN];        /* had the console got it? Maybe it still was at work on it */
static size_t force_begins, force_ends; /* in heard.text */
static bool is_in_line;                 /* had the console begun a line? */

static void note_records(void)
{
	static char record[LOG_RECORD_BYTES + 1];

	nr_seen = 0;
	heard.text[heard.sink.nr_bytes] = '\0';
	for (uint64_t number = first_number; nr_seen < MAX_SEEN && log_read(number, &seen[nr_seen]);
	     number = seen[nr_seen++].number + 1) {
		memcpy(record, seen[nr_seen].text, seen[nr_seen].nr_bytes);
		record[seen[nr_seen].nr_bytes] = '\0';
		was_shown[nr_seen] = seen[nr_seen].is_whole && strstr(heard.text, record) != NULL;
	}
}

static void force(void)
{
	note_records();
	force_begins = heard.sink.nr_bytes;
	is_in_line = force_begins > 0 && heard.text[force_begins - 1] != '\n';
	log_force();
	force_ends = heard.sink.nr_bytes;
}

/* With a record that is put off, or not, and a line that somebody has begun. */
static void log_and_force(void)
{
	log_middle();
	console_write("begun", 5);
	force();
}

/* Is what stands at *at this record, or its beginning, on a line of its own? Moves *at behind it. */
static bool is_forced(const char **at, const struct log_view *record)
{
	static const char mark[] = LOG_CUT_MARK "\n";
	const char *text = *at;

	if (is_in_line && *text++ != '\n')
		return false;
	if (strncmp(text, record->text, record->nr_bytes) != 0)
		return false;
	text += record->nr_bytes;
	if (!record->is_whole) {
		if (strncmp(text, mark, sizeof(mark) - 1) != 0)
			return false;
		text += sizeof(mark) - 1;
	}
	is_in_line = false;
	*at = text;
	return true;
}

static const char *force_flaw(void)
{
	const char *at = heard.text + force_begins;

	if (heard.nr_nested > 0)
		return NULL;            /* log_force() came while heard_write() was at work, which heard nothing */
	heard.text[force_ends] = '\0';
	for (unsigned i = 0; i < nr_seen; i++)
		if (seen[i].nr_bytes > 0 && !is_forced(&at, &seen[i]) && !was_shown[i])
			return seen[i].is_whole ? "log_force() leaves out a record that the console has not got"
						: "log_force() leaves out a record's beginning, or its mark";
	return *at == '\0' ? NULL : "log_force() writes what is no record";
}

KTEST(anywhere_panic, shows_the_beginning_of_a_record_at_any_instruction)
{
	sweep_firsts(log_outer, force, false, force_flaw);
}

KTEST(anywhere_panic, shows_what_was_put_off_at_any_instruction)
{
	sweep_firsts(log_outer, log_and_force, false, force_flaw);
}

/* A panic in the midst of dmesg, behind a record that dmesg has put off. */
KTEST(anywhere_panic, shows_what_was_put_off_at_any_instruction_of_dmesg)
{
	heard_alone_begin(LOG_INFO);
	log_many();
	heard_end();
	sweep_firsts(log_dump, log_and_force, false, force_flaw);
}

/* The console gets the record as if nothing had been. */
static const char *forgotten_flaw(void)
{
	static struct log_view view;
	size_t nr_forced = force_ends - force_begins;

	if (heard.nr_nested > 0)
		return NULL;
	memmove(heard.text + force_begins, heard.text + force_ends, heard.sink.nr_bytes + 1 - force_ends);
	if (!log_read(first_number, &view) || !view.is_whole || !record_is(&view, OUTER))
		return "the record is lost, or torn";
	if (heard.sink.nr_bytes - nr_forced != view.nr_bytes || memcmp(heard.text, view.text, view.nr_bytes) != 0)
		return "the console has not got the record, once";
	return NULL;
}

KTEST(anywhere_panic, changes_nothing)
{
	sweep_firsts(log_outer, force, false, forgotten_flaw);
}

KTEST(anywhere_panic, has_nothing_to_show_otherwise)
{
	heard_begin(LOG_INFO);
	log_outer();
	log_middle();
	force_begins = heard.sink.nr_bytes;
	log_force();
	heard_end();
	CHECK(heard.sink.nr_bytes == force_begins, "it writes %s", heard.text + force_begins);
}
