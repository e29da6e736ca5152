/* SPDX-License-Identifier: MIT */
/*
 * machine.h: the machine of the playground: the labs' own files, and what they need below them.
 *
 * It is built twice: as a WebAssembly module for a page, and as a program for the host, whose
 * states the tests compare with the page's.
 *
 * RAM is one range of frames, two blocks of the largest order. Behind it lies the archive of
 * the initramfs. A module has its own variables and its stack below RAM.
 */
#ifndef PLAYGROUND_MACHINE_H
#define PLAYGROUND_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

#define MACHINE_RAM_BASE  MIB(4)
#define MACHINE_RAM_END   MIB(12)
#define MACHINE_END       MIB(16)       /* of the memory that holds RAM and the archive */

/* What the user holds, or has held: an object of the heap or a block of frames. */
struct thing {
	void *object;           /* NULL: it is a block */
	paddr_t base;           /* of a block */
	size_t size;            /* bytes of an object, order of a block */
	bool is_live;           /* not given back yet */
};

#define MAX_THINGS 4096

extern struct thing things[MAX_THINGS];
extern size_t nr_things;                /* things[0] is number 1 for the user */

/* ---- what the outside gives: the page's worker, or main.c */

/* Takes text of the console. */
void outside_write(const char *text, size_t nr_bytes);

/* The CPU waits for a lock, or has panicked, for good. Neither returns. */
_Noreturn void outside_waits(void);
_Noreturn void outside_panicked(void);

/* ---- what the outside calls */

/* Starts the machine, with an archive of so many bytes behind RAM, and a log level (0 … 3). */
void machine_start(size_t archive_bytes, unsigned log_level);

/*
 * Carries out one operation, in words:
 *
 *     allocate BYTES          an object of the heap: the next thing
 *     fill BYTES COUNT        so many of them, or fewer if the heap is exhausted
 *     take ORDER              a block of 2^ORDER frames: the next thing
 *     free NUMBER             gives a thing back; twice is a mistake
 *     free all                gives back everything that is live
 *     unpack                  the archive, once more if it was unpacked before
 *     log                     a record of level info
 *     dmesg                   the records that the log has kept
 *
 * Return: NULL, or what is wrong with the words; then nothing has been done.
 */
const char *machine_do(const char *words);

/* The state as JSON, NUL-terminated, valid until the next call. It takes no lock and changes nothing. */
const char *machine_state(void);

/* ---- parts of the state, each written by a file that knows the module's own variables */

/* Adds text to the state. */
void say(const char *template, ...) __attribute__((format(printf, 1, 2)));

void say_frames(void);
void say_heap(void);
void say_log(void);

#endif
