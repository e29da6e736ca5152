/* SPDX-License-Identifier: MIT */
/*
 * words.h: memory and text, eight bytes at a time, and digits.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#ifndef WORDS_H
#define WORDS_H

#include <stdint.h>

/* Eight bytes of anybody's memory: of any type, at any address. */
struct word {
	uint64_t value;
} __attribute__((packed, may_alias));

#define WORD_BYTES  sizeof(struct word)
#define ONES        0x0101010101010101u /* 1 in each byte of a word */
#define HIGH_BITS   (ONES << 7)

/* The value of a hexadecimal digit, in either case; 16 for any other byte. */
static inline unsigned hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return (unsigned)(digit - '0');
	if (digit >= 'a' && digit <= 'f')
		return (unsigned)(digit - 'a' + 10);
	return digit >= 'A' && digit <= 'F' ? (unsigned)(digit - 'A' + 10) : 16;
}

#endif
