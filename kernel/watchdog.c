/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c: the ib700 watchdog, and what happens when it bites.
 *
 * The bite is an NMI, so it may interrupt anything. The report's own words depend on
 * nothing that may be damaged; lockup.c explains the rest.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "watchdog.h"

#include "clock.h"
#include "cpu.h"
#include "panic.h"
#include "trap.h"

#define IB700_DISARM  0x441     /* any value */
#define IB700_ARM     0x443     /* the timeout as a code: 15 - seconds / 2 */
#define NO_ANSWER     0xff

static bool is_usable;                  /* may its ports be touched? */
static volatile bool is_counting;
static volatile unsigned counted_seconds;       /* how far it counts this time */
static volatile uint64_t petted_at_ms;
static volatile bool is_in_doubt;       /* nothing has got on since an NMI that came early */

void watchdog_allow(unsigned seconds)
{
	if (!is_counting)
		return;
	petted_at_ms = clock_ms();
	is_in_doubt = false;
	counted_seconds = seconds < WATCHDOG_MAX_SECONDS ? seconds : WATCHDOG_MAX_SECONDS;
	outb(IB700_ARM, (uint8_t)(15 - counted_seconds / 2));
}

/* An NMI before this is somebody else's. Less than the timeout: our clock is not so exact. */
static uint64_t earliest_ms(void)
{
	return counted_seconds * 1000 * 3 / 4;
}

void watchdog_init(void)
{
	is_usable = cpu_is_virtual() && inb(IB700_ARM) == NO_ANSWER &&
		    inb(IB700_DISARM) == NO_ANSWER;
	watchdog_pet();
}

void watchdog_pet(void)
{
	is_counting = is_usable;
	watchdog_progress();
}

void watchdog_progress(void)
{
	watchdog_allow(WATCHDOG_SECONDS);
}

void watchdog_stop(void)
{
	if (is_counting)
		outb(IB700_DISARM, 0);
	is_counting = false;
}

bool watchdog_has_bitten(void)
{
	if (!is_counting)
		return false;
	if (is_in_doubt || !clock_is_known() || clock_ms() - petted_at_ms >= earliest_ms())
		return true;
	/* If our clock is slow, this was the watchdog: it bites once and must be armed again. */
	outb(IB700_ARM, (uint8_t)(15 - counted_seconds / 2));
	return false;
}

void watchdog_doubt(void)
{
	is_in_doubt = is_counting;
}

_Noreturn void lockup_report(const struct trap_frame *frame)
{
	panic_stop(PANIC_LOCKUP, frame, "cpu%u makes no progress", this_cpu.id);
}
