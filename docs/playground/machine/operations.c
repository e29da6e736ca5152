/* SPDX-License-Identifier: MIT */
/* operations.c: what the user of the playground can do. */
#include "machine.h"

#include "frame.h"
#include "heap.h"
#include "initramfs.h"
#include "log.h"
#include "string.h"

struct thing things[MAX_THINGS];
size_t nr_things;

/* Notes down what was got. */
static void keep(void *object, paddr_t base, size_t size)
{
	things[nr_things++] = (struct thing){ object, base, size, true };
}

static void give_back(struct thing *thing)
{
	thing->is_live = false;
	if (thing->object)
		kfree(thing->object);
	else
		frame_free(thing->base, (unsigned)thing->size);
}

static const char *fill(unsigned long bytes, unsigned long count)
{
	if (count == 0 || count > MAX_THINGS - nr_things)
		return "too many: there can be 4096 things, those that were freed included";
	while (count-- > 0) {
		void *object = kmalloc(bytes);

		if (!object) {
			console_printf("kmalloc(%lu): NULL, the heap is exhausted\n", bytes);
			break;
		}
		keep(object, PADDR_NONE, bytes);
	}
	return NULL;
}

static const char *take(unsigned long order)
{
	paddr_t base;

	if (order > FRAME_MAX_ORDER)
		return "no such order: they go from 0 to 10";
	if (nr_things == MAX_THINGS)
		return "too many: there can be 4096 things, those that were freed included";
	base = frame_alloc((unsigned)order);
	if (base == PADDR_NONE)
		console_printf("frame_alloc(%lu): PADDR_NONE, no block is large enough\n", order);
	else
		keep(NULL, base, order);
	return NULL;
}

static void free_all(void)
{
	for (size_t i = 0; i < nr_things; i++)
		if (things[i].is_live)
			give_back(&things[i]);
}

static void log_things(void)
{
	unsigned nr_live = 0;

	for (size_t i = 0; i < nr_things; i++)
		nr_live += things[i].is_live;
	log_info("playground: %u things so far, %u of them in use", (unsigned)nr_things, nr_live);
}

static void unpack(void)
{
	directory_destroy(&initramfs);
	initramfs_init();
}

/* Reads as many numbers as `words` must have. Return: false if it has others, or more or fewer. */
static bool read_numbers(const char *words, unsigned long *numbers, size_t nr_numbers)
{
	for (size_t i = 0; i < nr_numbers; i++)
		if (*words++ != ' ' || !parse_number(words, &numbers[i], &words))
			return false;
	return *words == '\0';
}

const char *machine_do(const char *words)
{
	unsigned long numbers[2];

	if (strcmp(words, "free all") == 0) {
		free_all();
	} else if (strcmp(words, "unpack") == 0) {
		unpack();
	} else if (strcmp(words, "dmesg") == 0) {
		log_dump();
	} else if (strcmp(words, "log") == 0) {
		log_things();
	} else if (starts_with(words, "allocate") && read_numbers(words + strlen("allocate"), numbers, 1)) {
		return fill(numbers[0], 1);
	} else if (starts_with(words, "fill") && read_numbers(words + strlen("fill"), numbers, 2)) {
		return fill(numbers[0], numbers[1]);
	} else if (starts_with(words, "take") && read_numbers(words + strlen("take"), numbers, 1)) {
		return take(numbers[0]);
	} else if (starts_with(words, "free") && read_numbers(words + strlen("free"), numbers, 1)) {
		if (numbers[0] == 0 || numbers[0] > nr_things)
			return "there is no thing of this number";
		give_back(&things[numbers[0] - 1]);
	} else {
		return "no such operation";
	}
	return NULL;
}
