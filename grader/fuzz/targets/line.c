/* SPDX-License-Identifier: MIT */
/*
 * line.c: the monitor's line editor.
 *
 * An input is what is typed. A terminal that knows nothing of the editor shows the echo, and
 * in the end the person before it must have seen the line that the monitor gets. Where no
 * key's sequence is typed, a model says what that line is.
 */
#include <string.h>

#include "fuzz.h"
#include "line.h"

#define CTRL(letter)  ((letter) & 0x1f)
#define DELETE        0x7f
#define ESC           0x1b

/* A line of text: what a terminal shows, or what the model has. */
struct shown {
	char text[LINE_MAX_BYTES];
	size_t nr_bytes;
};

static struct shown screen, model;
static bool model_is_cut, has_escapes;

static void put(struct shown *shown, char byte)
{
	MUST(shown->nr_bytes < sizeof(shown->text), "%zu bytes on a line", shown->nr_bytes);
	shown->text[shown->nr_bytes++] = byte;
}

/* Takes back a character: bytes 10xxxxxx belong to the one before them. */
static void take_back(struct shown *shown)
{
	while (shown->nr_bytes > 0 && (shown->text[--shown->nr_bytes] & 0xc0) == 0x80)
		;
}

/* The terminal: it shows text, and "\b \b" clears the last column. */
static bool show(struct sink *sink, const char *text, size_t nr_bytes)
{
	if (nr_bytes == 3 && memcmp(text, "\b \b", 3) == 0) {
		MUST(screen.nr_bytes > 0, "it takes back what is not there");
		take_back(&screen);
		return true;
	}
	for (size_t i = 0; i < nr_bytes; i++) {
		uint8_t byte = (uint8_t)text[i];

		MUST(byte == '\n' ? i == nr_bytes - 1 : byte >= ' ' && byte != DELETE,
		     "%#x is echoed", byte);
		if (byte != '\n' && text[nr_bytes - 1] != '\n')
			put(&screen, text[i]);
	}
	return true;
}

static struct sink terminal = { .write = show };

/* What line.h says of a byte outside of any sequence. */
static void type(uint8_t byte)
{
	has_escapes |= byte == ESC;
	if (byte == CTRL('U'))
		model.nr_bytes = 0;
	else if (byte == '\b' || byte == DELETE)
		take_back(&model);
	else if (byte >= ' ' && model.nr_bytes < LINE_MAX_BYTES)
		put(&model, (char)byte);
	else if (byte >= ' ')
		model_is_cut = true;
	if (model.nr_bytes == 0)
		model_is_cut = false;
}

static void must_be_the_end(const struct line *line, enum line_end how, uint8_t byte)
{
	MUST(line->nr_bytes <= LINE_MAX_BYTES && line->text[line->nr_bytes] == '\0' &&
	     strlen(line->text) == line->nr_bytes, "%zu bytes", line->nr_bytes);
	MUST((how == LINE_DROPPED) == (byte == CTRL('C')), "%#x ends it as %d", byte, how);
	if (how != LINE_COMPLETE) {
		MUST(line->nr_bytes == 0, "%zu bytes that do not count", line->nr_bytes);
	} else {
		MUST(screen.nr_bytes == line->nr_bytes &&
		     memcmp(screen.text, line->text, line->nr_bytes) == 0,
		     "\"%s\" is not what is shown", line->text);
	}
	if (has_escapes || how == LINE_DROPPED)
		return;
	MUST((how == LINE_CUT) == model_is_cut, "it ends as %d", how);
	MUST(how == LINE_CUT || (model.nr_bytes == line->nr_bytes &&
	     memcmp(model.text, line->text, line->nr_bytes) == 0), "\"%s\" is not what was typed",
	     line->text);
}

static void begin(struct line *line)
{
	memset(line, 0x5a, sizeof(*line));
	line_begin(line);
	screen.nr_bytes = model.nr_bytes = 0;
	model_is_cut = has_escapes = false;
}

void fuzz_one(const uint8_t *bytes, size_t nr_bytes)
{
	struct line line;

	begin(&line);
	for (size_t i = 0; i <= nr_bytes; i++) {
		uint8_t byte = i < nr_bytes ? bytes[i] : '\r';
		enum line_end how = line_edit(&line, (char)byte, &terminal);

		MUST((how != LINE_OPEN) == (byte == '\r' || byte == '\n' || byte == CTRL('C')),
		     "%#x: %d", byte, how);
		if (how == LINE_OPEN) {
			type(byte);
			continue;
		}
		must_be_the_end(&line, how, byte);
		begin(&line);
	}
}
