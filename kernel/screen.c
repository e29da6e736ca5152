/* SPDX-License-Identifier: MIT */
/*
 * screen.c: characters in VGA text memory. See screen.h.
 *
 * A cell is a byte of text and, above it, a byte of colours.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "screen.h"

#include <stdbool.h>
#include <stdint.h>

#include "cpu.h"
#include "memory.h"

#define GRAPHICS_INDEX    0x3ce
#define GRAPHICS_DATA     0x3cf
#define MISCELLANEOUS     6
#define IS_GRAPHICS       0x01  /* also what a port without a device reads as */

#define NR_COLUMNS        80u
#define NR_CELLS          (25 * NR_COLUMNS)
#define GREY_ON_BLACK     0x0700

static bool is_there;
static bool moves = true;
static unsigned nr_written;     /* cells, up to the one that is written next */

static volatile uint16_t *cell(unsigned number)
{
	return (volatile uint16_t *)phys_to_virt(SCREEN_PHYSICAL) + number;
}

static void clear(unsigned from)
{
	for (unsigned i = from; i < NR_CELLS; i++)
		*cell(i) = GREY_ON_BLACK | ' ';
	nr_written = from;
}

static void move_up(void)
{
	for (unsigned i = 0; i < NR_CELLS - NR_COLUMNS; i++)
		*cell(i) = *cell(i + NR_COLUMNS);
	clear(NR_CELLS - NR_COLUMNS);
}

void screen_init(void)
{
	outb(GRAPHICS_INDEX, MISCELLANEOUS);
	is_there = (inb(GRAPHICS_DATA) & IS_GRAPHICS) == 0;
	if (is_there)
		clear(0);
}

static void put(char byte)
{
	if (nr_written == NR_CELLS && moves)
		move_up();
	if (nr_written == NR_CELLS)
		return;
	if (byte == '\n')
		nr_written += NR_COLUMNS - nr_written % NR_COLUMNS;
	else
		*cell(nr_written++) = GREY_ON_BLACK | (uint8_t)byte;
}

void screen_write(const char *text, size_t nr_bytes)
{
	for (size_t i = 0; is_there && i < nr_bytes; i++)
		put(text[i]);
}

void screen_keep_first(void)
{
	if (is_there)
		clear(0);
	moves = false;
}
