/* SPDX-License-Identifier: MIT */
/*
 * subjects.h: the allocators that are measured, behind one interface.
 *
 * A textbook design has a file of its own in textbook/. It is here to be compared
 * with, and as simple as the textbook has it: no checks, no locks.
 */
#ifndef SUBJECTS_H
#define SUBJECTS_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_BYTES     4096ul
#define FIRST_FRAME     256ul           /* at 1 MiB: the kernel has no RAM of its own below */
#define NR_FRAMES       (1ul << 18)     /* 1 GiB */

struct heap_subject {
	const char *name;
	void (*init)(char *memory, size_t nr_bytes);
	void *(*take)(size_t bytes);
	void (*give)(void *object);
};

#define FRAME_NONE (~(uint64_t)0)

struct frame_subject {
	const char *name;
	void (*init)(char *memory, size_t nr_frames);   /* from FIRST_FRAME on */
	uint64_t (*take)(unsigned order);
	void (*give)(uint64_t base, unsigned order);
};

extern const struct heap_subject heap_ouroboros, heap_empty, heap_malloc;
extern const struct heap_subject heap_first_fit, heap_address_ordered, heap_knr, heap_buddy;

extern const struct frame_subject frames_ouroboros, frames_empty, frames_list, frames_bitmap;

#endif
