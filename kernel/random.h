/* SPDX-License-Identifier: MIT */
/*
 * random.h: repeatable random numbers for tests (not for secrets).
 *
 * SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014, figure 16.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state;
};

/* The next number, uniform over all 64-bit values. */
uint64_t random_next(struct random *random);

/* Uniform (to within 2^-32) over 0 … limit - 1; 0 < limit < 2^32. */
uint32_t random_below(struct random *random, uint32_t limit);

#endif
