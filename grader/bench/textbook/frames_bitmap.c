/* SPDX-License-Identifier: MIT */
/*
 * frames_bitmap.c: a textbook design. A bit a frame, set while it is free. A search
 * goes on, 64 frames at a step, where the last one ended; of an order it finds only
 * runs that are aligned to their size.
 */
#include "subjects.h"

#include <string.h>

#define PAGE_SHIFT  12
#define WORD_FRAMES 64ul
#define MAX_WORDS   (NR_FRAMES / WORD_FRAMES)

static uint64_t free_frames[MAX_WORDS];
static size_t nr_words, first_word;

static void init(char *memory, size_t nr_frames)
{
	nr_words = nr_frames / WORD_FRAMES;
	memset(free_frames, 0xff, nr_words * sizeof(free_frames[0]));
}

/* Of a word's bits, those at which an aligned run of 2^order frames starts. */
static uint64_t starts(uint64_t word, unsigned order)
{
	static const uint64_t aligned[] = {
		~0ul, 0x5555555555555555, 0x1111111111111111, 0x0101010101010101,
		0x0001000100010001, 0x0000000100000001, 1,
	};

	for (unsigned k = 0; k < order; k++)
		word &= word >> (1u << k);
	return word & aligned[order];
}

static uint64_t run_mask(unsigned order)
{
	return order == 6 ? ~0ul : (1ul << (1u << order)) - 1;
}

static uint64_t take(unsigned order)
{
	if (order > 6)
		return FRAME_NONE;
	for (size_t i = 0; i < nr_words; i++) {
		size_t word = first_word + i < nr_words ? first_word + i : first_word + i - nr_words;
		uint64_t found = starts(free_frames[word], order);
		unsigned bit;

		if (!found)
			continue;
		bit = (unsigned)__builtin_ctzl(found);
		free_frames[word] &= ~(run_mask(order) << bit);
		first_word = word;
		return (FIRST_FRAME + word * WORD_FRAMES + bit) << PAGE_SHIFT;
	}
	return FRAME_NONE;
}

static void give(uint64_t base, unsigned order)
{
	size_t frame = (base >> PAGE_SHIFT) - FIRST_FRAME;

	free_frames[frame / WORD_FRAMES] |= run_mask(order) << frame % WORD_FRAMES;
}

const struct frame_subject frames_bitmap = {
	.name = "bitmap", .init = init, .take = take, .give = give,
};
