/* SPDX-License-Identifier: MIT */
/*
 * anywhere_test.c: lab 5's tests: a record from any instruction.
 *
 * They interrupt a record at each of its instructions, in turn, by a debug exception, and log from there.
 * They know no more of the logger than log.h says. That is:
 *
 *   one may be called in the midst   a_record_at_any_instruction_of_another,
 *     of the other                   a_record_at_any_instruction_of_one_that_is_cut,
 *                                    five_records_in_the_midst_of_each_other,
 *                                    a_flush_at_any_instruction_of_a_record,
 *                                    a_reader_at_any_instruction_of_a_record,
 *                                    many_records_at_any_instruction_of_a_reader,
 *                                    dmesg_at_any_instruction_of_a_record,
 *                                    a_record_at_any_instruction_of_dmesg,
 *                                    dmesg_at_any_instruction_of_dmesg,
 *                                    anywhere_nmi.…, anywhere_panic.…
 *   no lock, nothing masked          …_take_no_lock_and_mask_nothing
 *   whole, or lost as a whole        all of these, and many_records_in_the_midst_of_one
 *   on the console when it returns   a_record_at_any_instruction_of_another
 *   in order, once, by one call      all of these
 *   log_read()                       log_read_shows_what_the_console_got,
 *                                    log_read_skips_what_is_lost,
 *                                    a_reader_at_any_instruction_of_a_record,
 *                                    a_reader_at_any_instruction_of_one_that_is_cut
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

/* There is more to do at its end. Most steps copy one more byte: those are left out. */
KTEST(anywhere, a_record_at_any_instruction_of_one_that_is_cut)
{
	sweep_firsts(log_long, log_middle, false, long_flaw);
}

/* Handlers whose records are interrupted in turn: a debug register each. */
enum { DEEPEST = 4 };

static unsigned depth, tries;           /* handlers in the midst of each other; how often it was tried */
static unsigned nr_middle, nr_inner;    /* records of handlers, and of the last one */

/* A record in the midst of another takes no way to the console: so the end of one may not be reached. */
static uint32_t step_of_handler(void)
{
	uint32_t nr_steps = (uint32_t)inner_steps.nr_steps;

	return random_below(&ktest_random, tries < 4 ? nr_steps : nr_steps / 2);
}

static void log_deeper(void)
{
	if (++depth == DEEPEST) {
		nr_inner++;
		log_inner();
	} else {
		nr_middle++;
		ktest_break(&inner_steps, step_of_handler(), log_middle, log_deeper);
	}
	depth--;
}

/* At each instruction of the first record the second, and in each of the others the next, at another one. */
KTEST(anywhere, five_records_in_the_midst_of_each_other)
{
	unsigned long nr_missed = 0, nr_steps = 0;

	trace(log_outer, heard_alone_begin);
	ktest_trace(&inner_steps, log_middle);
	for (unsigned long step = 0; step < outer_steps.nr_steps; step++) {
		struct counted wanted[] = { { OUTER, 1 }, { MIDDLE, 0 }, { INNER, 0 } };

		nr_inner = 0;
		for (tries = 0; tries < 8 && nr_inner == 0; tries++) {
			nr_middle = 0;
			if (!run_interrupted(step, log_outer, log_deeper, heard_alone_begin))
				break;
			wanted[1].nr_records = nr_middle;
			wanted[2].nr_records = nr_inner;
			check_step(records_flaw(first_number, wanted, ARRAY_LENGTH(wanted)), &outer_steps,
				   step);
		}
		nr_missed += nr_inner == 0;
		nr_steps++;
	}
	ktest_note("five deep at %lu of %lu instructions", nr_steps - nr_missed, nr_steps);
	CHECK(nr_missed < nr_steps / 10, "%lu times less deep", nr_missed);
}

/* Records that are kept are whole; at most one of the last is missing, and none that came after. */
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

/* Locks that log.c or log_console.c have taken. */
static unsigned count_log_locks(void)
{
	unsigned nr_locks = 0;

	for (struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++)
		nr_locks += lock->taken_at != NULL && strncmp(lock->taken_at->file, "log", 3) == 0;
	return nr_locks;
}

/* Fails the test if a call masks interrupts. Of a long one the first KTEST_MAX_STEPS steps are looked at. */
static void check_masks_nothing(const char *name, void (*subject)(void))
{
	ktest_trace(&outer_steps, subject);
	CHECK(outer_steps.nr_masked == 0, "%s masks interrupts at %lu of %lu instructions", name,
	      outer_steps.nr_masked, outer_steps.nr_steps);
	CHECK(count_log_locks() == 0, "%s has taken %u locks", name, count_log_locks());
}

static void read_last(void)
{
	log_read(log_last_number(), &view);
}

KTEST(anywhere, they_take_no_lock_and_mask_nothing)
{
	check_masks_nothing("log_record()", log_outer);
	check_masks_nothing("log_read()", read_last);
	check_masks_nothing("log_flush()", log_flush);
}

KTEST(anywhere, dmesg_and_a_panic_take_no_lock_and_mask_nothing)
{
	check_masks_nothing("log_dump()", log_dump);
	check_masks_nothing("log_force()", log_force);
}
