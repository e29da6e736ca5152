/* SPDX-License-Identifier: MIT */
/*
 * given_sweep_test.c: the same sweep over what earlier labs and the kernel have: unpacking the
 * initramfs, whose every allocation fails once, and the logger, which must not notice.
 *
 * To reach a failure in the k-th entry, the k - 1 before it must be unpacked. So there are two
 * sweeps: a quick one in pieces of some entries each, and one of the whole archive.
 */
#include <stdint.h>

#include "bootinfo.h"
#include "console.h"
#include "cpio.h"
#include "directory.h"
#include "fail.h"
#include "initramfs.h"
#include "ktest.h"
#include "ktest_heap.h"
#include "ktest_holdings.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "string.h"

#define PIECE_ENTRIES  16

static const uint8_t *archive;             /* the first boot module */
static size_t archive_bytes;
static struct directory directory;

static void find_archive(void)
{
	if (bootinfo.nr_modules == 0)
		SKIP("the boot loader has brought no initramfs");
	archive = phys_to_virt(bootinfo.modules[0].start);
	archive_bytes = bootinfo.modules[0].end - bootinfo.modules[0].start;
	ktest_feed_heap();
}

/* The offset of the entry that many entries behind one, or that of the trailer. */
static size_t skip_entries(size_t offset, unsigned nr)
{
	struct cpio_entry entry;

	while (nr-- > 0 && cpio_read_entry(archive, archive_bytes, offset, &entry) == NULL &&
	       !entry.is_trailer)
		offset = entry.end_bytes;
	return offset;
}

/* What one try has come to. */
struct outcome {
	bool is_unpacked, has_failed;
	size_t nr_entries;              /* that were good before the end */
};

/*
 * Unpacks the entries from one offset to another, with the k-th allocation failing. If it fails,
 * that must be said, and nothing stay behind.
 */
static struct outcome try(size_t start, size_t end, uint64_t k)
{
	struct holdings before = holdings_now();
	struct cpio_error error;
	struct outcome outcome;

	fail_begin(FAIL_NTH, k);
	outcome.is_unpacked = cpio_unpack(&directory, archive + start, end - start, &error);
	outcome.has_failed = fail_end().nr_failed > 0;
	outcome.nr_entries = error.nr_entries;
	if (outcome.has_failed && !outcome.is_unpacked)
		CHECK(strcmp(error.reason, "the heap is exhausted") == 0, "allocation %lu: %s", k, error.reason);
	if (!outcome.is_unpacked)
		CHECK(directory.slots == NULL, "allocation %lu: it failed, and yet something is mounted", k);
	directory_destroy(&directory);
	check_objects(before, "unpacking");
	check_locks_and_frames(before, "unpacking");
	ktest_progress();
	return outcome;
}

KTEST(sweep, each_entry_of_the_initramfs)
{
	size_t start, end, nr_failures = 0, nr_pieces = 0;

	find_archive();
	for (start = skip_entries(0, 0); (end = skip_entries(start, PIECE_ENTRIES)) > start; start = end) {
		uint64_t k = 1;

		while (try(start, end, k).has_failed)
			k++;
		nr_failures += k - 1;
		nr_pieces++;
	}
	ktest_note("%zu allocations failed, in %zu pieces of the initramfs", nr_failures, nr_pieces);
	CHECK(nr_failures >= initramfs.nr_entries, "%zu failed, of %zu entries", nr_failures,
	      initramfs.nr_entries);
}

/*
 * The whole of it, for each k. It takes a minute or more: make sweep LAB=6 TEST='sweep_whole.*' runs it.
 */
KTEST(sweep_whole, the_initramfs)
{
	uint64_t k = 1;

	find_archive();
	while (try(0, archive_bytes, k).has_failed)
		if (k++ % 32 == 0)
			ktest_note("%lu allocations failed", k - 1);
	ktest_note("%lu allocations failed, and nothing stayed behind", k - 1);
	CHECK(k > initramfs.nr_entries, "%lu failed, of %zu entries", k - 1, initramfs.nr_entries);
}

/* The first entries, up to where the directory's table has grown twice. */
KTEST(sweep, where_the_directory_grows)
{
	enum { NR_ENTRIES = 100 };
	size_t start, end;
	uint64_t k = 1;

	find_archive();
	start = skip_entries(0, 0);
	end = skip_entries(start, NR_ENTRIES);
	while (try(start, end, k).has_failed)
		k++;
	ktest_note("%lu allocations failed", k - 1);
	CHECK(k > NR_ENTRIES, "only %lu failed", k - 1);
}

/* ---- the logger */

static char text[8 * LOG_RECORD_BYTES];

/* What the console gets of some records. Return: its bytes. */
static size_t log_some(char *to, size_t capacity_bytes)
{
	struct buffer_sink console;

	buffer_sink_init(&console, to, capacity_bytes);
	log_level = LOG_DEBUG;
	console_copy_to(&console);
	log_error("sweep: %s", "an error");
	log_debug("sweep: %0200u", 7);
	log_dump();
	console_copy_to(NULL);
	log_level = options.log;
	return console.nr_bytes;
}

/* With every allocation failing, it makes none, and writes its records. */
KTEST(sweep, the_logger_does_not_notice)
{
	struct fail_count count;
	size_t nr_bytes;

	fail_begin(FAIL_FROM_NTH, 1);
	nr_bytes = log_some(text, sizeof(text));
	count = fail_end();
	CHECK(count.nr_allocations == 0, "it has made %lu allocations", count.nr_allocations);
	text[nr_bytes < sizeof(text) ? nr_bytes : sizeof(text) - 1] = '\0';
	CHECK(strstr(text, "sweep: an error\n") && strstr(text, "00007\n"), "a record is missing");
}
