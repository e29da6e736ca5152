/* SPDX-License-Identifier: MIT */
/* options_test.c: tests of the command line's parser. Bad words show up on the console. */
#include "ktest.h"
#include "options.h"
#include "string.h"

static struct options parsed;

KTEST(options, an_empty_line_leaves_the_defaults)
{
	options_parse(&parsed, "");
	CHECK(parsed.log == LOG_INFO && parsed.seed == 1 && parsed.initramfs, "defaults");
	CHECK(parsed.mem_bytes == UINT64_MAX && parsed.nr_reserved == 0, "defaults");
	CHECK(parsed.fail_nth == 0 && parsed.fail_every == 0, "defaults");
	CHECK(parsed.ktest[0] == '\0' && parsed.nr_bad == 0, "defaults");

	options_parse(&parsed, " \t /boot/kernel.elf \t");
	CHECK(parsed.nr_bad == 0, "the image's name is no bad word");
}

KTEST(options, every_option_is_read)
{
	options_parse(&parsed, "/kernel log=debug\tktest=heap.*,frame.?  seed=0x2a initramfs=off "
			       "mem=128M reserve=64K@0x100000 reserve=1@2G fail_nth=3 fail_every=1K");
	CHECK(parsed.nr_bad == 0, "%u bad words", parsed.nr_bad);
	CHECK(parsed.log == LOG_DEBUG && parsed.seed == 42 && !parsed.initramfs, "log, seed");
	CHECK(strcmp(parsed.ktest, "heap.*,frame.?") == 0, "ktest is \"%s\"", parsed.ktest);
	CHECK(parsed.mem_bytes == MIB(128), "mem is %lu", parsed.mem_bytes);
	CHECK(parsed.fail_nth == 3 && parsed.fail_every == 1024, "what fails");
	CHECK(parsed.nr_reserved == 2, "%zu reserved", parsed.nr_reserved);
	CHECK(parsed.reserved[0].base == MIB(1) && parsed.reserved[0].bytes == KIB(64), "first");
	CHECK(parsed.reserved[1].base == GIB(2) && parsed.reserved[1].bytes == 1, "second");
}

KTEST(options, every_log_level_has_its_name)
{
	static const char *const lines[NR_LOG_LEVELS] = {
		"log=error", "log=warn", "log=info", "log=debug",
	};

	for (size_t level = 0; level < NR_LOG_LEVELS; level++) {
		options_parse(&parsed, lines[level]);
		CHECK(parsed.log == level && parsed.nr_bad == 0, "%s", lines[level]);
	}
}

KTEST(options, the_last_of_two_counts)
{
	options_parse(&parsed, "seed=1 log=debug seed=2 log=warn");
	CHECK(parsed.seed == 2 && parsed.log == LOG_WARN, "seed %lu", parsed.seed);
}

KTEST(options, a_bad_word_is_counted_and_changes_nothing)
{
	static const char *const words[] = {
		"quiet", "log", "=", "Log=info", "log=", "log=inf", "log=information", "log=3",
		"ktest=", "seed=", "seed=x", "seed=1x", "seed=-1", "seed=0x", "initramfs=",
		"initramfs=on", "initramfs=offf", "fail_nth=", "fail_nth=0", "fail_every=0", "fail_every=-1", "mem=", "mem=1MB", "mem=99999999999G",
		"reserve=", "reserve=4K", "reserve=4K@", "reserve=@1M", "reserve=0@1M",
		"reserve=4K@1Mx", "reserve=1@0xffffffffffffffff", "reserve=4K,1M", "\"log=info\"",
	};
	static struct options defaults;

	options_parse(&defaults, "");
	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		options_parse(&parsed, words[i]);
		CHECK(parsed.nr_bad == 1, "%u bad words in %s", parsed.nr_bad, words[i]);
		parsed.nr_bad = 0;
		CHECK(memcmp(&parsed, &defaults, sizeof(parsed)) == 0, "after %s", words[i]);
	}
}

KTEST(options, good_words_count_among_bad_ones)
{
	options_parse(&parsed, "/kernel /kernel seed=7 rubbish log=loud mem=1G seed=x");
	CHECK(parsed.nr_bad == 4, "%u bad words", parsed.nr_bad);
	CHECK(parsed.seed == 7 && parsed.mem_bytes == GIB(1), "good ones");
	CHECK(parsed.log == LOG_INFO, "a bad one counted");
}

KTEST(options, only_so_many_ranges_are_reserved)
{
	options_parse(&parsed, "reserve=1@1 reserve=1@2 reserve=1@3 reserve=1@4 reserve=1@5 "
			       "reserve=1@6 reserve=1@7 reserve=1@8 reserve=1@9");
	CHECK(parsed.nr_reserved == OPTIONS_MAX_RESERVED, "%zu reserved", parsed.nr_reserved);
	CHECK(parsed.reserved[OPTIONS_MAX_RESERVED - 1].base == 8, "the last that fits");
	CHECK(parsed.nr_bad == 1, "%u bad words", parsed.nr_bad);
}

KTEST(options, a_list_of_tests_fits_or_is_refused)
{
	static char line[sizeof("ktest=") + sizeof(parsed.ktest)];
	const size_t longest = sizeof(parsed.ktest) - 1;

	memcpy(line, "ktest=", 6);
	memset(line + 6, 'x', longest);
	options_parse(&parsed, line);
	CHECK(parsed.nr_bad == 0 && strlen(parsed.ktest) == longest, "the longest list");

	line[6 + longest] = 'x';
	options_parse(&parsed, line);
	CHECK(parsed.nr_bad == 1 && parsed.ktest[0] == '\0', "one byte longer");
}
