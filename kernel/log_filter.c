/* SPDX-License-Identifier: MIT */
/*
 * log_filter.c: the log's front end: what is above the level is never formatted.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (or less: as log.c does). Allocates:
 * the heap (as log.c does). Callable from: where log_record() is.
 */
#include "log.h"

#include "clock.h"
#include "words.h"

#define COLUMN_BYTES 8          /* the level and what is around it */
#define STAMP_BYTES  64         /* with as many digits as 64 bits have */

enum log_level log_level = LOG_INFO;

const char *const log_level_names[NR_LOG_LEVELS] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static uint64_t nr_records;             /* that passed the filter */
static uint64_t number;                 /* of the record that log_record() is at work on */

uint64_t log_number(void)
{
	return number;
}

uint64_t log_last_number(void)
{
	return __atomic_load_n(&nr_records, __ATOMIC_RELAXED);
}

/* Builds a number before `end`, with blanks in front if it has fewer digits than `width`. */
static char *build_number(char *end, uint64_t value, unsigned width)
{
	char *at = build_decimal(end, value);

	if (value == 0)
		*--at = '0';
	while (at > end - width)
		*--at = ' ';
	return at;
}

/*
 * Builds "[   12  0.061] debug " before `end`, from its last byte to its first. By hand: every
 * record has one, and format() would spend as much on it as on the message.
 */
static char *build_stamp(char *end, enum log_level level)
{
	static const char columns[NR_LOG_LEVELS][COLUMN_BYTES + 1] = {
		[LOG_ERROR] = "] error ", [LOG_WARN] = "] warn  ",
		[LOG_INFO] = "] info  ", [LOG_DEBUG] = "] debug ",
	};
	uint64_t ms = clock_ms();
	char *at = end - COLUMN_BYTES;

	__builtin_memcpy(at, columns[level], COLUMN_BYTES);
	at = build_decimal(at, 1000 + ms % 1000);
	*at = '.';                      /* instead of the 1 */
	at = build_number(at, ms / 1000, 2);
	*--at = ' ';
	at = build_number(at, number, 5);
	*--at = '[';
	return at;
}

void log_format(struct sink *sink, enum log_level level, const char *message, va_list arguments)
{
	char stamp[STAMP_BYTES], *end = stamp + sizeof(stamp), *first = build_stamp(end, level);

	sink->write(sink, first, (size_t)(end - first));
	vformat_record(sink, message, arguments);
}

/*
 * Gives a record that passes the filter the next number. The number before belongs to the record
 * that this one comes in the middle of, if there is one: it is put back when this one is done.
 */
static inline __attribute__((always_inline))
void write_numbered(enum log_level level, const char *message, va_list arguments)
{
	uint64_t before = number;

	number = __atomic_add_fetch(&nr_records, 1, __ATOMIC_RELAXED);
	log_record(level, message, arguments);
	number = before;
}

void log_error(const char *message, ...)
{
	va_list arguments;

	if (log_level < LOG_ERROR)
		return;
	va_start(arguments, message);
	write_numbered(LOG_ERROR, message, arguments);
	va_end(arguments);
}

void log_warn(const char *message, ...)
{
	va_list arguments;

	if (log_level < LOG_WARN)
		return;
	va_start(arguments, message);
	write_numbered(LOG_WARN, message, arguments);
	va_end(arguments);
}

void log_info(const char *message, ...)
{
	va_list arguments;

	if (log_level < LOG_INFO)
		return;
	va_start(arguments, message);
	write_numbered(LOG_INFO, message, arguments);
	va_end(arguments);
}

void log_debug(const char *message, ...)
{
	va_list arguments;

	if (log_level < LOG_DEBUG)
		return;
	va_start(arguments, message);
	write_numbered(LOG_DEBUG, message, arguments);
	va_end(arguments);
}
