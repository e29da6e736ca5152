/* SPDX-License-Identifier: MIT */
/*
 * driver.c: stands in for libFuzzer where there is none, with as many of its options as we use.
 *
 *     TARGET [-artifact_prefix=PATH] [-timeout=SECONDS] FILE…
 *     TARGET … [-seed_inputs=FILE,…] [-seed=N] [-max_total_time=SECONDS] [-runs=N]
 *
 * With files it tries these. Else it tries the seed inputs, changes them at random, and tries
 * that. An input with which new code runs is kept, and changed again. What ends the program,
 * or takes too long, is left in the file PATHcrash-…
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <sanitizer/common_interface_defs.h>

#define MAX_INPUTS     8192
#define MAX_BYTES      8192             /* of an input that is made here */
#define MAX_CHANGES    8
#define NR_BLOCKS      65536            /* that are told apart, by their addresses */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nr_bytes);
void __sanitizer_cov_trace_pc(void);

struct bytes {
	uint8_t *start;
	size_t nr;
};

static struct bytes inputs[MAX_INPUTS];
static size_t nr_inputs;
static uint64_t nr_runs, random_state;

/* The input that is being tried, and where it goes if it is a finding. */
static struct bytes tried;
static struct itimerval limit;          /* of the CPU's time */
static const char *artifact_prefix = "";

/* ---- coverage: the compiler has each block of the code call this */

static uint8_t seen[NR_BLOCKS];
static bool is_new;                     /* a block ran for the first time */

void __sanitizer_cov_trace_pc(void)
{
	size_t block = (uintptr_t)__builtin_return_address(0) % NR_BLOCKS;

	is_new |= !seen[block];
	seen[block] = 1;
}

/* ---- findings */

static void keep_finding(void)
{
	char name[4096];
	int file;

	snprintf(name, sizeof(name), "%scrash-%lu", artifact_prefix, nr_runs);
	file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (file < 0 || write(file, tried.start, tried.nr) != (ssize_t)tried.nr)
		perror(name);
	else
		dprintf(STDERR_FILENO, "written: %s\n", name);
}

/* Whatever is found goes through abort(), and from there to keep_finding(). */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "handle_abort=1:handle_sigill=1";
}

const char *__ubsan_default_options(void)
{
	return "abort_on_error=1:print_stacktrace=1";
}

static void on_time_out(int signal)
{
	dprintf(STDERR_FILENO, "timeout: an input takes more than %ld s\n", limit.it_value.tv_sec);
	keep_finding();
	_exit(70);
}

static void try(struct bytes input)
{
	tried = input;
	nr_runs++;
	setitimer(ITIMER_PROF, &limit, NULL);
	LLVMFuzzerTestOneInput(input.start, input.nr);
}

/* ---- inputs */

static void add_input(const uint8_t *start, size_t nr_bytes)
{
	uint8_t *copy = malloc(nr_bytes + 1);

	if (nr_inputs == MAX_INPUTS || copy == NULL)
		return;
	memcpy(copy, start, nr_bytes);
	inputs[nr_inputs++] = (struct bytes){ copy, nr_bytes };
}

static void read_input(const char *name)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(name, "rb");
	size_t nr_bytes;

	if (file == NULL) {
		perror(name);
		exit(2);
	}
	nr_bytes = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	add_input(bytes, nr_bytes);
}

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators". */
static size_t any_below(size_t limit)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1d >> 32) % limit;
}

/* Replaces [at, at + nr_old) by nr_new bytes, if there is room for them. */
static void splice(uint8_t *input, size_t *nr_bytes, size_t at, size_t nr_old, const uint8_t *with,
		   size_t nr_new)
{
	if (*nr_bytes - nr_old + nr_new > MAX_BYTES)
		return;
	memmove(input + at + nr_new, input + at + nr_old, *nr_bytes - at - nr_old);
	memmove(input + at, with, nr_new);
	*nr_bytes += nr_new - nr_old;
}

static void change(uint8_t *input, size_t *nr_bytes)
{
	static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', ' ', '%', '*', '/', '.', '0' };
	const struct bytes *other = &inputs[any_below(nr_inputs)];
	size_t at = any_below(*nr_bytes + 1), nr_left = *nr_bytes - at;
	uint8_t byte = (uint8_t)any_below(256);
	size_t from = any_below(other->nr + 1), nr_more = any_below(other->nr - from + 1);

	switch (any_below(6)) {
	case 0:
		splice(input, nr_bytes, at, nr_left > 0, &byte, 1);
		break;
	case 1:
		splice(input, nr_bytes, at, nr_left > 0, &odd[any_below(sizeof(odd))], 1);
		break;
	case 2:
		splice(input, nr_bytes, at, 0, &byte, 1);
		break;
	case 3:
		splice(input, nr_bytes, at, any_below(nr_left + 1), &byte, 0);
		break;
	case 4:
		splice(input, nr_bytes, at, 0, other->start + from, nr_more);
		break;
	case 5:
		if (nr_left > 0)
			input[at] ^= (uint8_t)(1 << any_below(8));
		break;
	}
}

static void make_and_try(void)
{
	static uint8_t made[MAX_BYTES];
	const struct bytes *old = &inputs[any_below(nr_inputs)];
	size_t nr_bytes = old->nr < MAX_BYTES ? old->nr : MAX_BYTES;

	memcpy(made, old->start, nr_bytes);
	for (size_t nr_changes = 1 + any_below(MAX_CHANGES); nr_changes > 0; nr_changes--)
		change(made, &nr_bytes);
	is_new = false;
	try((struct bytes){ made, nr_bytes });
	if (is_new)
		add_input(made, nr_bytes);
}

/* The value of the option `name`, which ends in '='; `value` as it was if `word` is another. */
static const char *option(const char *word, const char *name, const char *value)
{
	return strncmp(word, name, strlen(name)) == 0 ? word + strlen(name) : value;
}

int main(int nr_words, char **words)
{
	const char *seconds = "0", *runs = "0", *seed = "1", *seeds = "", *timeout = "10";
	time_t begun = time(NULL), end;
	uint64_t most_runs;

	for (int i = 1; i < nr_words; i++) {
		if (words[i][0] != '-')
			read_input(words[i]);
		artifact_prefix = option(words[i], "-artifact_prefix=", artifact_prefix);
		timeout = option(words[i], "-timeout=", timeout);
		seeds = option(words[i], "-seed_inputs=", seeds);
		seed = option(words[i], "-seed=", seed);
		seconds = option(words[i], "-max_total_time=", seconds);
		runs = option(words[i], "-runs=", runs);
	}
	limit.it_value.tv_sec = strtol(timeout, NULL, 10);
	random_state = strtoull(seed, NULL, 10) | 1ull << 63;
	most_runs = strtoull(runs, NULL, 10);
	end = begun + (time_t)strtoull(seconds, NULL, 10);
	signal(SIGPROF, on_time_out);
	__sanitizer_set_death_callback(keep_finding);

	if (nr_inputs > 0)
		most_runs = end = 0;
	for (char *name = strtok(strdup(seeds), ","); name != NULL; name = strtok(NULL, ","))
		read_input(name);
	for (size_t i = 0, nr_given = nr_inputs; i < nr_given; i++)
		try(inputs[i]);
	if (nr_inputs == 0)
		add_input((const uint8_t *)"", 0);
	while (nr_runs < most_runs || time(NULL) < end)
		make_and_try();
	printf("Done %lu runs in %ld second(s)\n", nr_runs, (long)(time(NULL) - begun));
	return 0;
}
