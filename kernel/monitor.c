/* SPDX-License-Identifier: MIT */
/*
 * monitor.c: the commands one can type at the kernel.
 *
 * Commands about files are in files.c. A line that is no command may be an alias for some.
 *
 * Locks: takes store_lock, alias_lock, heap_lock, frame_lock and log_lock (in what its
 * commands call). Allocates: the heap (for `alloc`, `fill`, `alias` and files). Callable
 * from: boot (as its last step).
 */
#include "monitor.h"

#include "alias.h"
#include "bootinfo.h"
#include "console.h"
#include "cpio.h"
#include "fail.h"
#include "files.h"
#include "frame.h"
#include "heap.h"
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

_Static_assert(LINE_MAX_BYTES > 4 * CPIO_MAX_NAME + sizeof("cat "),
	       "a line takes any name that ls shows, escaped from end to end");

static const struct command commands[];

unsigned monitor_prompts;

/* What `alloc` and `fill` hold: each object's first word leads to the next. */
static void **held_objects;

static void help(const char *argument)
{
	for (const struct command *command = commands; command->name != NULL; command++)
		console_printf("  %-8s%-12s%s\n", command->name, command->usage, command->help);
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

/* Makes an allocation fail, to see what becomes of the next command. */
static void fail(const char *argument)
{
	unsigned long nth;
	const char *end;

	if (!parse_number(argument, &nth, &end) || *end != '\0' || nth == 0)
		console_printf("fail: which allocation from now on? \"%s\" is no number from 1\n", argument);
	else
		fail_begin(FAIL_NTH, nth);
}

/* The words behind the first, which is then NUL-terminated. */
static const char *behind_first_word(char *text)
{
	while (*text != '\0' && *text != ' ')
		text++;
	while (*text == ' ')
		*text++ = '\0';
	return text;
}

static void alias(const char *argument)
{
	static char name[LINE_MAX_BYTES + 1];
	const char *lines;

	format_string(name, sizeof(name), "%s", argument);
	lines = behind_first_word(name);
	if (*lines == '\0')
		alias_remove(name);
	else if (!alias_set(name, lines))
		console_printf("alias: no memory for it; nothing has changed\n");
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
	{ "dmesg", "[FILE]", "the records that the log kept; also into a file", files_dmesg },
	{ "ls", "[DIR]", "list a directory, of the initramfs and of what was written", files_ls },
	{ "cat", "FILE", "print a file", files_cat },
	{ "write", "FILE TEXT", "add a line to a file, which is made if need be", files_write },
	{ "mv", "FILE NAME", "rename a file that was written", files_mv },
	{ "rm", "FILE", "remove a file that was written", files_rm },
	{ "alias", "NAME LINES", "let NAME stand for lines, with ; between them; none: forget it", alias },
	{ "fail", "K", "let the K-th allocation from now on fail", fail },
	{ "alloc", "BYTES", "take an object from the heap and hold it", alloc },
	{ "fill", "", "take all that the heap has", fill },
	{ "free", "", "give back what alloc and fill hold", free_held },
	{ "panic", "[TEXT]", "panic", do_panic },
	{ "hang", "", "spin for ever", hang },
	{ "reboot", "", "reset the machine", reboot },
	{ NULL, NULL, NULL, NULL },
};

/* Return: false if it begins with no command's name, which is then its first word. */
static bool execute_command(char *line)
{
	char *name = line, *end = line + strlen(line);
	const char *argument;

	while (*name == ' ')
		name++;
	if (*name == '\0')
		return true;
	while (end[-1] == ' ')
		*--end = '\0';
	argument = behind_first_word(name);
	for (const struct command *command = commands; command->name != NULL; command++) {
		if (strcmp(name, command->name) != 0)
			continue;
		if (*argument != '\0' && command->usage[0] == '\0')
			console_printf("%s takes no argument\n", name);
		else
			command->run(argument);
		return true;
	}
	return false;
}

/* Carries out a line, or the lines that it is an alias for: commands, not aliases once more. */
static void execute(char *line)
{
	static char of_alias[LINE_MAX_BYTES + 1];
	size_t number = 0;

	if (execute_command(line))
		return;
	while (*line == ' ')
		line++;
	for (; alias_line(line, number, of_alias, sizeof(of_alias)); number++)
		if (!execute_command(of_alias))
			console_printf("alias %s: no command \"%s\"\n", line, of_alias);
	if (number == 0)
		console_printf("no command \"%s\"; try help\n", line);
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
