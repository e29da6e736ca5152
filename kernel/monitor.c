/* SPDX-License-Identifier: MIT */
/*
 * monitor.c: the commands one can type at the kernel.
 *
 * Locks: none of its own. Allocates: from the heap, for `alloc` and `fill`.
 * Callable from: kmain, once everything else is up.
 */
#include "monitor.h"

#include "bootinfo.h"
#include "console.h"
#include "frame.h"
#include "heap.h"
#include "initramfs.h"
#include "line.h"
#include "log.h"
#include "machine.h"
#include "memmap.h"
#include "memory.h"
#include "panic.h"
#include "string.h"
#include "watchdog.h"

struct command {
	const char *name;
	const char *usage;              /* of its argument; "" = it takes none */
	const char *help;
	void (*run)(const char *argument);
};

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

/* Prints what lies directly in `directory`: the names below it that have no further '/'. */
static void ls(const char *argument)
{
	size_t prefix_bytes = strlen(argument), cursor = 0, nr_listed = 0;
	const struct dentry *entry;

	while (prefix_bytes > 0 && argument[prefix_bytes - 1] == '/')
		prefix_bytes--;
	while ((entry = directory_next(&initramfs, &cursor)) != NULL) {
		const char *rest = entry->name;

		if (prefix_bytes > 0) {
			if (strncmp(rest, argument, prefix_bytes) != 0 || rest[prefix_bytes] != '/')
				continue;
			rest += prefix_bytes + 1;
		}
		if (strchr(rest, '/') != NULL)
			continue;
		console_printf("%s%9lu  %s\n", 
			       (entry->mode & DENTRY_TYPE_MASK) == DENTRY_DIRECTORY ? "d" : "-",
			       entry->nr_bytes, rest);
		nr_listed++;
	}
	if (nr_listed == 0)
		console_printf("ls: nothing in \"%s\"\n", argument);
}

static void cat(const char *argument)
{
	const struct dentry *entry = directory_find(&initramfs, argument);

	if (entry == NULL)
		console_printf("cat: no file \"%s\"\n", argument);
	else if ((entry->mode & DENTRY_TYPE_MASK) != DENTRY_REGULAR)
		console_printf("cat: \"%s\" is not a regular file\n", argument);
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
