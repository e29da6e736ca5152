/* SPDX-License-Identifier: MIT */
/*
 * anywhere_dmesg_test.c: dmesg in the midst of a record, and a record in the midst of dmesg.
 *
 * log_dump() writes records, each whole, in the order of their numbers. It may leave out records
 * that are not finished, and those that are lost while it is at work.
 */
#include "console.h"
#include "ktest.h"
#include "ktest_log.h"
#include "memory.h"
#include "string.h"

/* Reads the number of the record that begins there. Return: false if none does. */
static bool read_number(const char *at, unsigned long *number)
{
	if (*at != '[')
		return false;
	do
		at++;
	while (*at == ' ');
	return parse_number(at, number, &at) && *at == ' ';
}

/* Does the line at `at` end in one of the texts that are logged here? */
static bool is_record(const char *at, const char *newline)
{
	static const char *const texts[] = { OUTER, MIDDLE };

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		size_t nr_bytes = strlen(texts[i]);

		if ((size_t)(newline - at) > nr_bytes && memcmp(newline - nr_bytes, texts[i], nr_bytes) == 0)
			return true;
	}
	return false;
}

/*
 * What is wrong with lines up to `end`, which must be records in order. *last becomes the number of the
 * last one, *nr_missing how many numbers are missing between the first and that.
 */
static const char *lines_flaw(const char *at, const char *end, unsigned long *last, unsigned *nr_missing)
{
	unsigned long number;

	*last = 0;
	*nr_missing = 0;
	while (at < end) {
		const char *newline = strchr(at, '\n');

		if (newline == NULL || !read_number(at, &number) || !is_record(at, newline))
			return "dmesg shows what is no record";
		if (number <= *last)
			return "dmesg shows a record twice, or out of order";
		*nr_missing += *last == 0 ? 0 : (unsigned)(number - *last - 1);
		*last = number;
		at = newline + 1;
	}
	return NULL;
}

/*
 * The same of a text in which one record may be twice: where dmesg shows it, and where the console gets
 * it because it was logged.
 */
static const char *text_flaw(const char *text, const char *record, unsigned long *last, unsigned *nr_missing)
{
	static char rest[HEARD_BYTES];
	const char *flaw = lines_flaw(text, text + strlen(text), last, nr_missing), *at = text;

	while (flaw != NULL && (at = strstr(at, record)) != NULL) {
		const char *behind = at + strlen(record);
		size_t before = (size_t)(at - text), after = strlen(behind);

		memcpy(rest, text, before);
		memcpy(rest + before, behind, after + 1);
		if (lines_flaw(rest, rest + before + after, last, nr_missing) == NULL)
			return NULL;
		at = behind;
	}
	return flaw;
}

/* Reads the record that a sweep has logged, as a text. Return: false if it is lost. */
static const char *logged_record(void)
{
	static struct log_view view;
	static char text[LOG_RECORD_BYTES + 1];

	if (!log_read(first_number, &view) || view.number != first_number || !view.is_whole)
		return NULL;
	memcpy(text, view.text, view.nr_bytes);
	text[view.nr_bytes] = '\0';
	return text;
}

/* As more may be kept than must be. */
static void fill_ring(void)
{
	heard_alone_begin(LOG_INFO);
	for (unsigned i = 0; i < 3; i++)
		log_many();
	heard_end();
}

static size_t dump_begins, dump_ends;   /* in heard.text */

static void dump(void)
{
	dump_begins = heard.sink.nr_bytes;
	log_dump();
	dump_ends = heard.sink.nr_bytes;
}

static const char *dump_in_record_flaw(void)
{
	const char *record = logged_record(), *flaw;
	unsigned long last;
	unsigned nr_missing;

	if (record == NULL)
		return "the record is lost";
	if (heard.nr_nested > 0)
		return NULL;            /* dmesg came while heard_write() was at work, which heard nothing */
	heard.text[dump_ends] = '\0';
	flaw = text_flaw(heard.text + dump_begins, record, &last, &nr_missing);
	if (flaw != NULL)
		return flaw;
	if (last + 1 < first_number || last > first_number)
		return "dmesg leaves out the newest record that is finished";
	return nr_missing > 1 ? "dmesg leaves out records" : NULL;
}

KTEST(anywhere, dmesg_at_any_instruction_of_a_record)
{
	fill_ring();
	sweep_firsts(log_outer, dump, false, dump_in_record_flaw);
}

static const char *record_in_dump_flaw(void)
{
	const char *record = logged_record();
	unsigned long last;
	unsigned nr_missing;

	if (record == NULL)
		return "the record is lost";
	if (heard.nr_nested > 0)
		return "console_write() was called in the midst of another call";
	if (strstr(heard.text, record) == NULL)
		return "the console has not got the record";
	return text_flaw(heard.text, record, &last, &nr_missing);
}

/* A whole dump has many thousand steps: so each instruction the first time only. */
KTEST(anywhere, a_record_at_any_instruction_of_dmesg)
{
	fill_ring();
	sweep_firsts(dump, log_middle, false, record_in_dump_flaw);
}

/* The outer one writes its records in two parts, with the inner one's in between. */
static const char *dump_in_dump_flaw(void)
{
	static char outer[HEARD_BYTES];
	size_t inner_bytes = dump_ends - dump_begins, rest_bytes = heard.sink.nr_bytes - dump_ends;

	if (heard.nr_nested > 0)
		return NULL;
	memcpy(outer, heard.text, dump_begins);
	memcpy(outer + dump_begins, heard.text + dump_ends, rest_bytes + 1);
	if (dump_begins + rest_bytes != inner_bytes || memcmp(outer, heard.text + dump_begins, inner_bytes) != 0)
		return "of two dmesg, one in the midst of the other, one shows something else";
	return NULL;
}

KTEST(anywhere, dmesg_at_any_instruction_of_dmesg)
{
	fill_ring();
	sweep_firsts(log_dump, dump, false, dump_in_dump_flaw);
}
