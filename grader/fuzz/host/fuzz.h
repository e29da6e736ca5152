/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h: what a target has, to try the kernel's code on the host.
 *
 * A target is a file of targets/ with fuzz_one(). It hands the bytes that it gets to
 * the kernel, and looks whether what comes back is what the kernel's headers say.
 * AddressSanitizer and UndefinedBehaviorSanitizer look at the rest.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tries one input. The same bytes must always do the same: nothing is kept from one to the next. */
void fuzz_one(const uint8_t *bytes, size_t nr_bytes);

/* Ends the program if `condition` does not hold: a sentence of a header is not kept. */
#define MUST(condition, ...)                                                    \
	do {                                                                    \
		if (!(condition))                                               \
			broken(__FILE__, __LINE__, #condition, __VA_ARGS__);    \
	} while (0)

_Noreturn void broken(const char *file, int line, const char *condition, const char *message, ...)
	__attribute__((format(printf, 4, 5)));

/* A copy that ends where its memory ends, so that a byte read behind it is noticed. To be freed. */
void *exact_copy(const void *bytes, size_t nr_bytes);

/* The same with a NUL behind it. A NUL among the bytes ends the text earlier. */
char *text_copy(const uint8_t *bytes, size_t nr_bytes);

/* ---- what an input is made of, if it is more than one thing */

struct input {
	const uint8_t *next;
	size_t nr_left;
};

/* The next byte, or 0 at the end. */
uint8_t take_byte(struct input *input);

/* The next eight bytes, the lowest first; those behind the end are 0. */
uint64_t take_long(struct input *input);

/* ---- the machine that the kernel runs on */

/* Does this panic? Return: the message, until the next call, or NULL. */
const char *panic_of(void (*work)(void *argument), void *argument);

/* Begins anew: the console has no text, and every allocation succeeds. Each input begins so. */
void machine_begin(void);

/* What the console has received, NUL-terminated. What is too long for it is cut. */
extern char console_text[];

/* Counts allocations from here on, and lets the one of this number (1 = the next) fail. */
void heap_fail_at(size_t number);

size_t heap_nr_tried(void);     /* allocations counted */
size_t heap_nr_live(void);      /* objects that were allocated and not freed; 0 in the end */

/* Maps the first 4 GiB of the machine's RAM, all zero. Once is enough. */
void ram_map(void);

/* Clears what was written to a piece of RAM, a multiple of a page. */
void ram_clear(void *start, size_t nr_bytes);

#endif
