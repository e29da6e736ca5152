/* SPDX-License-Identifier: MIT */
/*
 * options.h: the kernel's command line.
 *
 *   log=error|warn|info|debug   what the log shows (info)
 *   ktest=GLOB[,GLOB…]          run these in-kernel tests, then power off
 *   seed=N                      seed of the tests' random numbers (1)
 *   initramfs=off               leave the initramfs packed
 *   fail_nth=K                  the K-th allocation fails, from fail_init() on (fail.h)
 *   fail_every=K                every K-th does
 *   mem=SIZE                    use no RAM above SIZE (SIZE takes K, M or G)
 *   reserve=SIZE@BASE           leave this range alone; may be given 8 times
 *
 * A word that is none of these, or has a bad value, is reported on the console
 * and otherwise ignored. The first word is the image's name if it starts with '/'.
 *
 * Locks: none. Allocates: nothing. Callable from: boot; options_parse() from anywhere.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "memory.h"

#define OPTIONS_MAX_RESERVED  8

struct options {
	enum log_level log;
	char ktest[256];                /* "" = run no tests */
	uint64_t seed;
	bool initramfs;
	uint64_t fail_nth, fail_every;  /* 0 = none fails on purpose */
	uint64_t mem_bytes;             /* UINT64_MAX = all there is */
	size_t nr_reserved;
	struct { paddr_t base; uint64_t bytes; } reserved[OPTIONS_MAX_RESERVED];
	unsigned nr_bad;                /* words reported */
};

extern struct options options;

/* Reads `line` into `parsed`, starting from the defaults. Reports bad words. */
void options_parse(struct options *parsed, const char *line);

/* Reads the boot loader's command line into the global `options`. */
void options_init(void);

#endif
