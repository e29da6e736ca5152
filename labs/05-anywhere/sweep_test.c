/* SPDX-License-Identifier: MIT */
/* sweep_test.c: what lab 5's tests have in common: interrupting, listening, looking at records. */
#include "ktest_log.h"

#include "backtrace.h"
#include "console.h"
#include "ktest.h"
#include "options.h"
#include "string.h"

struct heard heard;

static void heard_hear(const char *text, size_t nr_bytes)
{
	struct buffer_sink *into = &heard.sink;

	heard.nr_writes++;
	if (heard.is_inside) {
		heard.nr_nested++;
		return;
	}
	heard.is_inside = true;
	if (nr_bytes > HEARD_BYTES - 1 - into->nr_bytes)
		nr_bytes = HEARD_BYTES - 1 - into->nr_bytes;
	memcpy(heard.text + into->nr_bytes, text, nr_bytes);
	into->nr_bytes += nr_bytes;
	heard.is_inside = false;
}

void heard_begin(enum log_level level)
{
	log_level = level;
	heard.nr_writes = heard.nr_nested = 0;
	heard.is_inside = false;
	buffer_sink_init(&heard.sink, heard.text, HEARD_BYTES);
	console_copy_to(&heard.sink);
	console_listen(heard_hear);
}

void heard_alone_begin(enum log_level level)
{
	heard_begin(level);
	console_divert_to(&heard.sink);
}

void heard_end(void)
{
	console_copy_to(NULL);
	log_level = options.log;
	heard.text[heard.sink.nr_bytes] = '\0';
}

bool record_is(const struct log_view *view, const char *text)
{
	size_t nr_bytes = strlen(text);
	char stamp[24];

	format_string(stamp, sizeof(stamp), "[%5lu ", view->number);
	return view->nr_bytes > strlen(stamp) + nr_bytes &&
	       memcmp(view->text, stamp, strlen(stamp)) == 0 &&
	       memcmp(view->text + view->nr_bytes - 1 - nr_bytes, text, nr_bytes) == 0 &&
	       view->text[view->nr_bytes - 1] == '\n';
}

const char *shown_flaw(uint64_t first)
{
	static struct log_view view;
	const char *at = heard.text;
	uint64_t last = log_last_number();

	for (uint64_t number = first; number <= last; number++) {
		if (!log_read(number, &view) || view.number != number)
			return "a record is lost";
		if (!view.is_whole)
			return "a record is not finished";
		if (strncmp(at, view.text, view.nr_bytes) != 0)
			return "the console has not got the records as they are, in order";
		at += view.nr_bytes;
	}
	if (*at != '\0')
		return "the console has got more than the records";
	if (heard.nr_nested > 0)
		return "console_write() was called in the midst of another call";
	if (heard.nr_writes != last + 1 - first)
		return "a record was not written to the console by one call";
	return NULL;
}

const char *records_flaw(uint64_t first, const struct counted *wanted, size_t nr_wanted)
{
	static struct log_view view;
	unsigned nr_records = 0;

	for (size_t i = 0; i < nr_wanted; i++) {
		unsigned nr_found = 0;

		for (uint64_t number = first; log_read(number, &view); number = view.number + 1)
			nr_found += record_is(&view, wanted[i].text);
		if (nr_found != wanted[i].nr_records)
			return "a record is missing, torn, there twice, or has another number";
		nr_records += nr_found;
	}
	if (nr_records != log_last_number() + 1 - first)
		return "there is a record that nobody has logged";
	return shown_flaw(first);
}

uint64_t first_number;
struct ktest_steps outer_steps, inner_steps;

void log_outer(void)
{
	log_info("%s", OUTER);
}

void log_middle(void)
{
	log_info("%s", MIDDLE);
}

#define ALPHABET  "abcdefghijklmnopqrstuvwxyz"
#define ALPHABETS ALPHABET ALPHABET ALPHABET ALPHABET ALPHABET
#define LONG      ALPHABETS ALPHABETS

void log_long(void)
{
	log_info("%s", LONG);
}

bool is_long_record(const struct log_view *view)
{
	static const char level[] = "] info  ", end[] = LOG_CUT_MARK "\n";
	const size_t end_bytes = sizeof(end) - 1;
	const char *stamp_end = memchr(view->text, ']', view->nr_bytes), *text;

	if (view->nr_bytes != LOG_RECORD_BYTES || stamp_end == NULL)
		return false;
	text = stamp_end + sizeof(level) - 1;
	return memcmp(text, LONG, (size_t)(view->text + LOG_RECORD_BYTES - end_bytes - text)) == 0 &&
	       memcmp(view->text + LOG_RECORD_BYTES - end_bytes, end, end_bytes) == 0;
}

void log_many(void)
{
	for (unsigned i = 0; i < 2 * LOG_KEPT_RECORDS + 1; i++)
		log_middle();
}

void check_step(const char *flaw, const struct ktest_steps *steps, unsigned long step)
{
	uint64_t address = (uint64_t)ktest_address(steps, step), offset = 0;
	const char *function = symbol_find(address, &offset);

	CHECK(flaw == NULL, "%s, at instruction %lu of %lu, %p in %s+%#lx", flaw, step + 1,
	      steps->nr_steps, (void *)address, function == NULL ? "no function" : function, offset);
}

void trace(void (*subject)(void), void (*begin)(enum log_level))
{
	begin(LOG_INFO);
	ktest_trace(&outer_steps, subject);
	log_flush();
	heard_end();
}

/* A record with one more digit takes another way: then the steps are traced anew. */
bool run_interrupted(unsigned long step, void (*subject)(void), void (*handler)(void),
		     void (*begin)(enum log_level))
{
	bool has_run = false;

	for (unsigned tries = 0; tries < 3 && !has_run; tries++) {
		if (tries > 0)
			trace(subject, begin);
		if (step >= outer_steps.nr_steps)
			return false;
		first_number = log_last_number() + 1;
		begin(LOG_INFO);
		has_run = ktest_break(&outer_steps, step, subject, handler);
		heard_end();
	}
	check_step(has_run ? NULL : "the handler did not run", &outer_steps, step);
	return true;
}

/* It goes on behind a flaw: at a later step there may be worse, as a wait without end. */
void sweep(void (*subject)(void), void (*handler)(void), const struct counted *wanted,
	   size_t nr_wanted)
{
	const char *first_flaw = NULL;
	unsigned long flawed_step = 0, nr_flaws = 0;

	trace(subject, heard_begin);
	CHECK(outer_steps.nr_steps < KTEST_MAX_STEPS, "more than %u instructions", KTEST_MAX_STEPS);
	for (unsigned long step = 0; step < outer_steps.nr_steps; step++) {
		const char *flaw;

		if (!run_interrupted(step, subject, handler, heard_begin))
			break;
		flaw = records_flaw(first_number, wanted, nr_wanted);
		if (flaw != NULL && nr_flaws++ == 0) {
			first_flaw = flaw;
			flawed_step = step;
		}
	}
	ktest_note("interrupted at each of %lu instructions, with a flaw at %lu", outer_steps.nr_steps,
		   nr_flaws);
	check_step(first_flaw, &outer_steps, flawed_step);
}

static unsigned long format_first, format_last;

static bool is_in_log_format(unsigned long step)
{
	uint64_t offset;
	const char *name = symbol_find((uint64_t)ktest_address(&outer_steps, step), &offset);

	return name != NULL && strcmp(name, "log_format") == 0;
}

/* Finds the steps of log_format(), which has no state of a logger's, for a sweep that leaves them out. */
static void find_log_format(void)
{
	format_first = format_last = 0;
	for (unsigned long step = 0; step < outer_steps.nr_steps; step++)
		if (is_in_log_format(step)) {
			format_first = format_first == 0 ? step : format_first;
			format_last = step;
		}
}

void sweep_firsts(void (*subject)(void), void (*handler)(void), bool is_long,
		  const char *(*flaw)(void))
{
	unsigned long nr_breaks = 0;

	trace(subject, heard_alone_begin);
	if (is_long)
		find_log_format();
	for (unsigned long step = 0; step < outer_steps.nr_steps; step++) {
		ktest_progress();
		if (!ktest_is_first(&outer_steps, step) ||
		    (is_long && step > format_first && step < format_last))
			continue;
		if (!run_interrupted(step, subject, handler, heard_alone_begin))
			break;
		check_step(flaw(), &outer_steps, step);
		nr_breaks++;
	}
	ktest_note("interrupted at %lu instructions, the first time that each is executed", nr_breaks);
}
