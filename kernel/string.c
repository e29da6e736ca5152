/* SPDX-License-Identifier: MIT */
/*
 * string.c: memory, text, patterns and numbers.
 *
 * Memory is copied, filled and searched eight bytes at a time. REP STOSQ fills, and REP
 * MOVSQ copies long pieces; for a short one a REP takes too long to start. The direction
 * flag is clear, as the ABI has it (System V AMD64 ABI, section 3.2.1), and stays so: an
 * interrupt handler is C as well.
 *
 * Limits: text is read byte by byte, as nothing may be read behind its NUL. Characters of
 * more than one byte are not known here. This file must be compiled with
 * -fno-tree-loop-distribute-patterns, or GCC may turn a function's loop into a call of that
 * very function.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#include "string.h"

#include <stdint.h>

#include "words.h"

#define REP_WORDS   16  /* from so many words on, a REP is worth its start */
#define PAIR_BYTES  sizeof(struct pair)

struct pair {
	struct word first, second;
};

static struct word *word_at(const uint8_t *at)
{
	return (struct word *)at;
}

static struct pair *pair_at(const uint8_t *at)
{
	return (struct pair *)at;
}

/* Copies 8 to 16 bytes, all of which are read before one is written: as two words, which may overlap. */
static inline void copy_pair(uint8_t *to, const uint8_t *from, size_t nr_bytes)
{
	struct word first = *word_at(from), last = *word_at(from + nr_bytes - WORD_BYTES);

	*word_at(to) = first;
	*word_at(to + nr_bytes - WORD_BYTES) = last;
}

/*
 * Copies upwards: right for ranges that overlap, too, if `to` is the lower one. The last pair of words may
 * share bytes with the one before, so it is read before that one is written.
 */
static inline void copy_up(uint8_t *to, const uint8_t *from, size_t nr_bytes)
{
	size_t nr_words = nr_bytes / WORD_BYTES;
	uint8_t *last_to = to + nr_bytes - PAIR_BYTES;
	struct pair last;

	if (nr_bytes < WORD_BYTES) {
		while (nr_bytes-- > 0)
			*to++ = *from++;
		return;
	}
	if (nr_bytes < PAIR_BYTES) {
		copy_pair(to, from, nr_bytes);
		return;
	}
	last = *pair_at(from + nr_bytes - PAIR_BYTES);
	if (nr_words >= REP_WORDS)
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(nr_words) : : "memory");
	for (; to < last_to; to += PAIR_BYTES, from += PAIR_BYTES)
		copy_pair(to, from, PAIR_BYTES);
	*pair_at(last_to) = last;
}

/* Copies downwards. Not by REP, which would need the direction flag set for that. */
static void copy_down(uint8_t *to, const uint8_t *from, size_t nr_bytes)
{
	while (nr_bytes % WORD_BYTES != 0) {
		nr_bytes--;
		to[nr_bytes] = from[nr_bytes];
	}
	while (nr_bytes > 0) {
		nr_bytes -= WORD_BYTES;
		*(struct word *)(to + nr_bytes) = *(const struct word *)(from + nr_bytes);
	}
}

void *memcpy(void *restrict to, const void *restrict from, size_t nr_bytes)
{
	copy_up(to, from, nr_bytes);
	return to;
}

void *memmove(void *to, const void *from, size_t nr_bytes)
{
	if ((uintptr_t)to < (uintptr_t)from)
		copy_up(to, from, nr_bytes);
	else
		copy_down(to, from, nr_bytes);
	return to;
}

void *memset(void *to, int byte, size_t nr_bytes)
{
	void *result = to;
	uint64_t pattern = (uint8_t)byte * ONES;
	size_t nr_words = nr_bytes / WORD_BYTES;
	size_t nr_rest = nr_bytes % WORD_BYTES;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(nr_words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(nr_rest) : "a"(pattern) : "memory");
	return result;
}

/* By unsigned bytes: the sign says which is greater, the difference is of the first that differ. */
int memcmp(const void *a, const void *b, size_t nr_bytes)
{
	const uint8_t *left = a, *right = b;

	for (size_t i = 0; i < nr_bytes; i++) {
		if (left[i] != right[i])
			return left[i] - right[i];
	}
	return 0;
}

/*
 * A bit in each byte of a word that is zero, and perhaps in some above the lowest of these.
 * (Warren, Hacker's Delight, section 6-1)
 */
static uint64_t zero_bytes(uint64_t word)
{
	return (word - ONES) & ~word & HIGH_BITS;
}

/*
 * Plain text is skipped by pairs of words: a difference to the byte has no bit 7 there, and a subtraction
 * sets that only in a byte that is zero. The last word may share bytes with the one before: in those the
 * byte was not found.
 */
void *memchr(const void *memory, int byte, size_t nr_bytes)
{
	const uint8_t *at = memory, *last = at + nr_bytes - WORD_BYTES;
	uint64_t pattern = (uint8_t)byte * ONES, found;

	if (nr_bytes < WORD_BYTES) {
		for (; nr_bytes > 0; at++, nr_bytes--)
			if (*at == (uint8_t)byte)
				return (void *)at;
		return NULL;
	}
	for (; at + WORD_BYTES < last; at += PAIR_BYTES) {
		uint64_t first = word_at(at)->value ^ pattern, second = word_at(at + WORD_BYTES)->value ^ pattern;

		if ((((first - ONES) | (second - ONES)) & HIGH_BITS) != 0)
			break;
	}
	for (; at < last; at += WORD_BYTES) {
		found = zero_bytes(word_at(at)->value ^ pattern);
		if (found != 0)
			return (void *)(at + (unsigned)__builtin_ctzl(found) / 8);
	}
	found = zero_bytes(word_at(last)->value ^ pattern);
	return found != 0 ? (void *)(last + (unsigned)__builtin_ctzl(found) / 8) : NULL;
}

size_t strlen(const char *text)
{
	return strnlen(text, SIZE_MAX);
}

size_t strnlen(const char *text, size_t limit_bytes)
{
	size_t nr_bytes = 0;

	while (nr_bytes < limit_bytes && text[nr_bytes] != '\0')
		nr_bytes++;
	return nr_bytes;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t limit_bytes)
{
	for (size_t i = 0; i < limit_bytes; i++) {
		if (a[i] != b[i])
			return (uint8_t)a[i] - (uint8_t)b[i];
		if (a[i] == '\0')
			return 0;
	}
	return 0;
}

/* The NUL is part of the text: it can be searched for. */
char *strchr(const char *text, int byte)
{
	for (; *text != (char)byte; text++) {
		if (*text == '\0')
			return NULL;
	}
	return (char *)text;
}

char *strstr(const char *text, const char *part)
{
	for (; !starts_with(text, part); text++) {
		if (*text == '\0')
			return NULL;
	}
	return (char *)text;
}

/* Adds up neighbours: of 2 bits, of 4, of 8; the product's highest byte is the sum of all bytes. */
int __popcountdi2(unsigned long word)
{
	word -= word >> 1 & 0x5555555555555555;
	word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (int)(word * 0x0101010101010101 >> 56);
}

bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/*
 * When the text stops matching, only the last * may take in one byte more: an
 * earlier one could not reach anything that the last one cannot. So one place to
 * go back to is enough, and the cost is at most the product of the two lengths.
 */
bool glob_matches(const char *pattern, const char *text)
{
	const char *after_star = NULL;  /* pattern behind the last * */
	const char *retry = NULL;       /* where the text goes on behind what that * took */

	while (*text != '\0') {
		if (*pattern == '*') {
			after_star = ++pattern;
			retry = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (after_star) {
			pattern = after_star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* How far a size's suffix shifts: K, M and G count 2^10, 2^20 and 2^30; 0 for any other byte. */
static unsigned suffix_shift(char suffix)
{
	switch (suffix) {
	case 'K': return 10;
	case 'M': return 20;
	case 'G': return 30;
	default:  return 0;
	}
}

/* On failure *value and *end are as they were. */
bool parse_number(const char *text, unsigned long *value, const char **end)
{
	unsigned base = starts_with(text, "0x") ? 16 : 10;
	const char *next = base == 16 ? text + 2 : text;
	unsigned long number = 0;
	unsigned shift;

	if (hex_digit(*next) >= base)
		return false;
	for (; hex_digit(*next) < base; next++) {
		if (__builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, hex_digit(*next), &number))
			return false;
	}

	shift = suffix_shift(*next);
	if (shift > 0)
		next++;
	if (number << shift >> shift != number)
		return false;
	*value = number << shift;
	*end = next;
	return true;
}
