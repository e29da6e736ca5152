/* SPDX-License-Identifier: MIT */
/*
 * screen.h: the VGA text screen, 80 columns by 25 rows, for output only.
 *
 * The console uses it for the banner, for a kernel's last words, and for everything where
 * there is no serial port. Where the screen shows graphics, as after a start by UEFI, or there
 * is none, writing does nothing.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 *
 * Source: IBM VGA technical reference (graphics controller, register 6; text memory at 0xb8000).
 */
#ifndef SCREEN_H
#define SCREEN_H

#include <stddef.h>

#include "layout.h"

#define SCREEN_PHYSICAL  0xb8000
#define SCREEN_BYTES     (1ul << PAGE_SHIFT)    /* of which 80 * 25 * 2 are seen */

/* Looks for the screen, and clears it. */
void screen_init(void);

/* Writes at the end of what is there; a full screen moves up by a row. */
void screen_write(const char *text, size_t nr_bytes);

/* Clears the screen. From now on it does not move: what no longer fits is lost, not what came first. */
void screen_keep_first(void);

#endif
