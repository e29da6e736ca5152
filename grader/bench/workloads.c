/* SPDX-License-Identifier: MIT */
/* workloads.c: see workload.h. Runs on the host and in the kernel, and needs of either only random.c. */
#include "workload.h"

#include "memory.h"
#include "random.h"
#include "string.h"

static struct workload *made;              /* the workload that is being made */
static struct random randomness;

/* All slots, each once: those in use come first. */
static uint32_t slots[WORKLOAD_MAX_SLOTS];
static uint32_t places[WORKLOAD_MAX_SLOTS];        /* by slot: where in slots[] it is */
static uint32_t sizes[WORKLOAD_MAX_SLOTS];         /* by slot, while it is in use */
static size_t nr_in_use;

static uint32_t take(uint32_t size)
{
	uint32_t slot = slots[nr_in_use++];

	sizes[slot] = size;
	made->ops[made->nr_ops++] = (struct op){ .kind = OP_TAKE, .slot = slot, .size = size };
	return slot;
}

static void swap(size_t at, size_t other)
{
	uint32_t slot = slots[at];

	slots[at] = slots[other];
	slots[other] = slot;
	places[slots[at]] = (uint32_t)at;
	places[slot] = (uint32_t)other;
}

static void give(uint32_t slot)
{
	made->ops[made->nr_ops++] = (struct op){ .kind = OP_GIVE, .slot = slot, .size = sizes[slot] };
	swap(places[slot], --nr_in_use);
}

/* A slot in use, any of them. */
static uint32_t any(void)
{
	return slots[random_below(&randomness, (uint32_t)nr_in_use)];
}

static uint32_t between(uint32_t least, uint32_t most)
{
	return least + random_below(&randomness, most - least + 1);
}

/* 2^(1/2), 2^(1/4), … as multiples of 2^-30. */
static const uint32_t roots_of_two[] = {
	0x5a82799a, 0x4c1bf829, 0x45cae0f2, 0x42d561b4, 0x4166c34c,
	0x40b268fa, 0x4058f6a8, 0x402c6be9, 0x4016321b, 0x400b1818,
};

/* 16 … 4096, every doubling as likely as any other. */
static uint32_t log_uniform(void)
{
	uint64_t bytes = 16ull << 20;

	for (unsigned i = 0; i < ARRAY_LENGTH(roots_of_two); i++)
		if (random_below(&randomness, 2))
			bytes = bytes * roots_of_two[i] >> 30;
	return (uint32_t)(bytes << random_below(&randomness, 8) >> 20);
}

/* ---- heap */

static void make_directory(void)
{
	enum { NR_ENTRIES = 10000, NODE_BYTES = 64, BUCKET_BYTES = 8 };
	uint32_t nr_buckets = 64, table = take(nr_buckets * BUCKET_BYTES);
	static uint32_t nodes[NR_ENTRIES], names[NR_ENTRIES];

	for (uint32_t i = 0; i < NR_ENTRIES; i++) {
		nodes[i] = take(NODE_BYTES);
		names[i] = take(between(8, 64));
		if (i == nr_buckets) {
			uint32_t larger = take(2 * nr_buckets * BUCKET_BYTES);

			give(table);
			table = larger;
			nr_buckets *= 2;
		}
	}
	for (uint32_t left = NR_ENTRIES; left > 0; left--) {
		uint32_t i = random_below(&randomness, left);

		give(nodes[i]);
		give(names[i]);
		nodes[i] = nodes[left - 1];
		names[i] = names[left - 1];
	}
	give(table);
}

static void make_mixture(void)
{
	enum { NR_OPS = 200000, LEAST = 3000, SPREAD = 2000 };

	for (unsigned i = 0; i < NR_OPS; i++) {
		if (LEAST + random_below(&randomness, SPREAD) >= nr_in_use)
			take(log_uniform());
		else
			give(any());
	}
}

static void make_stack(void)
{
	enum { NR_ROUNDS = 20, DEPTH = 1000, BYTES = 64 };
	static uint32_t stack[DEPTH];

	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		for (unsigned i = 0; i < DEPTH; i++)
			stack[i] = take(BYTES);
		for (unsigned i = DEPTH; i > 0; i--)
			give(stack[i - 1]);
	}
}

/* ---- frames */

#define NR_FRAME_OPS 20000

/* Single frames, such that nr_least to nr_least + spread are in use. */
static void churn_singles(size_t nr_least, size_t spread)
{
	for (unsigned i = 0; i < NR_FRAME_OPS; i++) {
		if (nr_least + random_below(&randomness, (uint32_t)spread) >= nr_in_use)
			take(0);
		else
			give(any());
	}
}

static void fill_but_one_percent(size_t nr_frames)
{
	while (nr_in_use < nr_frames)
		take(0);
	while (nr_in_use > nr_frames - nr_frames / 100)
		give(any());
	made->nr_setup = made->nr_ops;
}

static void make_fresh(size_t nr_frames)
{
	churn_singles(0, 1000);
}

static void make_full(size_t nr_frames)
{
	fill_but_one_percent(nr_frames);
	churn_singles(nr_frames - nr_frames / 50, nr_frames / 50);
}

/* Takes a run or gives one back. Return: by how many frames that changes what is in use. */
static long take_run(void)
{
	uint32_t order = random_below(&randomness, 7);

	take(order);
	return 1l << order;
}

static long give_run(void)
{
	uint32_t slot = any();

	give(slot);
	return -(1l << sizes[slot]);
}

static void make_runs(size_t nr_frames)
{
	size_t used = 0, half = nr_frames / 2;

	while (used < half + half / 2)
		used += (size_t)take_run();
	while (used > half)
		used += (size_t)give_run();
	made->nr_setup = made->nr_ops;
	for (unsigned i = 0; i < NR_FRAME_OPS; i++)
		used += (size_t)(used < half ? take_run() : give_run());
}

static void make_refused(size_t nr_frames)
{
	fill_but_one_percent(nr_frames);
	for (unsigned i = 0; i < 1000; i++)
		take(3);
}

static void make_drain(size_t nr_frames)
{
	while (nr_in_use < nr_frames)
		take(0);
}

/* ---- all of them */

static const struct {
	const char *name;
	void (*make_for_heap)(void);
	void (*make_for_frames)(size_t nr_frames);
} kinds[] = {
	{ "a", make_directory, NULL },
	{ "b", make_mixture, NULL },
	{ "c", make_stack, NULL },
	{ "fresh", NULL, make_fresh },
	{ "full", NULL, make_full },
	{ "runs", NULL, make_runs },
	{ "refused", NULL, make_refused },
	{ "drain", NULL, make_drain },
};

bool workload_make(struct workload *workload, const char *name, struct op *ops, size_t nr_frames)
{
	*workload = (struct workload){ .ops = ops };
	made = workload;
	randomness = (struct random){ .state = 1 };
	nr_in_use = 0;
	for (uint32_t i = 0; i < WORKLOAD_MAX_SLOTS; i++)
		slots[i] = places[i] = i;
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		if (kinds[i].make_for_heap)
			kinds[i].make_for_heap();
		else
			kinds[i].make_for_frames(nr_frames);
		return true;
	}
	return false;
}
