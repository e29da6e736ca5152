/* SPDX-License-Identifier: MIT */
/*
 * options.c: the kernel's command line.
 *
 * An input is a line. What the parser makes of it is written down as a line of good
 * words, which must mean the same once more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "options.h"

#define COMPLAINT "options: "

static unsigned nr_complaints(void)
{
	unsigned nr = 0;

	for (const char *line = console_text; (line = strstr(line, COMPLAINT)) != NULL;
	     line += strlen(COMPLAINT))
		nr += line == console_text || line[-1] == '\n';
	return nr;
}

static void must_be_sound(const struct options *options)
{
	MUST((int)options->log >= 0 && options->log < NR_LOG_LEVELS, "level %d", options->log);
	MUST(memchr(options->ktest, '\0', sizeof(options->ktest)) != NULL, "ktest without an end");
	MUST(options->nr_reserved <= OPTIONS_MAX_RESERVED, "%zu ranges", options->nr_reserved);
	for (size_t i = 0; i < options->nr_reserved; i++)
		MUST(options->reserved[i].bytes > 0 && options->reserved[i].base +
		     options->reserved[i].bytes > options->reserved[i].base, "range %zu: %#lx@%#lx",
		     i, options->reserved[i].bytes, options->reserved[i].base);
}

/* A line of good words that says what `options` says. */
static void write_line(char *line, size_t nr_bytes, const struct options *options)
{
	FILE *file = fmemopen(line, nr_bytes, "w");

	fprintf(file, "log=%s seed=%lu mem=%#lx", log_level_names[options->log], options->seed,
		options->mem_bytes);
	if (options->ktest[0] != '\0')
		fprintf(file, "\tktest=%s", options->ktest);
	if (!options->initramfs)
		fprintf(file, " initramfs=off");
	if (options->fail_nth > 0)
		fprintf(file, " fail_nth=%lu", options->fail_nth);
	if (options->fail_every > 0)
		fprintf(file, " fail_every=%lu", options->fail_every);
	for (size_t i = 0; i < options->nr_reserved; i++)
		fprintf(file, " reserve=%lu@%#lx", options->reserved[i].bytes,
			options->reserved[i].base);
	fclose(file);
}

static void must_be_the_same(const struct options *once, const struct options *again)
{
	MUST(again->nr_bad == 0, "%u bad words: %s", again->nr_bad, console_text);
	MUST(once->log == again->log && once->seed == again->seed &&
	     once->initramfs == again->initramfs && once->mem_bytes == again->mem_bytes &&
	     once->fail_nth == again->fail_nth && once->fail_every == again->fail_every &&
	     strcmp(once->ktest, again->ktest) == 0 && once->nr_reserved == again->nr_reserved,
	     "a word has another meaning");
	for (size_t i = 0; i < once->nr_reserved; i++)
		MUST(once->reserved[i].base == again->reserved[i].base &&
		     once->reserved[i].bytes == again->reserved[i].bytes, "range %zu", i);
}

void fuzz_one(const uint8_t *bytes, size_t nr_bytes)
{
	char *line = text_copy(bytes, nr_bytes), written[1024];
	struct options once, again;

	options_parse(&once, line);
	must_be_sound(&once);
	MUST(once.nr_bad == nr_complaints(), "%u bad words, %u complaints", once.nr_bad,
	     nr_complaints());
	free(line);

	machine_begin();
	write_line(written, sizeof(written), &once);
	options_parse(&again, written);
	must_be_the_same(&once, &again);
}
