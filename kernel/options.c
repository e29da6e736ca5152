/* SPDX-License-Identifier: MIT */
/*
 * options.c: the kernel's command line, word by word.
 *
 * Words are separated by spaces and tabs; there are no quotes. A word is a name
 * of the table below, '=' and a value; each name has its function, which says
 * whether it can read the value. A word given twice counts as given last, but
 * for reserve=, of which each counts. A bad word changes nothing.
 *
 * It reports to the console and not to the log, whose level is not known yet.
 *
 * Locks: none. Allocates: nothing. Callable from: boot (before there is a second user of
 * `options`); options_parse() from anywhere.
 */
#include "options.h"

#include "bootinfo.h"
#include "console.h"
#include "string.h"

struct options options;

/* A part of the command line: what is left to be read, or one value. Not NUL-terminated. */
struct text {
	const char *start;
	size_t nr_bytes;
};

static bool text_is(struct text text, const char *expected)
{
	return strlen(expected) == text.nr_bytes &&
	       memcmp(expected, text.start, text.nr_bytes) == 0;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

/* The value as a number, and nothing but a number. A blank or the NUL behind it ends it. */
static bool read_number(struct text value, uint64_t *number)
{
	unsigned long result;
	const char *end;

	if (!parse_number(value.start, &result, &end) || end != value.start + value.nr_bytes)
		return false;
	*number = result;
	return true;
}

/*
 * The functions that read one value each. Return: false if the value is bad, and
 * then nothing has changed.
 */

static bool read_log(struct options *parsed, struct text value)
{
	for (int level = 0; level < NR_LOG_LEVELS; level++) {
		if (text_is(value, log_level_names[level])) {
			parsed->log = level;
			return true;
		}
	}
	return false;
}

static bool read_ktest(struct options *parsed, struct text value)
{
	if (value.nr_bytes == 0 || value.nr_bytes >= sizeof(parsed->ktest))
		return false;
	memcpy(parsed->ktest, value.start, value.nr_bytes);
	parsed->ktest[value.nr_bytes] = '\0';
	return true;
}

static bool read_seed(struct options *parsed, struct text value)
{
	return read_number(value, &parsed->seed);
}

static bool read_initramfs(struct options *parsed, struct text value)
{
	if (!text_is(value, "off"))
		return false;
	parsed->initramfs = false;
	return true;
}

/* Which allocation fails: the first is 1. */
static bool read_which(uint64_t *which, struct text value)
{
	uint64_t number;

	if (!read_number(value, &number) || number == 0)
		return false;
	*which = number;
	return true;
}

static bool read_fail_nth(struct options *parsed, struct text value)
{
	return read_which(&parsed->fail_nth, value);
}

static bool read_fail_every(struct options *parsed, struct text value)
{
	return read_which(&parsed->fail_every, value);
}

static bool read_mem(struct options *parsed, struct text value)
{
	return read_number(value, &parsed->mem_bytes);
}

/* SIZE@BASE: neither empty, nor past the end of the address space. */
static bool read_reserve(struct options *parsed, struct text value)
{
	uint64_t bytes, base, end;
	struct text rest;

	if (parsed->nr_reserved == OPTIONS_MAX_RESERVED)
		return false;
	if (!parse_number(value.start, &bytes, &rest.start) || *rest.start != '@')
		return false;
	rest.start++;
	rest.nr_bytes = value.nr_bytes - (size_t)(rest.start - value.start);
	if (!read_number(rest, &base) || bytes == 0 || __builtin_add_overflow(base, bytes, &end))
		return false;

	parsed->reserved[parsed->nr_reserved].base = base;
	parsed->reserved[parsed->nr_reserved].bytes = bytes;
	parsed->nr_reserved++;
	return true;
}

static const struct option {
	const char *name;       /* with its '=' */
	bool (*read)(struct options *parsed, struct text value);
} option_table[] = {
	{ "log=",       read_log },
	{ "ktest=",     read_ktest },
	{ "seed=",      read_seed },
	{ "initramfs=", read_initramfs },
	{ "fail_nth=",  read_fail_nth },
	{ "fail_every=", read_fail_every },
	{ "mem=",       read_mem },
	{ "reserve=",   read_reserve },
};

static const struct option *find_option(struct text word)
{
	for (size_t i = 0; i < ARRAY_LENGTH(option_table); i++) {
		size_t name_bytes = strlen(option_table[i].name);

		if (word.nr_bytes >= name_bytes &&
		    memcmp(word.start, option_table[i].name, name_bytes) == 0)
			return &option_table[i];
	}
	return NULL;
}

static void read_word(struct options *parsed, struct text word)
{
	const struct option *option = find_option(word);
	const char *complaint = "unknown option";

	if (option) {
		size_t name_bytes = strlen(option->name);
		struct text value = { word.start + name_bytes, word.nr_bytes - name_bytes };

		if (option->read(parsed, value))
			return;
		complaint = "bad value in";
	}
	console_printf("options: %s \"%.*s\"\n", complaint, (int)word.nr_bytes, word.start);
	parsed->nr_bad++;
}

void options_parse(struct options *parsed, const char *line)
{
	bool is_first = true;

	*parsed = (struct options){
		.log = LOG_INFO, .seed = 1, .initramfs = true, .mem_bytes = UINT64_MAX,
	};
	for (;;) {
		struct text word = { line, 0 };

		while (is_blank(*word.start))
			word.start++;
		if (*word.start == '\0')
			return;
		while (word.start[word.nr_bytes] != '\0' && !is_blank(word.start[word.nr_bytes]))
			word.nr_bytes++;

		if (!is_first || *word.start != '/')    /* else it is the image's name */
			read_word(parsed, word);
		is_first = false;
		line = word.start + word.nr_bytes;
	}
}

void options_init(void)
{
	options_parse(&options, bootinfo.command_line);
	log_level = options.log;
}
