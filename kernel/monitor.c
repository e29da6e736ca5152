/* SPDX-License-Identifier: MIT */
/*
 * monitor.c: the commands one can type at the kernel.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (in what its commands call).
 * Allocates: the heap (for `alloc` and `fill`). Callable from: boot (as its last step).
 */
#include "monitor.h"

#include "bootinfo.h"
#include "console.h"
#include "cpio.h"
#include "frame.h"
#include "heap.h"
#include "initramfs.h"
#include "line.h"
#include "log.h"
#include "machine.h"
#include "memmap.h"
#include "memory.h"
#include "name.h"
#include "panic.h"
#include "string.h"
#include "watchdog.h"

struct command {
	const char *name;
	const char *usage;              /* of its argument; "" = it takes none */
	const char *help;
	void (*run)(const char *argument);
};

_Static_assert(LINE_MAX_BYTES > 4 * CPIO_MAX_NAME + sizeof("cat "),
	       "a line takes any name that ls shows, escaped from end to end");

static const struct command commands[];

unsigned monitor_prompts;

/* What `alloc` and `fill` hold: each object's first word leads to the next. */
static void **held_objects;

static void help(const char *argument)
{
	for (const struct command *command = commands; command->name != NULL; command++)
		console_printf("  %-8s%-8s%s\n", command->name, command->usage, command->help);
}

static void mem(const char *argument)
{
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	for (size_t i = 0; i < nr_ranges; i++)
		console_printf("  0x%010lx - 0x%010lx %10lu KiB  %s\n", ranges[i].base, ranges[i].end,
			       (ranges[i].end - ranges[i].base) / KIB(1),
			       memmap_owner_name(ranges[i].owner));
}

static void frames(const char *argument)
{
	struct frame_stats stats;

	frame_check();
	frame_stats(&stats);
	console_printf("%zu frames, %zu free; free blocks by order:", stats.nr_frames, stats.nr_free);
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++)
		console_printf(" %zu", stats.nr_free_blocks[order]);
	console_printf("\n");
}

static void heap(const char *argument)
{
	struct heap_stats stats;

	heap_check();
	heap_stats(&stats);
	console_printf("%zu objects of %zu bytes live; %zu pages, %zu free; %zu calls, %zu rescues\n",
		       stats.nr_live, stats.live_bytes, stats.nr_pages, stats.nr_free_pages,
		       stats.nr_calls, stats.nr_rescues);
}

static void log(const char *argument)
{
	for (int level = 0; level < NR_LOG_LEVELS; level++) {
		if (strcmp(argument, log_level_names[level]) == 0) {
			log_level = (enum log_level)level;
			return;
		}
	}
	console_printf("log: no level \"%s\"; there are error, warn, info and debug\n", argument);
}

static void dmesg(const char *argument)
{
	log_dump();
}

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

/* Prints what lies directly in a directory: the names below it that have no further '/'. */
static void ls(const char *argument)
{
	const char *path = path_of(argument);
	size_t path_bytes = strlen(path), cursor = 0, nr_listed = 0;
	const struct dentry *entry = directory_find(&initramfs, path);

	if (entry != NULL && (entry->mode & DENTRY_TYPE_MASK) != DENTRY_DIRECTORY) {
		show_entry(entry, path);
		return;
	}
	while ((entry = directory_next(&initramfs, &cursor)) != NULL) {
		const char *rest = entry->name;

		if (path_bytes > 0) {
			if (strncmp(rest, path, path_bytes) != 0 || rest[path_bytes] != '/')
				continue;
			rest += path_bytes + 1;
		}
		if (strchr(rest, '/') != NULL)
			continue;
		show_entry(entry, rest);
		nr_listed++;
	}
	if (nr_listed == 0)
		complain("ls: nothing in", path, "");
}

static void cat(const char *argument)
{
	const char *path = path_of(argument);
	const struct dentry *entry = directory_find(&initramfs, path);

	if (entry == NULL)
		complain("cat: no file", path, "");
	else if ((entry->mode & DENTRY_TYPE_MASK) != DENTRY_REGULAR)
		complain("cat:", path, type_of(entry)->is);
	else
		console_write((const char *)entry->data, entry->nr_bytes);
}

static bool hold(size_t bytes)
{
	void **object = kmalloc(bytes < sizeof(*object) ? sizeof(*object) : bytes);

	if (object == NULL)
		return false;
	*object = held_objects;
	held_objects = object;
	watchdog_pet();
	return true;
}

static void alloc(const char *argument)
{
	unsigned long bytes;
	const char *end;

	if (!parse_number(argument, &bytes, &end) || *end != '\0')
		console_printf("alloc: how many bytes? \"%s\" is no number\n", argument);
	else if (hold(bytes))
		console_printf("%lu bytes at %p\n", bytes, (void *)held_objects);
	else
		console_printf("alloc: the heap has no %lu bytes left\n", bytes);
}

/* Takes all there is, in ever smaller objects, so that no size is left. */
static void fill(const char *argument)
{
	size_t nr_objects = 0, step;

	for (size_t bytes = MIB(1); bytes >= HEAP_ALIGN_BYTES; bytes -= step) {
		while (hold(bytes))
			nr_objects++;
		step = bytes > PAGE_BYTES ? bytes / 2 : HEAP_ALIGN_BYTES;
	}
	console_printf("fill: the heap is exhausted, after %zu objects\n", nr_objects);
}

static void free_held(const char *argument)
{
	size_t nr_objects = 0;

	while (held_objects != NULL) {
		void **next = *held_objects;

		kfree(held_objects);
		held_objects = next;
		nr_objects++;
	}
	console_printf("free: gave back %zu objects\n", nr_objects);
}

static void do_panic(const char *argument)
{
	panic("%s", *argument == '\0' ? "asked for at the monitor" : argument);
}

static void hang(const char *argument)
{
	for (;;)
		;
}

static void reboot(const char *argument)
{
	machine_reboot();
}

static const struct command commands[] = {
	{ "help", "", "this list", help },
	{ "mem", "", "who owns which physical memory", mem },
	{ "frames", "", "check the frame allocator and count its blocks", frames },
	{ "heap", "", "check the heap and count its objects", heap },
	{ "log", "LEVEL", "show records up to error, warn, info or debug", log },
	{ "dmesg", "", "the records that the log kept", dmesg },
	{ "ls", "[DIR]", "list a directory of the initramfs, in no order", ls },
	{ "cat", "FILE", "print a file of the initramfs", cat },
	{ "alloc", "BYTES", "take an object from the heap and hold it", alloc },
	{ "fill", "", "take all that the heap has", fill },
	{ "free", "", "give back what alloc and fill hold", free_held },
	{ "panic", "[TEXT]", "panic", do_panic },
	{ "hang", "", "spin for ever", hang },
	{ "reboot", "", "reset the machine", reboot },
	{ NULL, NULL, NULL, NULL },
};

static void execute(char *line)
{
	char *name = line, *argument, *end;

	while (*name == ' ')
		name++;
	if (*name == '\0')
		return;
	for (argument = name; *argument != '\0' && *argument != ' '; argument++)
		;
	while (*argument == ' ')
		*argument++ = '\0';
	for (end = argument + strlen(argument); end > argument && end[-1] == ' ';)
		*--end = '\0';
	for (const struct command *command = commands; command->name != NULL; command++) {
		if (strcmp(name, command->name) != 0)
			continue;
		if (*argument != '\0' && command->usage[0] == '\0')
			console_printf("%s takes no argument\n", name);
		else
			command->run(argument);
		return;
	}
	console_printf("no command \"%s\"; try help\n", name);
}

/* Waits for a line that was completed. It is good until the next call. */
static char *read_line(void)
{
	static struct line line;
	enum line_end end;

	do {
		log_flush();
		console_fresh_line();
		monitor_prompts++;
		console_printf(MONITOR_PROMPT);
		line_begin(&line);
		do
			end = line_edit(&line, console_read(), &console_sink);
		while (end == LINE_OPEN);
		if (end == LINE_CUT)
			console_printf("the line is longer than %u bytes and is not carried out\n",
				       LINE_MAX_BYTES);
	} while (end != LINE_COMPLETE);
	return line.text;
}

_Noreturn void monitor_run(void)
{
	console_printf("Type help for the commands.\n");
	for (;;) {
		char *line = read_line();

		watchdog_pet();
		execute(line);
	}
}
