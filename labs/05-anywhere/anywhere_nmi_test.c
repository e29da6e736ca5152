/* SPDX-License-Identifier: MIT */
/*
 * anywhere_nmi_test.c: records from handlers of real interrupts: NMIs that the CPU sends to itself, those
 * that come from outside, those of the watchdog, and the timer's tick.
 */
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "ktest.h"
#include "ktest_log.h"
#include "memory.h"
#include "timer.h"
#include "trap.h"
#include "watchdog.h"

#define INNER "test: from an NMI in a tick"

/* Source: QEMU hw/watchdog/wdt_ib700.c. */
#define IB700_ARM      0x443
#define IB700_SECONDS  2
#define IB700_CODE     14       /* for that many */

static volatile unsigned nr_nmis;
static void (*on_nmi)(void);

static bool handle_nmi(struct trap_frame *frame)
{
	nr_nmis++;
	on_nmi();
	return true;
}

static void send_nmi(void)
{
	apic_send_nmi();
}

static void expect_nmis(void (*handler)(void))
{
	on_nmi = handler;
	nr_nmis = 0;
	trap_install(TRAP_NMI, handle_nmi);
}

static const char *two_records_flaw(void)
{
	static const struct counted wanted[] = { { OUTER, 1 }, { MIDDLE, 1 } };

	return records_flaw(first_number, wanted, ARRAY_LENGTH(wanted));
}

KTEST(anywhere_nmi, a_record_from_an_nmi_at_any_instruction)
{
	expect_nmis(log_middle);
	if (!apic_send_nmi())
		SKIP("this machine has no local APIC that sends NMIs");
	sweep_firsts(log_outer, send_nmi, false, two_records_flaw);
}

static volatile unsigned nr_ticks;

static void log_inner(void)
{
	log_info("%s", INNER);
}

/* Logs, and has an NMI come at some instruction of that. */
static void tick(void)
{
	nr_ticks++;
	if (!ktest_break(&inner_steps, random_below(&ktest_random, (uint32_t)inner_steps.nr_steps), log_middle,
			 send_nmi))
		send_nmi();
}

/* Three deep, and none of it chosen by the test: the timer ticks while records stream. */
KTEST(anywhere_nmi, ticks_that_log_with_nmis_in_their_midst)
{
	enum { HZ = 500, NR_BATCHES = 60, NR_OUTER = 16 };

	expect_nmis(log_inner);
	if (!apic_send_nmi())
		SKIP("this machine has no local APIC that sends NMIs");
	ktest_trace(&inner_steps, log_middle);
	for (unsigned batch = 0; batch < NR_BATCHES; batch++) {
		uint64_t first = log_last_number() + 1;
		const char *flaw;

		nr_ticks = nr_nmis = 0;
		heard_alone_begin(LOG_INFO);
		timer_start(HZ, tick);
		for (unsigned i = 0; i < NR_OUTER; i++)
			log_outer();
		timer_stop();
		heard_end();
		flaw = records_flaw(first, (struct counted[]){ { OUTER, NR_OUTER }, { MIDDLE, nr_ticks },
							       { INNER, nr_nmis } }, 3);
		CHECK(flaw == NULL, "%s, in batch %u with %u ticks and %u NMIs", flaw, batch, nr_ticks, nr_nmis);
	}
}

/* Logs until an NMI has come. Gives up after two million records: some five seconds of an emulated CPU. */
static bool log_until_nmi(void)
{
	for (unsigned i = 0; i < 2000000 && nr_nmis == 0; i++) {
		log_outer();
		if (i % 256 == 0)
			ktest_progress();
	}
	return nr_nmis > 0;
}

/* All that is kept is whole, and the last is not older than the NMI's. */
static const char *kept_flaw(uint64_t first)
{
	static struct log_view view;
	unsigned nr_from_nmi = 0;

	for (uint64_t number = first; log_read(number, &view); number = view.number + 1) {
		bool is_from_nmi = record_is(&view, MIDDLE);

		if (!view.is_whole || (!is_from_nmi && !record_is(&view, OUTER)))
			return "a record is torn, or not finished";
		nr_from_nmi += is_from_nmi;
	}
	if (view.number != log_last_number())
		return "the last record is lost";
	return nr_from_nmi == 1 ? NULL : "the NMI's record is lost, or there twice";
}

KTEST(anywhere_nmi, records_from_nmis_from_outside)
{
	enum { NR_NMIS = 8 };

	for (unsigned i = 1; i <= NR_NMIS; i++) {
		uint64_t first = log_last_number() + 1;
		const char *flaw;
		bool has_come;

		expect_nmis(log_middle);
		ktest_nmis_wanted++;
		ktest_note("waits for NMI %u of %u, which make grade sends", i, NR_NMIS);
		heard_alone_begin(LOG_INFO);
		has_come = log_until_nmi();
		heard_end();
		if (!has_come)
			SKIP("nobody outside sends NMIs");
		flaw = kept_flaw(first);
		CHECK(flaw == NULL, "%s, after NMI %u", flaw, i);
	}
}

/* Waits until the watchdog is about to bite, then logs until it does. */
static void log_until_bitten(void)
{
	uint64_t begin = clock_ms(), spare = random_below(&ktest_random, 8);

	outb(IB700_ARM, IB700_CODE);
	while (nr_nmis == 0 && clock_ms() - begin < IB700_SECONDS * 1000 - 1 - spare)
		cpu_relax();
	for (unsigned i = 0; i < 8 * LOG_KEPT_RECORDS && nr_nmis == 0; i++)
		log_outer();
}

KTEST(anywhere_nmi, a_record_from_the_watchdogs_bite)
{
	enum { NR_BITES = 4 };

	if (!cpu_is_virtual() || !clock_is_known())
		SKIP("this machine has no watchdog that bites, or no clock");
	for (unsigned i = 0; i < NR_BITES; i++) {
		uint64_t first = log_last_number() + 1;
		const char *flaw;

		watchdog_stop();                /* or each piece of output would start it again */
		expect_nmis(log_middle);
		heard_alone_begin(LOG_INFO);
		log_until_bitten();
		log_flush();
		heard_end();
		ktest_progress();
		if (nr_nmis == 0)
			SKIP("the watchdog did not bite");
		flaw = kept_flaw(first);
		CHECK(flaw == NULL, "%s, after bite %u", flaw, i + 1);
	}
}
