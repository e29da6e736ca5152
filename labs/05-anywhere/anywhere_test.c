/* SPDX-License-Identifier: MIT */
/*
 * anywhere_test.c: lab 5's tests: a record from any instruction.
 *
 * They interrupt a record at each of its instructions, in turn, by a debug exception, and log from there.
 * They know no more of the logger than log.h says. That is:
 *
 *   one may be called in the midst   a_record_at_any_instruction_of_another,
 *     of the other                   a_record_at_any_instruction_of_one_that_is_cut,
 *                                    three_records_in_the_midst_of_each_other,
 *                                    a_flush_at_any_instruction_of_a_record,
 *                                    a_reader_at_any_instruction_of_a_record,
 *                                    dmesg_at_any_instruction_of_a_record,
 *                                    a_record_at_any_instruction_of_dmesg,
 *                                    anywhere_nmi.…
 *   no lock, nothing masked          they_take_no_lock_and_mask_nothing
 *   whole, or lost as a whole        all of these, and many_records_in_the_midst_of_one
 *   on the console when it returns   a_record_at_any_instruction_of_another
 *   in order, once, by one call      all of these
 *   log_read()                       log_read_shows_what_the_console_got,
 *                                    log_read_skips_what_is_lost,
 *                                    a_reader_at_any_instruction_of_a_record
 *   what log_dump() leaves out       dmesg_at_any_instruction_of_a_record,
 *                                    a_record_at_any_instruction_of_dmesg
 *   log_force()                      anywhere_panic.…
 */
#include "ktest.h"
#include "ktest_log.h"
#include "ktest_step.h"
#include "memory.h"
#include "spinlock.h"
#include "string.h"

#define INNER "test: from the innermost handler"

static struct log_view view;

static void log_inner(void)
{
	log_info("%s", INNER);
}

KTEST(anywhere, a_record_at_any_instruction_of_another)
{
	static const struct counted wanted[] = { { OUTER, 1 }, { MIDDLE, 1 } };

	sweep(log_outer, log_middle, wanted, ARRAY_LENGTH(wanted));
}

/* The record is cut, so there is more to do at its end. Most steps copy one more byte: those are left out. */
static char long_text[2 * LOG_RECORD_BYTES];

static void log_long(void)
{
	log_info("%s", long_text);
}

/* Where the text of a record begins: behind its number, time and level. */
static const char *text_of(const struct log_view *record)
{
	const char *info = memchr(record->text, ']', record->nr_bytes);

	return info == NULL ? record->text : info + strlen("] info  ");
}

static bool is_long_record(const struct log_view *record)
{
	static const char end[] = LOG_CUT_MARK "\n";
	const size_t end_bytes = sizeof(end) - 1;

	return record->nr_bytes == LOG_RECORD_BYTES && memcmp(text_of(record), long_text, 200) == 0 &&
	       memcmp(record->text + LOG_RECORD_BYTES - end_bytes, end, end_bytes) == 0;
}

static const char *long_flaw(void)
{
	unsigned nr_long = 0, nr_others = 0;

	for (uint64_t number = first_number; log_read(number, &view); number = view.number + 1) {
		nr_long += is_long_record(&view);
		nr_others += record_is(&view, MIDDLE);
	}
	if (nr_long != 1 || nr_others != 1)
		return "a record is missing, or torn, or the long one has no mark";
	return shown_flaw(first_number);
}

KTEST(anywhere, a_record_at_any_instruction_of_one_that_is_cut)
{
	for (size_t i = 0; i < sizeof(long_text) - 1; i++)
		long_text[i] = (char)('a' + i % 26);
	sweep_firsts(log_long, log_middle, false, long_flaw);
}

/* A handler whose own record is interrupted at `inner_step`. */
static unsigned long inner_step;
static unsigned nr_inner;

static void log_innermost(void)
{
	nr_inner++;
	log_inner();
}

static void log_middle_interrupted(void)
{
	ktest_break(&inner_steps, inner_step, log_middle, log_innermost);
}

/* At each instruction of the first record, the second; the third at another one of the second each time. */
KTEST(anywhere, three_records_in_the_midst_of_each_other)
{
	unsigned long nr_missed = 0, nr_steps = 0;

	trace(log_outer, heard_alone_begin);
	ktest_trace(&inner_steps, log_middle);
	for (unsigned long step = 0; step < outer_steps.nr_steps; step++) {
		struct counted wanted[] = { { OUTER, 1 }, { MIDDLE, 1 }, { INNER, 0 } };

		nr_inner = 0;
		for (unsigned tries = 0; tries < 8 && nr_inner == 0; tries++) {
			inner_step = random_below(&ktest_random, (uint32_t)inner_steps.nr_steps);
			if (!run_interrupted(step, log_outer, log_middle_interrupted, heard_alone_begin))
				break;
			wanted[2].nr_records = nr_inner;
			check_step(records_flaw(first_number, wanted, ARRAY_LENGTH(wanted)), &outer_steps,
				   step);
		}
		nr_missed += nr_inner == 0;
		nr_steps++;
	}
	ktest_note("three deep at %lu of %lu instructions", nr_steps - nr_missed, nr_steps);
	CHECK(nr_missed < nr_steps / 10, "%lu times only two deep", nr_missed);
}

/* More records than any logger needs to keep, in the midst of one. */
enum { NR_MANY = 2 * LOG_KEPT_RECORDS + 1 };

static void log_many(void)
{
	for (unsigned i = 0; i < NR_MANY; i++)
		log_middle();
}

/* What is kept is whole; at most one of the last is missing, and none that came after. */
static const char *many_flaw(void)
{
	uint64_t last = log_last_number();
	unsigned nr_lost = 0;

	for (uint64_t number = first_number; log_read(number, &view); number = view.number + 1) {
		if (!view.is_whole)
			return "a record is not finished";
		if (!record_is(&view, MIDDLE) && !record_is(&view, OUTER))
			return "a record is torn, or has another number";
		if (last - view.number < LOG_KEPT_RECORDS - 1)
			nr_lost += (unsigned)(view.number - number);
	}
	if (last - view.number > 1 || nr_lost > 1)
		return "more of the last records are lost than one";
	log_middle();
	if (!log_read(last + 1, &view) || !record_is(&view, MIDDLE))
		return "the record after that is lost";
	return NULL;
}

KTEST(anywhere, many_records_in_the_midst_of_one)
{
	sweep_firsts(log_outer, log_many, true, many_flaw);
}

static const char *only_one_flaw(void)
{
	static const struct counted wanted[] = { { OUTER, 1 } };

	return records_flaw(first_number, wanted, ARRAY_LENGTH(wanted));
}

KTEST(anywhere, a_flush_at_any_instruction_of_a_record)
{
	sweep_firsts(log_outer, log_flush, false, only_one_flaw);
}

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
	else if (watched.is_whole && !record_is(&watched, OUTER))
		watcher_flaw = "log_read() shows a record as whole that is not";
}

/* What it saw is how the record begins. */
static const char *watched_flaw(void)
{
	if (watcher_flaw != NULL)
		return watcher_flaw;
	if (!log_read(first_number, &view) || !view.is_whole)
		return "the record is lost";
	if (memcmp(watched.text, view.text, watched.nr_bytes) != 0)
		return "what log_read() shows of a record that is not finished is not its beginning";
	return only_one_flaw();
}

KTEST(anywhere, a_reader_at_any_instruction_of_a_record)
{
	sweep_firsts(log_outer, watch, false, watched_flaw);
}

/* Locks that log.c or log_console.c have taken. */
static unsigned count_log_locks(void)
{
	unsigned nr_locks = 0;

	for (struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++)
		nr_locks += lock->taken_at != NULL && strncmp(lock->taken_at->file, "log", 3) == 0;
	return nr_locks;
}

static void use_all(void)
{
	log_outer();
	log_read(log_last_number(), &view);
	log_flush();
}

KTEST(anywhere, they_take_no_lock_and_mask_nothing)
{
	ktest_trace(&outer_steps, use_all);
	CHECK(outer_steps.nr_masked == 0, "interrupts are masked at %lu of %lu instructions",
	      outer_steps.nr_masked, outer_steps.nr_steps);
	log_dump();
	log_force();
	CHECK(count_log_locks() == 0, "%u locks were taken", count_log_locks());
}

KTEST(anywhere, log_read_shows_what_the_console_got)
{
	static const struct counted wanted[] = { { OUTER, 1 }, { MIDDLE, 2 }, { INNER, 1 } };
	uint64_t first = log_last_number() + 1;
	const char *flaw;

	heard_begin(LOG_INFO);
	log_middle();
	log_outer();
	log_inner();
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
