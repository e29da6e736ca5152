/* SPDX-License-Identifier: MIT */
/*
 * measure_test.c: two measurements of a logger. They bring no points, and fail only if they cannot be made.
 *
 *   losses.of_three_in_the_midst_of_one   what becomes of records at each instruction of another
 *   states.of_a_record                    from which instruction on a reader finds what of a record
 */
#include "ktest.h"
#include "ktest_log.h"
#include "ktest_step.h"
#include "memory.h"
#include "string.h"

enum { NR_INNER = 3 };

static void log_three(void)
{
	for (unsigned i = 0; i < NR_INNER; i++)
		log_middle();
}

static size_t nr_heard_lines(void)
{
	size_t nr_lines = 0;

	for (size_t i = 0; i < heard.sink.nr_bytes; i++)
		nr_lines += heard.text[i] == '\n';
	return nr_lines;
}

/* How many of the records since first_number are kept, whole, and end in `text`. */
static unsigned nr_kept(const char *text)
{
	static struct log_view view;
	unsigned nr_found = 0;

	for (uint64_t number = first_number; log_read(number, &view); number = view.number + 1)
		nr_found += view.is_whole && record_is(&view, text);
	return nr_found;
}

/* Late is what is kept, and what the console gets only when somebody flushes once more, or never. */
KTEST(losses, of_three_in_the_midst_of_one)
{
	unsigned long nr_lost = 0, nr_outer_lost = 0, nr_shown = 0, nr_runs = 0, nr_kept_all;

	trace(log_outer, heard_alone_begin);
	for (unsigned long step = 0; step < outer_steps.nr_steps; step++) {
		first_number = log_last_number() + 1;
		heard_alone_begin(LOG_INFO);
		if (ktest_break(&outer_steps, step, log_outer, log_three)) {
			nr_runs++;
			nr_shown += nr_heard_lines();
			log_flush();
			nr_lost += NR_INNER - nr_kept(MIDDLE);
			nr_outer_lost += 1 - nr_kept(OUTER);
		}
		heard_end();
	}
	CHECK(nr_runs > outer_steps.nr_steps / 2, "interrupted only %lu times", nr_runs);
	ktest_note("%u records in the midst of one, at each of %lu instructions", NR_INNER, nr_runs);
	ktest_note("lost: %lu of these %lu, and %lu of those that they interrupted", nr_lost, NR_INNER * nr_runs,
		   nr_outer_lost);
	nr_kept_all = (NR_INNER + 1) * nr_runs - nr_lost - nr_outer_lost;
	ktest_note("late: %lu of the %lu that are kept were not on the console when the interrupted one returned",
		   nr_kept_all - nr_shown, nr_kept_all);
}

/* What a reader finds. */
enum finds { NO_NUMBER, NOTHING, BEGINNING, ALL, LOST };

static const char *const finds_names[] = {
	"no number", "a number, and nothing of it", "its beginning", "all of it", "that it is lost",
};

static enum finds found;

static void look(void)
{
	static struct log_view view;

	if (log_last_number() < first_number)
		found = NO_NUMBER;
	else if (!log_read(first_number, &view) || view.number != first_number)
		found = LOST;
	else if (view.is_whole)
		found = ALL;
	else
		found = view.nr_bytes > 0 ? BEGINNING : NOTHING;
}

KTEST(states, of_a_record)
{
	enum finds before = LOST;

	trace(log_outer, heard_alone_begin);
	ktest_note("in front of an instruction of a record, a reader finds of that record");
	for (unsigned long step = 0; step < outer_steps.nr_steps; step++) {
		if (!run_interrupted(step, log_outer, look, heard_alone_begin))
			break;
		if (found != before)
			ktest_note("%4lu of %lu, at %p: %s", step + 1, outer_steps.nr_steps,
				   ktest_address(&outer_steps, step), finds_names[found]);
		before = found;
	}
}
