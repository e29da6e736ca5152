/* SPDX-License-Identifier: MIT */
/* frame_state.c: the buddy allocator, lab 1's file as it is, and what its tables say. */
#include "labs/01-frames/frame.c"

#include "machine.h"

/* The order of the block that starts at a frame, by its tag. */
static unsigned order_of(size_t frame)
{
	return tags[frame] & 0xf;
}

static bool starts_block(size_t frame)
{
	return tags[frame] >= TAG_FREE;
}

/*
 * Blocks as [frame, order, is it free?]. While a block is being split, its first frame still has the tag
 * of the whole: it is shown as the largest block that ends before the next one starts.
 */
void say_frames(void)
{
	const char *comma = "";

	say("\"first_frame\":%zu,\"end_frame\":%zu,\"blocks\":[", MACHINE_RAM_BASE >> PAGE_SHIFT,
	    MACHINE_RAM_END >> PAGE_SHIFT);
	for (size_t frame = MACHINE_RAM_BASE >> PAGE_SHIFT; frame < nr_tags; frame++) {
		unsigned order = order_of(frame);
		size_t next = frame + 1;

		if (!starts_block(frame))
			continue;
		while (next < frame + (1ul << order) && !starts_block(next))
			next++;
		while (frame + (1ul << order) > next)
			order--;
		say("%s[%zu,%u,%s]", comma, frame, order, tags[frame] < TAG_ALLOCATED ? "true" : "false");
		comma = ",";
	}
	say("]");
}
