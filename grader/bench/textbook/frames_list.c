/* SPDX-License-Identifier: MIT */
/*
 * frames_list.c: a textbook design. Free frames hang in one list, and the link lies in
 * the frame. There are only single frames: runs it cannot find.
 */
#include "subjects.h"

struct free_frame {
	struct free_frame *next;
};

static char *frames;
static struct free_frame *free_frames;

static void give(uint64_t base, unsigned order)
{
	struct free_frame *frame = (struct free_frame *)(frames + base - FIRST_FRAME * FRAME_BYTES);

	frame->next = free_frames;
	free_frames = frame;
}

static uint64_t take(unsigned order)
{
	struct free_frame *frame = free_frames;

	if (order > 0 || !frame)
		return FRAME_NONE;
	free_frames = frame->next;
	return (uint64_t)((char *)frame - frames) + FIRST_FRAME * FRAME_BYTES;
}

static void init(char *memory, size_t nr_frames)
{
	frames = memory;
	for (size_t i = nr_frames; i > 0; i--)
		give((FIRST_FRAME + i - 1) * FRAME_BYTES, 0);
}

const struct frame_subject frames_list = {
	.name = "free-list", .init = init, .take = take, .give = give,
};
