/* SPDX-License-Identifier: MIT */
/*
 * words.h: memory and text, eight bytes at a time, and digits.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>
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

/*
 * Builds the decimal digits of a number before `end`, none for 0, two at a time: a pair costs little
 * more than a digit, as the product that divides is dear.
 * Return: the first digit.
 */
static inline char *build_decimal(char *end, uint64_t value)
{
	static const char pairs[] =
		"0001020304050607080910111213141516171819"
		"2021222324252627282930313233343536373839"
		"4041424344454647484950515253545556575859"
		"6061626364656667686970717273747576777879"
		"8081828384858687888990919293949596979899";

	while (value >= 10) {
		uint64_t hundreds = value / 100;
		size_t rest = (uint32_t)value - 100 * (uint32_t)hundreds;       /* in 32 bits: shorter */

		end -= 2;
		__builtin_memcpy(end, &pairs[2 * rest], 2);
		value = hundreds;
	}
	if (value > 0)
		*--end = (char)('0' + value);
	return end;
}

#endif
