/* SPDX-License-Identifier: MIT */
/*
 * clock.c: the time-stamp counter, measured at boot against the PIT.
 *
 * To find out whether the counter counts instructions, a known number of them runs
 * three times. Only under QEMU's -icount do all three take exactly the same time,
 * and that is the number times a power of two.
 *
 * If there is no timer, it never counts down, or seems to have done so at once. So
 * the wait has a bound, and a counter that would be slower than MIN_KHZ or faster
 * than MAX_KHZ is not believed: time stamps are 0 then.
 *
 * Sources: Intel 8254 data sheet (mode 0, "interrupt on terminal count"); IBM PC
 * AT technical reference (port 0x61).
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "clock.h"

#include <stdbool.h>

#include "console.h"
#include "cpu.h"

#define PIT_HZ          1193182
#define PIT_CHANNEL2    0x42
#define PIT_COMMAND     0x43
#define PIT_ONE_SHOT    0xb0    /* channel 2, low byte then high byte, mode 0, binary */
#define GATE            0x61
#define GATE_OPEN       0x01    /* lets channel 2 count */
#define GATE_SPEAKER    0x02
#define GATE_OUTPUT     0x20    /* channel 2 has counted down */

#define CALIBRATION_MS  10
#define NR_CALIBRATIONS 3
#define MAX_READS       1000000 /* of a port, while that counts: a second or so */
#define MIN_KHZ         10000ul
#define MAX_KHZ         100000000ul
#define NR_NOPS         256
#define MAX_SHIFT       10      /* of QEMU's -icount */

static uint64_t begun_at;
static uint64_t ticks_per_ms;           /* 0 = not known */
static int instruction_shift = -1;      /* -1 = the machine does not count */

/* Return: 0 if the PIT does not count down. */
static uint64_t ticks_in_calibration(void)
{
	unsigned count = PIT_HZ / (1000 / CALIBRATION_MS);
	uint8_t gate = inb(GATE) & (uint8_t)~(GATE_SPEAKER | GATE_OPEN);
	unsigned reads = 0;
	uint64_t begin;

	outb(GATE, gate);
	outb(PIT_COMMAND, PIT_ONE_SHOT);
	outb(PIT_CHANNEL2, count & 0xff);
	outb(PIT_CHANNEL2, (uint8_t)(count >> 8));
	begin = rdtsc();
	outb(GATE, gate | GATE_OPEN);
	while ((inb(GATE) & GATE_OUTPUT) == 0) {
		if (++reads == MAX_READS)
			return 0;
		cpu_relax();
	}
	return rdtsc() - begin;
}

/* A busy host may take the CPU away meanwhile: so the shortest of several counts. */
static uint64_t fewest_ticks_in_calibration(void)
{
	uint64_t fewest = ticks_in_calibration();

	for (unsigned i = 1; i < NR_CALIBRATIONS && fewest != 0; i++) {
		uint64_t ticks = ticks_in_calibration();

		if (ticks < fewest)
			fewest = ticks;
	}
	return fewest;
}

/* The ticks that NR_NOPS nops take, without those of reading the counter. */
static uint64_t ticks_of_nops(void)
{
	uint64_t begin = rdtsc(), nothing = rdtsc() - begin;

	begin = rdtsc();
	__asm__ volatile(".rept %c0\n\tnop\n\t.endr" : : "i"(NR_NOPS));
	return rdtsc() - begin - nothing;
}

static int find_instruction_shift(void)
{
	uint64_t ticks = ticks_of_nops();

	if (ticks_of_nops() != ticks || ticks_of_nops() != ticks)
		return -1;
	for (int shift = 0; shift <= MAX_SHIFT; shift++)
		if (ticks == (uint64_t)NR_NOPS << shift)
			return shift;
	return -1;
}

void clock_init(void)
{
	uint64_t khz = fewest_ticks_in_calibration() / CALIBRATION_MS;

	if (khz >= MIN_KHZ && khz <= MAX_KHZ)
		ticks_per_ms = khz;
	else
		console_printf("clock: %lu kHz, says the timer, which cannot be; times are 0\n", khz);
	instruction_shift = find_instruction_shift();
	begun_at = rdtsc();
}

bool clock_is_known(void)
{
	return ticks_per_ms != 0;
}

uint64_t clock_ms(void)
{
	return !clock_is_known() ? 0 : (rdtsc() - begun_at) / ticks_per_ms;
}

uint64_t clock_instructions(void)
{
	return instruction_shift < 0 ? 0 : rdtsc() >> instruction_shift;
}
