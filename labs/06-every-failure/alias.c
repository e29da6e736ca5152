/* SPDX-License-Identifier: MIT */
/*
 * alias.c: short words for lines that are often typed at the monitor.
 *
 * An alias is made on the side, with all of its lines, and then takes its place in the list, and
 * perhaps that of an older one.
 *
 *      aliases ──► alias ──────────► alias ──► NULL
 *                   │ └─ name
 *                   └──► line ──► line ──► NULL       each line, and its text, is an object
 *
 * Exercise 6.4: whoever wrote this tried it with all the memory there is.
 *
 * Locks: takes alias_lock, heap_lock and frame_lock (the last two in the heap).
 * Allocates: the heap. Callable from: anywhere but an NMI handler (with no lock held).
 */
#include "alias.h"

#include "format.h"
#include "heap.h"
#include "spinlock.h"
#include "string.h"

struct line {
	struct line *next;              /* NULL = it is the last one */
	char *text;                     /* NUL-terminated, without blanks around it */
};

struct alias {
	struct alias *next;             /* NULL = it is the last one */
	char *name;                     /* NUL-terminated */
	struct line *lines;             /* in their order */
};

static DEFINE_SPINLOCK(alias_lock);
static struct alias *aliases;
static size_t nr_lines;                 /* of all aliases, with those of one that is being made */

/* The link that leads to the alias of that name, or the NULL behind the last alias. */
static struct alias **find(const char *name)
{
	struct alias **link;

	for (link = &aliases; *link != NULL; link = &(*link)->next)
		if (strcmp((*link)->name, name) == 0)
			break;
	return link;
}

/* An alias without lines, in no list yet. Return: NULL if the heap is exhausted. */
static struct alias *alias_new(const char *name)
{
	struct alias *alias = kzalloc(1, sizeof(*alias));
	size_t name_bytes = strlen(name) + 1;

	if (alias != NULL) {
		alias->name = kmalloc(name_bytes);
		if (alias->name == NULL) {
			/* BEGIN SOLUTION 6.4 */
			kfree(alias);
			/* END SOLUTION */
			return NULL;
		}
		memcpy(alias->name, name, name_bytes);
	}
	return alias;
}

/* A line of these bytes. Return: NULL if the heap is exhausted. */
static struct line *line_new(const char *text, size_t nr_bytes)
{
	struct line *line = kzalloc(1, sizeof(*line));

	if (line != NULL) {
		line->text = kmalloc(nr_bytes + 1);
		/* BEGIN SOLUTION 6.4 */
		if (line->text == NULL) {
			kfree(line);
			return NULL;
		}
		/* END SOLUTION */
		memcpy(line->text, text, nr_bytes);
		line->text[nr_bytes] = '\0';
	}
	return line;
}

/* Gives back an alias that is in no list, with its lines. */
static void alias_free(struct alias *alias)
{
	while (alias->lines != NULL) {
		struct line *line = alias->lines;

		alias->lines = line->next;
		kfree(line->text);
		kfree(line);
		nr_lines--;
	}
	kfree(alias->name);
	kfree(alias);
}

/* The bytes of the line that starts at `text`, without the ';' or the NUL behind it. */
static size_t bytes_of_line(const char *text)
{
	const char *end = strchr(text, ';');

	return end != NULL ? (size_t)(end - text) : strlen(text);
}

/* Adds the lines in `text` to an alias. Return: false if the heap is exhausted. */
static bool add_lines(struct alias *alias, const char *text)
{
	struct line **last = &alias->lines;
	bool has_all = true;

	for (;;) {
		size_t nr_bytes, nr_blanks = 0;

		while (*text == ' ')
			text++;
		nr_bytes = bytes_of_line(text);
		while (nr_blanks < nr_bytes && text[nr_bytes - nr_blanks - 1] == ' ')
			nr_blanks++;
		*last = line_new(text, nr_bytes - nr_blanks);
		if (*last == NULL) {
			/* BEGIN SOLUTION 6.4 */
			has_all = false;
			/* END SOLUTION */
			break;
		}
		last = &(*last)->next;
		nr_lines++;
		if (text[nr_bytes] == '\0')
			break;
		text += nr_bytes + 1;
	}
	return has_all;
}

bool alias_set(const char *name, const char *text)
{
	struct alias *alias, *replaced, **link;

	spin_lock(&alias_lock);
	alias = alias_new(name);
	if (alias == NULL) {
		/* BEGIN SOLUTION 6.4 */
		spin_unlock(&alias_lock);
		/* END SOLUTION */
		return false;
	}
	if (!add_lines(alias, text)) {
		/* BEGIN SOLUTION 6.4 */
		alias_free(alias);
		/* END SOLUTION */
		spin_unlock(&alias_lock);
		return false;
	}
	link = find(name);
	replaced = *link;
	if (replaced != NULL) {
		alias->next = replaced->next;
		alias_free(replaced);
	}
	*link = alias;
	spin_unlock(&alias_lock);
	return true;
}

bool alias_line(const char *name, size_t number, char *text, size_t capacity_bytes)
{
	const struct alias *alias;
	const struct line *line = NULL;

	spin_lock(&alias_lock);
	alias = *find(name);
	if (alias != NULL)
		line = alias->lines;
	for (; line != NULL && number > 0; line = line->next)
		number--;
	if (line != NULL)
		format_string(text, capacity_bytes, "%s", line->text);
	spin_unlock(&alias_lock);
	return line != NULL;
}

bool alias_remove(const char *name)
{
	struct alias **link, *alias;

	spin_lock(&alias_lock);
	link = find(name);
	alias = *link;
	if (alias != NULL) {
		*link = alias->next;
		alias_free(alias);
	}
	spin_unlock(&alias_lock);
	return alias != NULL;
}

size_t alias_nr_lines(void)
{
	size_t nr;

	spin_lock(&alias_lock);
	nr = nr_lines;
	spin_unlock(&alias_lock);
	return nr;
}
