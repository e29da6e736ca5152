/* SPDX-License-Identifier: MIT */
/*
 * log_test.c: lab 4's tests: the logger needs nothing but itself.
 *
 * What was logged is read back from a copy of the console's output. The tests
 * know no more of the logger than log.h says.
 */
#include <stdbool.h>

#include "clock.h"
#include "console.h"
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "log.h"
#include "memory.h"
#include "string.h"

#define FENCE_BYTE  0x5a

static char output[32768];
static struct buffer_sink copy;
static enum log_level old_level;

/* Starts to copy the console's output, with the log at `level`. */
static void listen(enum log_level level)
{
	old_level = log_level;
	log_level = level;
	buffer_sink_init(&copy, output, sizeof(output) - 1);
	console_copy_to(&copy);
}

/* Ends what listen() began. Return: the output since then. */
static const char *heard(void)
{
	console_copy_to(NULL);
	log_level = old_level;
	output[copy.nr_bytes] = '\0';
	return output;
}

static size_t count_calls(void)
{
	struct heap_stats stats;

	heap_stats(&stats);
	return stats.nr_calls;
}

static unsigned count(const char *text, const char *part)
{
	unsigned nr_found = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		nr_found++;
	return nr_found;
}

static void build_fences(void)
{
	memset(log_storage.fence_before, FENCE_BYTE, LOG_FENCE_BYTES);
	memset(log_storage.fence_between, FENCE_BYTE, LOG_FENCE_BYTES);
	memset(log_storage.fence_after, FENCE_BYTE, LOG_FENCE_BYTES);
}

static void check_fences(void)
{
	for (size_t i = 0; i < LOG_FENCE_BYTES; i++) {
		CHECK(log_storage.fence_before[i] == FENCE_BYTE, "%zu bytes below the line",
		      LOG_FENCE_BYTES - i);
		CHECK(log_storage.fence_between[i] == FENCE_BYTE, "byte %zu behind the line", i);
		CHECK(log_storage.fence_after[i] == FENCE_BYTE, "byte %zu behind the ring", i);
	}
}

/* A text of nr_bytes, each byte telling its place. */
static const char *long_text(size_t nr_bytes)
{
	static char text[2048];

	for (size_t i = 0; i < nr_bytes; i++)
		text[i] = (char)('a' + i % 26);
	text[nr_bytes] = '\0';
	return text;
}

/* The bytes of a record that are not its text. */
static size_t bytes_around_text(void)
{
	listen(LOG_INFO);
	log_info("%s", "");
	heard();
	return copy.nr_bytes;
}

KTEST(log, a_record_has_time_level_and_text)
{
	const char *record;

	listen(LOG_INFO);
	log_info("test: %s number %d", "record", 7);
	record = heard();
	CHECK(record[0] == '[' && record[3] == '.' && record[7] == ']', "got %s", record);
	CHECK(strcmp(record + 8, " info  test: record number 7\n") == 0, "got %s", record);
}

KTEST(log, records_above_the_level_are_dropped)
{
	listen(LOG_WARN);
	log_info("test: info");
	log_warn("test: warn");
	log_debug("test: debug");
	log_error("test: error");
	heard();
	CHECK(count(output, "test: ") == 2, "got %s", output);
	CHECK(strstr(output, "test: warn") < strstr(output, "test: error"), "got %s", output);
}

KTEST(log, a_record_that_just_fits_is_whole)
{
	size_t overhead = bytes_around_text();

	listen(LOG_INFO);
	log_info("%s", long_text(LOG_RECORD_BYTES - overhead));
	heard();
	CHECK(copy.nr_bytes == LOG_RECORD_BYTES, "%zu bytes", copy.nr_bytes);
	CHECK(strstr(output, LOG_CUT_MARK) == NULL, "cut: %s", output);
	CHECK(output[copy.nr_bytes - 1] == '\n', "no newline at the end");
}

KTEST(log, a_record_one_byte_too_long_is_cut_with_a_mark)
{
	size_t overhead = bytes_around_text();

	listen(LOG_INFO);
	log_info("%s", long_text(LOG_RECORD_BYTES - overhead + 1));
	heard();
	CHECK(copy.nr_bytes == LOG_RECORD_BYTES, "%zu bytes", copy.nr_bytes);
	CHECK(strcmp(output + LOG_RECORD_BYTES - sizeof(LOG_CUT_MARK), LOG_CUT_MARK "\n") == 0,
	      "it ends in %s", output + LOG_RECORD_BYTES - sizeof(LOG_CUT_MARK));
}

KTEST(log, control_bytes_are_escaped)
{
	size_t overhead = bytes_around_text();

	listen(LOG_INFO);
	log_info("test: one\ntwo%c%s%c", '\r', "\t\033[2J\177", '\0');
	heard();
	CHECK(strcmp(output + overhead - 1, "test: one\\x0atwo\\x0d\\x09\\x1b[2J\\x7f\\x00\n") == 0,
	      "got %s", output);
}

/* Instructions that a record takes whose template has one argument. */
static uint64_t cost_of(const char *message, const char *argument)
{
	uint64_t begin;

	old_level = log_level;
	log_level = LOG_INFO;
	begin = clock_instructions();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	log_info(message, argument);
#pragma GCC diagnostic pop
	log_level = old_level;
	return clock_instructions() - begin;
}

KTEST(log, work_is_bounded_by_the_record)
{
	static const char *const messages[] = { "%s", "%4000s", "%-4000s", "%.50000s", "%4000d", "%.4000d" };
	static char huge[100000];
	uint64_t whole, cost;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	whole = cost_of("%s", long_text(LOG_RECORD_BYTES - bytes_around_text()));
	memset(huge, 'x', sizeof(huge) - 1);
	for (size_t i = 0; i < ARRAY_LENGTH(messages); i++) {
		cost = cost_of(messages[i], huge);
		CHECK(cost < 2 * whole, "%s takes %lu instructions, a record that just fits %lu", messages[i],
		      cost, whole);
	}
}

KTEST(log, an_overlong_record_leaves_the_bytes_around_alone)
{
	build_fences();
	listen(LOG_INFO);
	for (size_t nr_bytes = 200; nr_bytes < 300; nr_bytes++)
		log_info("%s", long_text(nr_bytes));
	log_info("%s", long_text(2000));
	log_info("%1000d|%-1000d", 1, 2);
	heard();
	check_fences();
}

KTEST(log, the_ring_survives_being_filled_many_times)
{
	build_fences();
	for (unsigned i = 0; i < 400; i++) {
		listen(LOG_INFO);
		log_info("test: %u %s", i, long_text(random_below(&ktest_random, 300)));
		heard();
		ktest_progress();
	}
	check_fences();
}

/* Logs 500 records, each of which ends in `rest`, and looks at what dmesg shows then. */
static void check_dmesg(const char *rest)
{
	const char *at, *number, *end;
	unsigned long oldest;
	char wanted[32];

	for (unsigned i = 0; i < 500; i++) {
		listen(LOG_INFO);
		log_info("test: record %03u.%s", i, rest);
		heard();
		ktest_progress();
	}
	listen(LOG_INFO);
	log_dump();
	at = heard();
	CHECK(at[0] == '[', "the oldest record is not whole: %.40s", at);
	number = strstr(at, "test: record ");
	CHECK(number != NULL && parse_number(number + strlen("test: record "), &oldest, &end) &&
	      oldest <= 436, "not the last 64: %.80s", at);
	for (unsigned long i = oldest; i < 500; i++) {
		format_string(wanted, sizeof(wanted), "test: record %03lu.", i);
		at = strstr(at, wanted);
		CHECK(at != NULL, "no record %lu behind the one before", i);
		at += strlen(wanted);
		CHECK(starts_with(at, rest) && at[strlen(rest)] == '\n', "record %lu is not whole: %.300s",
		      i, at);
		ktest_progress();
	}
	CHECK(strlen(at) == strlen(rest) + 1, "something follows the newest: %s", at);
	CHECK(copy.nr_bytes <= LOG_RING_BYTES, "%zu bytes", copy.nr_bytes);
}

KTEST(log, dmesg_shows_the_last_records_whole_and_in_order)
{
	size_t nr_around = bytes_around_text() + strlen("test: record 123.");

	check_dmesg("");
	check_dmesg(long_text(LOG_RECORD_BYTES - nr_around));   /* the longest: 64 fill the ring */
}

KTEST(log, logging_makes_no_heap_calls)
{
	size_t before = count_calls();

	listen(LOG_DEBUG);
	log_debug("test: short");
	log_error("%s", long_text(1000));
	for (unsigned i = 0; i < 300; i++)
		log_info("test: record %u", i);
	heard();
	CHECK(count_calls() == before, "%zu calls", count_calls() - before);
	CHECK(count(output, "test: ") == 301, "%u records", count(output, "test: "));
}

KTEST(log, works_with_heap_lock_held)
{
	listen(LOG_DEBUG);
	spin_lock(&heap_lock);
	log_debug("test: under the lock");
	spin_unlock(&heap_lock);
	CHECK(strstr(heard(), "test: under the lock\n") != NULL, "got %s", output);
}

KTEST(log, every_rescue_is_heard_whole_and_in_order)
{
	struct frame_stats frames;
	struct heap_stats before, after;
	const char *at, *first;
	char wanted[32];
	void *object;
	unsigned long number;

	frame_stats(&frames);
	if (frames.nr_free == 0)
		SKIP("the heap has all memory already");
	heap_stats(&before);
	listen(LOG_DEBUG);
	for (unsigned i = 0; i < 8; i++) {
		object = kmalloc(MIB(1) + i * KIB(64));
		kfree(object);
		object = kmalloc(MIB(2) + i * KIB(64));
		kfree(object);
	}
	at = heard();
	heap_stats(&after);
	CHECK(after.nr_rescues > before.nr_rescues, "no rescue was needed");
	first = strstr(at, "heap: rescue ");
	CHECK(first != NULL && parse_number(first + strlen("heap: rescue "), &number, &first), "got %s", at);
	for (size_t i = 0; i < after.nr_rescues - before.nr_rescues; i++) {
		format_string(wanted, sizeof(wanted), "debug heap: rescue %lu: ", number + i);
		at = strstr(at, wanted);
		CHECK(at != NULL, "rescue %lu is missing: %s", number + i, output);
	}
	CHECK(count(output, " KiB\n") == after.nr_rescues - before.nr_rescues, "not whole: %s", output);
}

/* Holds objects of every size, so that the heap has nothing left. */
static void **exhaust(void)
{
	void **held = NULL, **object;

	for (size_t bytes = MIB(1); bytes >= HEAP_ALIGN_BYTES;
	     bytes = bytes > PAGE_BYTES ? bytes / 2 : bytes - HEAP_ALIGN_BYTES) {
		while ((object = kmalloc(bytes)) != NULL) {
			*object = held;
			held = object;
		}
		ktest_progress();
	}
	return held;
}

static void release(void **held)
{
	while (held != NULL) {
		void **next = *held;

		kfree(held);
		held = next;
	}
}

KTEST(log_hard_times, works_with_the_heap_exhausted)
{
	enum log_level level = log_level;
	void **held, *more;

	log_level = LOG_ERROR;
	held = exhaust();
	log_level = level;
	listen(LOG_DEBUG);
	log_debug("test: nothing left");
	more = kmalloc(MIB(1));
	heard();
	kfree(more);
	release(held);
	CHECK(held != NULL, "the heap was empty from the start");
	CHECK(more == NULL, "the heap was not exhausted");
	CHECK(strstr(output, "test: nothing left\n") != NULL, "got %s", output);
	CHECK(strstr(output, "error heap: rescue ") != NULL, "the failed rescue is silent: %s", output);
}

/*
 * Frees objects of many sizes and writes all over them, as a driver with a stale
 * pointer would, and over the start of each page that had one. Heaps have their free
 * lists in the one or the other; nothing in them means anything then. Puts the old
 * contents back afterwards, for the tests that follow.
 */
KTEST(log_hard_times, works_with_the_heap_destroyed)
{
	enum { NR_SIZES = 64, NR_OBJECTS = 4 * NR_SIZES, STALE_BYTES = 16, START_BYTES = 64 };
	static char *objects[NR_OBJECTS], *pages[NR_OBJECTS];
	static char contents[NR_OBJECTS][STALE_BYTES], starts[NR_OBJECTS][START_BYTES];

	for (size_t i = 0; i < NR_OBJECTS; i++) {
		objects[i] = kmalloc((i % NR_SIZES + 1) * STALE_BYTES);
		CHECK(objects[i] != NULL, "object %zu", i);
		pages[i] = objects[i] - (uintptr_t)objects[i] % PAGE_BYTES;
	}
	for (size_t i = 0; i < NR_OBJECTS; i++)
		kfree(objects[i]);
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		memcpy(contents[i], objects[i], STALE_BYTES);
		memcpy(starts[i], pages[i], START_BYTES);
	}
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		memset(objects[i], 0xdb, STALE_BYTES);
		memset(pages[i], 0xdb, START_BYTES);
	}
	listen(LOG_DEBUG);
	for (unsigned i = 0; i < 10; i++)
		log_debug("test: still here %u", i);
	heard();
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		memcpy(objects[i], contents[i], STALE_BYTES);
		memcpy(pages[i], starts[i], START_BYTES);
	}
	CHECK(count(output, "test: still here") == 10, "got %s", output);
}

/* A logger that is called a lot must not cost a lot. */
KTEST(log, a_record_of_70_bytes_costs_little)
{
	enum { NR_RECORDS = 50, MOST_INSTRUCTIONS = 3500 };
	uint64_t begin = clock_instructions(), cost;

	if (begin == 0)
		SKIP("this machine does not count instructions");
	old_level = log_level;
	log_level = LOG_INFO;
	for (unsigned i = 0; i < NR_RECORDS; i++)
		log_info("test: rescue %u: no room for %zu bytes, %u KiB", i, copy.nr_bytes, NR_RECORDS);
	log_level = old_level;
	cost = (clock_instructions() - begin) / NR_RECORDS;
	ktest_note("%lu instructions a record", cost);
	CHECK(cost <= MOST_INSTRUCTIONS, "%lu instructions", cost);
}
