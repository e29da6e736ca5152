/* SPDX-License-Identifier: MIT */
/*
 * files.c: the monitor's commands about files.
 *
 * There are those of the initramfs, which stay as they are, and those of the store, which can be
 * written. One that was written hides one of the same name in the initramfs.
 *
 * Locks: takes store_lock, heap_lock, frame_lock and log_lock (in the store, the heap and the log).
 * Allocates: the heap. Callable from: anywhere but an NMI handler (one at a time,
 * with no lock held).
 */
#include "files.h"

#include "console.h"
#include "heap.h"
#include "initramfs.h"
#include "line.h"
#include "log.h"
#include "memory.h"
#include "name.h"
#include "store.h"
#include "string.h"

#define DMESG_BYTES  KIB(64)            /* of the log that go into a file */

/* What a file is, by the type in its mode. */
static const struct file_type {
	char letter;            /* as `ls -l` has it elsewhere */
	const char *is;         /* for a sentence */
} file_types[(DENTRY_TYPE_MASK >> DENTRY_TYPE_SHIFT) + 1] = {
	[DENTRY_FIFO >> DENTRY_TYPE_SHIFT]      = { 'p', " is a pipe" },
	[DENTRY_CHARACTER >> DENTRY_TYPE_SHIFT] = { 'c', " is a device" },
	[DENTRY_DIRECTORY >> DENTRY_TYPE_SHIFT] = { 'd', " is a directory" },
	[DENTRY_BLOCK >> DENTRY_TYPE_SHIFT]     = { 'b', " is a device" },
	[DENTRY_REGULAR >> DENTRY_TYPE_SHIFT]   = { '-', " is a file" },
	[DENTRY_SYMLINK >> DENTRY_TYPE_SHIFT]   = { 'l', " is a symbolic link" },
	[DENTRY_SOCKET >> DENTRY_TYPE_SHIFT]    = { 's', " is a socket" },
};

static const struct file_type *type_of(const struct dentry *entry)
{
	static const struct file_type unknown = { '?', " is of an unknown type" };
	const struct file_type *type =
		&file_types[(entry->mode & DENTRY_TYPE_MASK) >> DENTRY_TYPE_SHIFT];

	return type->is != NULL ? type : &unknown;
}

/* Says `before`, the name in quotes, and `after`. */
static void complain(const char *before, const char *name, const char *after)
{
	console_printf("%s \"", before);
	name_show(&console_sink, name, strlen(name));
	console_printf("\"%s\n", after);
}

/*
 * The name in the directory that an argument stands for: it may begin with / or ./, and end
 * with /. Good until the next call.
 */
static const char *path_of(const char *argument)
{
	static char path[LINE_MAX_BYTES + 1];
	char *start = path;
	size_t nr_bytes;

	name_read(argument, path, sizeof(path));        /* it fits: no text is shorter than its name */
	while (starts_with(start, "/") || starts_with(start, "./"))
		start += *start == '/' ? 1 : 2;
	if (strcmp(start, ".") == 0)
		start++;
	for (nr_bytes = strlen(start); nr_bytes > 0 && start[nr_bytes - 1] == '/'; nr_bytes--)
		start[nr_bytes - 1] = '\0';
	return start;
}

/* One line of ls. A device has its number where others have their size. */
static void show_entry(const struct dentry *entry, const char *name)
{
	uint32_t type = entry->mode & DENTRY_TYPE_MASK;

	if (type == DENTRY_CHARACTER || type == DENTRY_BLOCK)
		console_printf("%c%4u,%4u  ", type_of(entry)->letter, entry->dev_major,
			       entry->dev_minor);
	else
		console_printf("%c%9lu  ", type_of(entry)->letter, entry->nr_bytes);
	name_show(&console_sink, name, strlen(name));
	if (type == DENTRY_SYMLINK) {
		console_printf(" -> ");
		name_show(&console_sink, (const char *)entry->data, entry->nr_bytes);
	}
	console_printf("\n");
}

/*
 * What is left of a file's name below a directory, if it lies directly in it; otherwise NULL. The
 * root's path is empty.
 */
static const char *name_below(const char *path, const char *name)
{
	size_t path_bytes = strlen(path);

	if (path_bytes > 0) {
		if (strncmp(name, path, path_bytes) != 0 || name[path_bytes] != '/')
			return NULL;
		name += path_bytes + 1;
	}
	return strchr(name, '/') == NULL ? name : NULL;
}

static bool was_written(const char *name)
{
	size_t nr_read;

	return store_read(name, 0, NULL, 0, &nr_read) == STORE_DONE;
}

/* A line of ls for each file that was written and has this path, or lies there. Return: how many. */
static size_t list_written(const char *path)
{
	static struct store_file file;
	size_t nr_listed = 0;

	for (size_t i = 0; store_list(i, &file); i++) {
		const struct dentry entry = { .mode = DENTRY_REGULAR, .nr_bytes = file.nr_bytes };
		const char *name = strcmp(file.name, path) == 0 ? path : name_below(path, file.name);

		if (name != NULL) {
			show_entry(&entry, name);
			nr_listed++;
		}
	}
	return nr_listed;
}

/* The same for what lies directly in a directory of the initramfs, and is not hidden. */
static size_t list_unpacked(const char *path)
{
	size_t cursor = 0, nr_listed = 0;
	const struct dentry *entry;

	while ((entry = directory_next(&initramfs, &cursor)) != NULL) {
		const char *name = name_below(path, entry->name);

		if (name != NULL && !was_written(entry->name)) {
			show_entry(entry, name);
			nr_listed++;
		}
	}
	return nr_listed;
}

void files_ls(const char *argument)
{
	const char *path = path_of(argument);
	const struct dentry *entry = directory_find(&initramfs, path);
	size_t nr_listed = list_written(path);

	if (entry != NULL && (entry->mode & DENTRY_TYPE_MASK) != DENTRY_DIRECTORY) {
		if (!was_written(path))
			show_entry(entry, path);
		return;
	}
	nr_listed += list_unpacked(path);
	if (nr_listed == 0)
		complain("ls: nothing in", path, "");
}

/* Prints a file that was written. */
static void cat_written(const char *name)
{
	static char piece[1024];
	size_t offset = 0, nr_read;

	while (store_read(name, offset, piece, sizeof(piece), &nr_read) == STORE_DONE && nr_read > 0) {
		console_write(piece, nr_read);
		offset += nr_read;
	}
}

void files_cat(const char *argument)
{
	const char *path = path_of(argument);
	const struct dentry *entry = directory_find(&initramfs, path);

	if (was_written(path))
		cat_written(path);
	else if (entry == NULL)
		complain("cat: no file", path, "");
	else if ((entry->mode & DENTRY_TYPE_MASK) != DENTRY_REGULAR)
		complain("cat:", path, type_of(entry)->is);
	else
		console_write((const char *)entry->data, entry->nr_bytes);
}

/* Says why a command has changed nothing. */
static void report(const char *command, const char *name, enum store_result result)
{
	static const char *const reasons[] = {
		[STORE_NO_MEMORY] = ": no memory; nothing has changed",
		[STORE_EXISTS] = ": there is such a file already",
		[STORE_ABSENT] = ": no file of that name was written",
		[STORE_BAD_NAME] = ": no name for a file",
	};

	if (result != STORE_DONE)
		complain(command, name, reasons[result]);
}

/* Adds bytes to a file, which is made if there is none. A file that was made in vain goes again. */
static enum store_result append(const char *name, const char *text, size_t nr_bytes)
{
	enum store_result made = store_create(name), result;

	if (made != STORE_DONE && made != STORE_EXISTS)
		return made;
	result = store_append(name, text, nr_bytes);
	if (result != STORE_DONE && made == STORE_DONE)
		store_remove(name);
	return result;
}

/* Splits an argument behind its first word, which becomes a path, good until the next call. */
static const char *split(const char *argument, const char **rest)
{
	static char first[LINE_MAX_BYTES + 1];
	const char *end = strchr(argument, ' ');
	size_t nr_bytes = end != NULL ? (size_t)(end - argument) : strlen(argument);

	memcpy(first, argument, nr_bytes);
	first[nr_bytes] = '\0';
	for (*rest = argument + nr_bytes; **rest == ' ';)
		++*rest;
	return path_of(first);
}

void files_write(const char *argument)
{
	static char line[LINE_MAX_BYTES + 1];
	const char *text, *name = split(argument, &text);
	size_t nr_bytes = strlen(text);

	memcpy(line, text, nr_bytes);   /* it fits: there is a name before it */
	line[nr_bytes] = '\n';
	report("write", name, append(name, line, nr_bytes + 1));
}

void files_mv(const char *argument)
{
	static char name[LINE_MAX_BYTES + 1];
	const char *new_argument, *new_name;

	format_string(name, sizeof(name), "%s", split(argument, &new_argument));
	new_name = path_of(new_argument);
	report("mv", name, store_rename(name, new_name));
}

void files_rm(const char *argument)
{
	const char *name = path_of(argument);

	report("rm", name, store_remove(name));
}

/*
 * The log's records go into memory of their own first. If they went straight into the store, it
 * would be asked for memory with log_lock held, where there is one, and a rescue of the heap logs.
 */
void files_dmesg(const char *argument)
{
	const char *name = path_of(argument);
	struct buffer_sink copy;
	char *text;

	if (*argument == '\0') {
		log_dump();
		return;
	}
	text = kmalloc(DMESG_BYTES);
	if (text == NULL) {
		report("dmesg", name, STORE_NO_MEMORY);
		return;
	}
	buffer_sink_init(&copy, text, DMESG_BYTES);
	console_copy_to(&copy);
	log_dump();
	console_copy_to(NULL);
	report("dmesg", name, append(name, text, copy.nr_bytes));
	if (copy.cut)
		console_printf("dmesg: the file has the first %lu KiB\n", DMESG_BYTES / KIB(1));
	kfree(text);
}
