/* SPDX-License-Identifier: MIT */
/*
 * log_test.c: lab 4's tests: the logger needs nothing but itself.
 *
 * The tests listen to the console, and know no more of the logger than log.h says. That is:
 *
 *   a record is one line             a_record_has_number_time_level_and_text,
 *                                    control_bytes_are_escaped
 *   above the level: dropped         records_above_the_level_are_dropped
 *   whole, or cut with a mark        a_record_that_just_fits_is_whole,
 *                                    a_record_one_byte_too_long_is_cut_with_a_mark
 *   in one piece                     the_console_gets_a_record_in_one_piece
 *   what a record costs              a_record_costs_little_whatever_its_arguments,
 *                                    a_record_costs_as_little_when_many_are_kept
 *   what log_dump() writes           dmesg_shows_what_the_console_got,
 *                                    dmesg_shows_the_last_records_however_many_came_before,
 *                                    dmesg_has_no_gap, boot.dmesg_is_empty@quiet
 *   it changes nothing               dmesg_twice_is_the_same
 *   what it costs                    dmesg_costs_little
 *   neither frames nor heap          uses_neither_frames_nor_heap,
 *                                    log_hard_times.works_with_the_heap_exhausted,
 *                                    log_hard_times.works_with_the_heap_destroyed,
 *                                    log_hard_times.needs_no_memory_but_the_image
 *   any other lock held              works_with_all_other_locks_held,
 *                                    every_rescue_is_heard_whole_and_in_order
 *   a handler may log                log_hard_times.a_handler_may_log_at_any_instruction,
 *                                    log_hard_times.a_handler_may_log_while_dmesg_is_shown
 *   interrupts as before             interrupts_are_as_they_were
 *   the fences                       an_overlong_record_leaves_the_fences_alone,
 *                                    many_records_leave_the_fences_alone
 */
#include <stdbool.h>

#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "frame.h"
#include "heap.h"
#include "ktest.h"
#include "ktest_step.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "string.h"

#define FENCE_BYTE   0x5a
#define SAID_BYTES   32768

/* The last of what went to the console. */
struct ear {
	size_t nr_bytes;                /* in text */
	size_t nr_writes;               /* calls of console_write() */
	size_t nr_lost;                 /* bytes that came before those in text */
	char text[SAID_BYTES + 1];      /* NUL-terminated */
};

static struct ear console, dumped;

/* The one that hears now. */
static struct ear *ear;

static void ear_hear(const char *text, size_t nr_bytes)
{
	uint64_t flags = irq_save();
	size_t lost = 0;

	ear->nr_writes++;
	if (nr_bytes > SAID_BYTES) {
		ear->nr_lost += nr_bytes - SAID_BYTES;
		text += nr_bytes - SAID_BYTES;
		nr_bytes = SAID_BYTES;
	}
	if (ear->nr_bytes + nr_bytes > SAID_BYTES)
		lost = ear->nr_bytes + nr_bytes - SAID_BYTES;
	ear->nr_bytes -= lost;
	ear->nr_lost += lost;
	memmove(ear->text, ear->text + lost, ear->nr_bytes);
	memcpy(ear->text + ear->nr_bytes, text, nr_bytes);
	ear->nr_bytes += nr_bytes;
	irq_restore(flags);
}

/* Starts to listen, with the log at `level`. */
static void listen_with(struct ear *with, enum log_level level)
{
	log_level = level;
	ear = with;
	ear->nr_bytes = ear->nr_writes = ear->nr_lost = 0;
	console_listen(ear_hear);
}

static void listen(enum log_level level)
{
	listen_with(&console, level);
}

static void stop_listening(void)
{
	console_copy_to(NULL);
	log_level = options.log;
	ear->text[ear->nr_bytes] = '\0';
}

/* Ends what listen() began. Return: the output since then. */
static const char *heard(void)
{
	stop_listening();
	return console.text;
}

/* Return: what log_dump() writes. */
static const char *dump(void)
{
	listen_with(&dumped, LOG_DEBUG);
	log_dump();
	stop_listening();
	return dumped.text;
}

/* The end of what log_dump() has written: as many bytes as were heard, or all. */
static const char *end_of_dump(void)
{
	size_t nr_before = dumped.nr_bytes > console.nr_bytes ? dumped.nr_bytes - console.nr_bytes : 0;

	return dumped.text + nr_before;
}

/* The bytes of the line that begins there, without its newline. */
static int line_bytes(const char *text)
{
	const char *newline = strchr(text, '\n');

	return (int)(newline != NULL ? (size_t)(newline - text) : strlen(text));
}

/* Where a line with these bytes begins in `text`, or NULL. */
static const char *find_line(const char *text, const char *line, int nr_bytes)
{
	for (; *text != '\0'; text += line_bytes(text), text += *text == '\n')
		if (line_bytes(text) == nr_bytes && strncmp(text, line, (size_t)nr_bytes) == 0)
			return text;
	return NULL;
}

/* Checks that log_dump() has ended with what was heard, and names the first record that differs. */
static void check_dumped(void)
{
	const char *record = console.text, *shown = find_line(dumped.text, record, line_bytes(record));
	int nr_bytes = line_bytes(record);

	if (strcmp(end_of_dump(), console.text) == 0)
		return;
	CHECK(shown != NULL, "dmesg does not show what the console got, \"%.*s\"", nr_bytes, record);
	while (record[nr_bytes] == '\n' && strncmp(record, shown, (size_t)nr_bytes + 1) == 0) {
		record += nr_bytes + 1;
		shown += nr_bytes + 1;
		nr_bytes = line_bytes(record);
	}
	CHECK(*record == '\0', "dmesg shows \"%.*s\", where the console got \"%.*s\"", line_bytes(shown),
	      shown, nr_bytes, record);
	CHECK(*shown == '\0', "dmesg goes on with \"%.*s\", which the console did not get", line_bytes(shown),
	      shown);
}

static void check_dump(void)
{
	dump();
	check_dumped();
}

static unsigned count(const char *text, const char *part)
{
	unsigned nr_found = 0;

	for (; (text = strstr(text, part)) != NULL; text++)
		nr_found++;
	return nr_found;
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
	return console.nr_bytes;
}

/* The longest text that is not cut. */
static const char *longest_text(void)
{
	return long_text(LOG_RECORD_BYTES - bytes_around_text());
}

/* Reads a record's number. Return: what follows, or NULL if no record begins there. */
static const char *read_number(const char *at, unsigned long *number)
{
	if (*at != '[')
		return NULL;
	do
		at++;
	while (*at == ' ');
	return parse_number(at, number, &at) ? at : NULL;
}

KTEST(log, a_record_has_number_time_level_and_text)
{
	unsigned long first, second;
	const char *record, *at;

	listen(LOG_INFO);
	log_info("test: %s number %d", "record", 7);
	record = heard();
	at = read_number(record, &first);
	CHECK(at != NULL && at[0] == ' ' && at[3] == '.' && at[7] == ']', "got %s", record);
	CHECK(strcmp(at + 8, " info  test: record number 7\n") == 0, "got %s", record);
	listen(LOG_INFO);
	log_debug("test: not a record");
	log_error("test: record");
	CHECK(read_number(heard(), &second) && second == first + 1, "%lu and then %s", first, console.text);
}

KTEST(log, records_above_the_level_are_dropped)
{
	listen(LOG_WARN);
	log_info("test: info");
	log_warn("test: warn");
	log_debug("test: debug");
	log_error("test: error");
	heard();
	CHECK(count(console.text, "test: ") == 2, "got %s", console.text);
	CHECK(strstr(console.text, "test: warn") < strstr(console.text, "test: error"), "got %s",
	      console.text);
}

KTEST(log, control_bytes_are_escaped)
{
	size_t overhead = bytes_around_text();

	listen(LOG_INFO);
	log_info("test: one\ntwo%c%s%c", '\r', "\t\033[2J\177", '\0');
	heard();
	CHECK(strcmp(console.text + overhead - 1,
		     "test: one\\x0atwo\\x0d\\x09\\x1b[2J\\x7f\\x00\n") == 0, "got %s", console.text);
}

KTEST(log, a_record_that_just_fits_is_whole)
{
	const char *text = longest_text();

	listen(LOG_INFO);
	log_info("%s", text);
	heard();
	CHECK(console.nr_bytes == LOG_RECORD_BYTES, "%zu bytes", console.nr_bytes);
	CHECK(strstr(console.text, LOG_CUT_MARK) == NULL, "cut: %s", console.text);
	CHECK(console.text[console.nr_bytes - 1] == '\n', "no newline at the end");
}

KTEST(log, a_record_one_byte_too_long_is_cut_with_a_mark)
{
	size_t overhead = bytes_around_text();

	for (size_t more = 1; more < 10; more++) {
		const char *text = long_text(LOG_RECORD_BYTES - overhead + more), *mark;

		listen(LOG_INFO);
		log_info("%s", text);
		heard();
		mark = console.text + LOG_RECORD_BYTES - strlen(LOG_CUT_MARK "\n");
		CHECK(console.nr_bytes == LOG_RECORD_BYTES, "%zu bytes", console.nr_bytes);
		CHECK(strcmp(mark, LOG_CUT_MARK "\n") == 0, "it ends in %s", mark);
		CHECK(strncmp(console.text + overhead - 1, text,
			      (size_t)(mark - console.text) - overhead + 1) == 0, "got %s", console.text);
	}
}

KTEST(log, the_console_gets_a_record_in_one_piece)
{
	size_t nr_records = 0;

	listen(LOG_INFO);
	for (size_t nr_bytes = 0; nr_bytes < 300; nr_bytes += 25, nr_records++)
		log_info("test: %zu %s", nr_bytes, long_text(nr_bytes));
	heard();
	CHECK(console.nr_writes == nr_records, "%zu calls of console_write() for %zu records",
	      console.nr_writes, nr_records);
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

KTEST(log, an_overlong_record_leaves_the_fences_alone)
{
	build_fences();
	listen(LOG_INFO);
	for (size_t nr_bytes = 220; nr_bytes < 240; nr_bytes++)
		log_info("%s", long_text(nr_bytes));
	log_info("%s", long_text(2000));
	log_info("%1000d|%-1000d", 1, 2);
	heard();
	check_fences();
	CHECK(count(console.text, LOG_CUT_MARK "\n") > 2, "none was cut");
}

/*
 * What a statement costs, in instructions. It may have to wait for whoever reads the console, so
 * the least of a few times counts.
 */
#define NR_TRIES 5
#define COST_OF(statement)                                                              \
	({                                                                              \
		uint64_t least_ = UINT64_MAX, cost_;                                    \
		for (unsigned try_ = 0; try_ < NR_TRIES; try_++) {                      \
			cost_ = clock_instructions();                                   \
			statement;                                                      \
			cost_ = clock_instructions() - cost_;                           \
			least_ = cost_ < least_ ? cost_ : least_;                       \
		}                                                                       \
		least_;                                                                 \
	})

/* Checks what a record costs whose template has one argument. */
#define CHECK_COST(template, argument)                                                  \
	do {                                                                            \
		uint64_t found_ = COST_OF(log_error(template, argument));               \
		CHECK(found_ <= LOG_INSTRUCTIONS(LOG_RECORD_BYTES), "\"%s\" costs %lu", \
		      template, found_);                                                \
	} while (0)

KTEST(log, a_record_costs_little_whatever_its_arguments)
{
	static char huge[20000];

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	memset(huge, 'x', sizeof(huge) - 1);
	CHECK_COST("%s", longest_text());
	CHECK_COST("%s", huge);
	CHECK_COST("%4000s", huge);
	CHECK_COST("%-4000s", huge);
	CHECK_COST("%.20000s", huge);
	CHECK_COST("%4000d", 1);
	CHECK_COST("%.4000d", 1);
	memset(huge, '\n', sizeof(huge) - 1);
	CHECK_COST("%s", huge);
}

KTEST(log, interrupts_are_as_they_were)
{
	uint64_t flags = irq_save(), masked, allowed;

	log_info("test: masked");
	log_dump();
	masked = read_rflags();
	irq_unmask();
	log_info("test: allowed");
	log_dump();
	allowed = read_rflags();
	irq_mask();
	irq_restore(flags);
	CHECK(!(masked & RFLAGS_IF), "they were masked before, and are not now");
	CHECK(allowed & RFLAGS_IF, "they were allowed before, and are not now");
	CHECK(strstr(dump(), "test: allowed") != NULL, "dmesg does not show the record");
}

/* A few records, a long one among them. */
static void say_something(const char *when)
{
	log_error("test: an error %s", when);
	log_warn("test: a warning %s", when);
	log_info("test: some news %s", when);
	log_debug("test: a remark %s", when);
	log_debug("%s", long_text(1000));
	log_error("test: another error %s", when);
}

KTEST(log, dmesg_shows_what_the_console_got)
{
	listen(LOG_DEBUG);
	say_something("here");
	log_info("%s", "");
	log_info("test: of\nmore lines\n");
	heard();
	CHECK(count(console.text, "\n") == 8, "got %s", console.text);
	check_dump();
}

KTEST(log, dmesg_twice_is_the_same)
{
	size_t nr_bytes, nr_lost;

	say_something("twice");
	dump();
	nr_bytes = dumped.nr_bytes;
	nr_lost = dumped.nr_lost;
	memcpy(console.text, dumped.text, nr_bytes + 1);
	CHECK(count(console.text, " twice\n") > 2, "got %s", console.text);
	dump();
	CHECK(dumped.nr_bytes == nr_bytes && dumped.nr_lost == nr_lost, "%zu bytes, then %zu",
	      nr_bytes + nr_lost, dumped.nr_bytes + dumped.nr_lost);
	CHECK(strcmp(dumped.text, console.text) == 0, "other records");
}

KTEST(log, dmesg_costs_little)
{
	uint64_t cost;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	say_something("dear");
	cost = COST_OF(log_dump());
	CHECK(count(dump(), " dear\n") > 2, "it does not show them");
	CHECK(cost <= LOG_INSTRUCTIONS(dumped.nr_bytes + dumped.nr_lost), "%lu instructions for %zu bytes",
	      cost, dumped.nr_bytes + dumped.nr_lost);
}

static size_t count_calls(void)
{
	struct heap_stats stats;

	heap_stats(&stats);
	return stats.nr_calls;
}

static size_t count_frames(void)
{
	struct frame_stats stats;

	frame_stats(&stats);
	return stats.nr_free;
}

KTEST(log, uses_neither_frames_nor_heap)
{
	size_t nr_calls = count_calls(), nr_free = count_frames();

	listen(LOG_DEBUG);
	for (unsigned i = 0; i < 10; i++)
		say_something("once more");
	heard();
	check_dump();
	CHECK(count_calls() == nr_calls, "%zu calls of the heap", count_calls() - nr_calls);
	CHECK(count_frames() == nr_free, "%zu frames, then %zu", nr_free, count_frames());
}

extern struct spinlock spinlocks_start[], spinlocks_end[];

static bool is_of_log(const struct spinlock *lock)
{
	const struct place *place = lock->taken_at;

	return lock != &heap_lock && place != NULL && strcmp(place->file, "log.c") == 0;
}

static unsigned count_log_locks(void)
{
	unsigned nr_locks = 0;

	for (struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++)
		nr_locks += is_of_log(lock);
	return nr_locks;
}

/* Takes all locks but those that log.c has taken so far, or releases them; heap_lock in any case. */
static void with_all_locks(bool take)
{
	for (struct spinlock *lock = spinlocks_end; take && lock-- > spinlocks_start;)
		if (!is_of_log(lock))
			spin_lock(lock);
	for (struct spinlock *lock = spinlocks_start; !take && lock < spinlocks_end; lock++)
		if (spin_is_held(lock))
			spin_unlock(lock);
}

KTEST(log, works_with_all_other_locks_held)
{
	listen(LOG_DEBUG);
	say_something("before");
	log_dump();
	CHECK(count_log_locks() <= 1, "log.c has taken %u locks", count_log_locks());
	with_all_locks(true);
	say_something("with heap_lock held");
	heard();
	dump();
	with_all_locks(false);
	CHECK(count(console.text, " with heap_lock held\n") == 5, "got %s", console.text);
	CHECK(count(dumped.text, " with heap_lock held\n") == 5, "dmesg shows %u of 5 records",
	      count(dumped.text, " with heap_lock held\n"));
}

KTEST(log, every_rescue_is_heard_whole_and_in_order)
{
	struct heap_stats before, after;
	const char *at, *first;
	char wanted[32];
	void *object;
	unsigned long number;

	if (count_frames() == 0)
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
		CHECK(at != NULL, "rescue %lu is missing: %s", number + i, console.text);
	}
	CHECK(count(console.text, " KiB\n") == after.nr_rescues - before.nr_rescues, "not whole: %s",
	      console.text);
	check_dump();
}

/* Checks that log_dump() has written records with one number after the other, to its end. */
static void check_for_gaps(void)
{
	unsigned long number = 0, next;
	const char *at = dumped.text;

	if (dumped.nr_lost > 0)
		at = strchr(at, '\n') + 1;
	for (; *at != '\0'; at = strchr(at, '\n') + 1, number = next) {
		CHECK(read_number(at, &next) != NULL && strchr(at, '\n') != NULL, "not a record: %.300s", at);
		CHECK(number == 0 || next == number + 1, "record %lu comes after %lu", next, number);
	}
	CHECK(number != 0, "it shows nothing");
}

KTEST(log, dmesg_shows_the_last_records_however_many_came_before)
{
	void (*const log[])(const char *, ...) = { log_error, log_warn, log_info, log_debug };
	const char *texts[] = { "", "test: a record", longest_text() };

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		for (unsigned j = 0; j < 200; j++) {
			log_error("%s", texts[i]);
			ktest_progress();
		}
		listen(LOG_DEBUG);
		for (size_t j = 0; j < LOG_KEPT_RECORDS; j++)
			log[j % ARRAY_LENGTH(log)]("%s", texts[i]);
		heard();
		check_dump();
		check_for_gaps();
	}
}

/*
 * Records of a length that has no divisor in common with a ring's, so that in time one ends at
 * each of its bytes, the last one included.
 */
KTEST(log, dmesg_has_no_gap)
{
	enum { NR_RECORDS = 16384, NR_PER_LOOK = 512 };
	const char *text = bytes_around_text() % 2 == 0 ? "x" : "";

	for (unsigned i = 1; i <= NR_RECORDS; i++) {
		listen(LOG_ERROR);
		log_error("%s", text);
		heard();
		ktest_progress();
		if (i % NR_PER_LOOK == 0) {
			check_dump();
			check_for_gaps();
		}
	}
}

KTEST(log, many_records_leave_the_fences_alone)
{
	build_fences();
	for (unsigned i = 0; i < 400; i++) {
		listen(LOG_INFO);
		log_info("test: %u %s", i, long_text(random_below(&ktest_random, 300)));
		heard();
		ktest_progress();
	}
	check_dump();
	check_fences();
}

/* Each of 200 records: the dearest counts, with as many kept as there can be. */
KTEST(log, a_record_costs_as_little_when_many_are_kept)
{
	uint64_t cost, most = 0;

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	listen(LOG_ERROR);
	log_error("test: rescue %u: no room for %u bytes, %u KiB", 12u, 4096u, 64u);
	heard();
	check_dump();
	for (unsigned i = 0; i < 200; i++) {
		cost = COST_OF(log_error("test: rescue %u: no room for %u bytes, %u KiB", 12u, 4096u, 64u));
		most = cost > most ? cost : most;
		ktest_progress();
	}
	ktest_note("%lu instructions at most", most);
	CHECK(most <= LOG_INSTRUCTIONS(console.nr_bytes), "%lu instructions for %zu bytes", most,
	      console.nr_bytes);
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
	void **held, *more;

	log_level = LOG_ERROR;
	held = exhaust();
	listen(LOG_DEBUG);
	say_something("with nothing left");
	more = kmalloc(MIB(1));
	heard();
	dump();
	kfree(more);
	release(held);
	CHECK(held != NULL, "the heap was empty from the start");
	CHECK(more == NULL, "the heap was not exhausted");
	CHECK(count(console.text, " with nothing left\n") == 5, "got %s", console.text);
	CHECK(strstr(console.text, "error heap: rescue ") != NULL, "the failed rescue is silent: %s",
	      console.text);
	check_dumped();
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
	say_something("in the ruins");
	heard();
	dump();
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		memcpy(objects[i], contents[i], STALE_BYTES);
		memcpy(pages[i], starts[i], START_BYTES);
	}
	CHECK(count(console.text, " in the ruins\n") == 5, "got %s", console.text);
	check_dumped();
}

/*
 * Logs in an address space that has nothing but the kernel's image, and the text screen for
 * the report of a fault. Data of the logger in a frame, or on the heap, is not there: to look
 * for it is a page fault.
 */
KTEST(log_hard_times, needs_no_memory_but_the_image)
{
	enum { NR_LEVELS = 4, NR_ENTRIES = 512, PRESENT_WRITE = 3, SCREEN = 0xb8000 };
	static __attribute__((aligned(PAGE_BYTES))) uint64_t tables[NR_LEVELS][NR_ENTRIES];
	const vaddr_t image = KERNEL_BASE, screen = DIRECT_MAP_BASE + SCREEN;
	uint64_t everything = read_cr3(), *root = phys_to_virt(ROUND_DOWN(everything, PAGE_BYTES));

	for (unsigned level = 0, shift = 39; level < NR_LEVELS; level++, shift -= 9)
		tables[level][screen >> shift & (NR_ENTRIES - 1)] = PRESENT_WRITE |
			(level + 1 < NR_LEVELS ? image_to_phys(tables[level + 1]) : SCREEN);
	tables[0][image >> 39 & (NR_ENTRIES - 1)] = root[image >> 39 & (NR_ENTRIES - 1)];
	write_cr3(image_to_phys(tables));
	listen(LOG_DEBUG);
	say_something("without memory");
	heard();
	dump();
	write_cr3(everything);
	CHECK(count(console.text, " without memory\n") == 5, "got %s", console.text);
	check_dumped();
}

static unsigned nr_from_handler;

static void log_from_handler(void)
{
	log_info("test: from the handler");
	nr_from_handler++;
}

static void log_interrupted(void)
{
	log_info("test: %s", "interrupted, maybe");
}

/* Does `text` have each record once, whole, with a number of its own? Their order depends on the design. */
static bool has_all(const char *text, unsigned nr_interrupted)
{
	unsigned nr_records = 1 + nr_interrupted + nr_from_handler;
	unsigned long first;
	char stamp[16];

	if (read_number(text, &first) == NULL || count(text, "\n") != nr_records ||
	    count(text, " info  test: interrupted, maybe\n") != nr_interrupted ||
	    count(text, " info  test: from the handler\n") != nr_from_handler)
		return false;
	for (unsigned i = 0; i < nr_records; i++) {
		format_string(stamp, sizeof(stamp), "[%5lu ", first + i);
		if (count(text, stamp) != 1)
			return false;
	}
	return true;
}

KTEST(log_hard_times, a_handler_may_log_at_any_instruction)
{
	enum { NR_PER_LOOK = 16 };
	unsigned long step = 0;
	bool goes_well;

	log_info("test: not interrupted");
	dump();
	do {
		nr_from_handler = 0;
		listen(LOG_INFO);
		log_info("test: not interrupted");
		for (unsigned i = 0; i < NR_PER_LOOK; i++)
			ktest_interrupt(++step, log_interrupted, log_from_handler);
		heard();
		dump();
		goes_well = has_all(console.text, NR_PER_LOOK) && has_all(end_of_dump(), NR_PER_LOOK);
	} while (goes_well && nr_from_handler == NR_PER_LOOK);
	CHECK(goes_well, "up to instruction %lu a record is torn, missing, or there twice, in dmesg or on the "
	      "console", step);
}

/* Is each line of `text` a record, but for the first, which may be cut? */
static bool has_only_records(const char *text)
{
	unsigned long number;

	for (text = strchr(text, '\n'); text != NULL && *++text != '\0'; text = strchr(text, '\n'))
		if (read_number(text, &number) == NULL)
			return false;
	return text != NULL;
}

/*
 * The same while log_dump() is at work. It has much to write, so behind the first hundred
 * instructions the handler logs at some only, and no step is taken where interrupts are masked.
 */
KTEST(log_hard_times, a_handler_may_log_while_dmesg_is_shown)
{
	enum { NR_RECORDS = 1000, EACH_OF_THE_FIRST = 100 };
	unsigned long step = 0;
	bool goes_well;

	for (unsigned i = 0; i < NR_RECORDS; i++) {
		log_error("test: kept");
		ktest_progress();
	}
	do {
		step += 1 + step / EACH_OF_THE_FIRST;
		nr_from_handler = 0;
		listen_with(&dumped, LOG_INFO);
		ktest_interrupt_before_mask(step, log_dump, log_from_handler);
		stop_listening();
		goes_well = has_only_records(dumped.text) &&
			    count(dumped.text, " info  test: from the handler\n") >= nr_from_handler;
	} while (goes_well && nr_from_handler > 0);
	CHECK(goes_well, "a handler's record at instruction %lu is torn, or missing", step);
}
