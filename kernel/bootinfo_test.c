/* SPDX-License-Identifier: MIT */
/*
 * bootinfo_test.c: tests of the boot information's parser.
 *
 * Each test builds a structure, word by word, in a static buffer. The usual one has
 * a command line, a module and a memory map with one range; a malformation is one
 * word of it, patched.
 */
#include "bootinfo.h"
#include "ktest.h"
#include "string.h"

#define BUFFER_WORDS  2048

static uint32_t buffer[BUFFER_WORDS] __attribute__((aligned(8)));
static size_t nr_words;                 /* written so far */
static size_t open_tag;                 /* first word of the tag being written */
static uint32_t nr_unused;              /* bytes of its last word that do not belong to it */
static struct bootinfo info;

/* Where in the buffer the words of the usual structure lie; a tag's size is its second word. */
static size_t command_line, module, memory_map;

static void put(uint32_t word)
{
	buffer[nr_words++] = word;
}

static void put_long(uint64_t value)
{
	put((uint32_t)value);
	put((uint32_t)(value >> 32));
}

/* A string, with its NUL, is the last thing in a tag: what is left of its last word is padding. */
static void put_text(const char *text)
{
	size_t nr_bytes = strlen(text) + 1;

	memcpy(buffer + nr_words, text, nr_bytes);
	nr_words += (nr_bytes + 3) / 4;
	nr_unused = (nr_words * 4 - nr_bytes) % 4;
}

static size_t begin_tag(uint32_t type)
{
	open_tag = nr_words;
	nr_unused = 0;
	put(type);
	put(0);
	return open_tag;
}

/* Sets the tag's size and pads it. */
static void end_tag(void)
{
	buffer[open_tag + 1] = (uint32_t)(nr_words - open_tag) * 4 - nr_unused;
	nr_words += nr_words % 2;
}

static void begin(void)
{
	memset(buffer, 0xff, sizeof(buffer));
	nr_words = 2;                           /* the total size and a reserved word */
}

static void put_range(uint64_t base, uint64_t bytes, uint32_t type)
{
	put_long(base);
	put_long(bytes);
	put(type);
	put(0);
}

static size_t put_module(uint32_t start, uint32_t end, const char *name)
{
	size_t tag = begin_tag(3);

	put(start);
	put(end);
	put_text(name);
	end_tag();
	return tag;
}

static size_t begin_map(void)
{
	size_t map = begin_tag(6);

	put(24);        /* entry size */
	put(0);         /* entry version */
	return map;
}

static void end(void)
{
	begin_tag(0);
	end_tag();
	buffer[0] = (uint32_t)nr_words * 4;
}

/* Takes the end tag away again, so that something can follow. */
static void reopen(void)
{
	nr_words -= 2;
}

static void build_usual(void)
{
	begin();
	command_line = begin_tag(1);
	put_text("log=debug");
	end_tag();
	module = put_module(0x300000, 0x345678, "initramfs");
	memory_map = begin_map();
	put_range(0x100000, 0x7f00000, BOOTINFO_AVAILABLE);
	end_tag();
	end();
}

static void parse(void)
{
	bootinfo_parse(&info, 0x9000, buffer);
}

KTEST(bootinfo, the_usual_structure_is_copied)
{
	build_usual();
	parse();
	CHECK(info.base == 0x9000 && info.bytes == nr_words * 4, "%u bytes", info.bytes);
	CHECK(strcmp(info.command_line, "log=debug") == 0, "\"%s\"", info.command_line);
	CHECK(info.loader_name[0] == '\0', "\"%s\"", info.loader_name);
	CHECK(info.nr_modules == 1, "%zu modules", info.nr_modules);
	CHECK(info.modules[0].start == 0x300000 && info.modules[0].end == 0x345678, "module");
	CHECK(strcmp(info.modules[0].name, "initramfs") == 0, "\"%s\"", info.modules[0].name);
	CHECK(info.nr_ranges == 1 && info.ranges[0].base == 0x100000, "%zu ranges", info.nr_ranges);
	CHECK(info.ranges[0].bytes == 0x7f00000 && info.ranges[0].type == 1, "range");
}

/* The structure with a root pointer of `nr_words` words. */
static void build_with_rsdp(uint32_t type, unsigned nr_rsdp_words)
{
	build_usual();
	reopen();
	begin_tag(type);
	for (uint32_t i = 1; i <= nr_rsdp_words; i++)
		put(i);
	end_tag();
	end();
	parse();
}

KTEST(bootinfo, acpis_root_pointer_is_copied_from_its_old_or_its_new_form)
{
	static const uint32_t words[BOOTINFO_RSDP_BYTES / 4] = { 1, 2, 3, 4, 5 };

	build_with_rsdp(14, 5);
	CHECK(memcmp(info.rsdp, words, sizeof(words)) == 0, "old");
	build_with_rsdp(15, 9);
	CHECK(memcmp(info.rsdp, words, sizeof(words)) == 0, "new");
	build_usual();
	parse();
	CHECK(info.rsdp[0] == 0, "there is one without a tag");
	EXPECT_PANIC("(RSDP) at offset", build_with_rsdp(14, 4));
}

KTEST(bootinfo, unknown_tags_and_longer_entries_are_skipped)
{
	begin();
	begin_tag(21);
	put_text("");                           /* 9 bytes, padded to 16 */
	end_tag();
	begin_tag(2);
	put_text("a loader whose name is rather longer than the sixty-three bytes kept");
	end_tag();
	begin_tag(6);
	put(32);                                /* entries of a later version: 8 bytes more */
	put(0);
	put_range(0, 0x9f000, 1);
	put_long(~0ull);
	put_range(0x9f000, 0, 2);               /* empty: skipped */
	put_long(~0ull);
	put_range(0xfffffffffffff000, 0xfff, 77);
	put_long(~0ull);
	end_tag();
	end();
	parse();
	CHECK(info.nr_ranges == 2 && info.ranges[1].type == 77, "%zu ranges", info.nr_ranges);
	CHECK(strlen(info.loader_name) == sizeof(info.loader_name) - 1, "%s", info.loader_name);
}

KTEST(bootinfo, what_follows_the_end_tag_is_not_read)
{
	build_usual();
	put_module(1, 0, "ends before it starts");
	buffer[0] = (uint32_t)nr_words * 4;
	parse();
	CHECK(info.nr_modules == 1, "%zu modules", info.nr_modules);
}

KTEST(bootinfo, a_wrong_start_is_named)
{
	build_usual();
	EXPECT_PANIC("magic 0x2badb002", bootinfo_init(0x2badb002, 0x9000));
	EXPECT_PANIC("at 0x100000000 ends beyond",
		     bootinfo_init(MULTIBOOT2_BOOT_MAGIC, BOOT_MAP_BYTES));
	EXPECT_PANIC("base 0x9004 is not a multiple of 8", bootinfo_parse(&info, 0x9004, buffer));
	buffer[0] = 15;
	EXPECT_PANIC("total size 15 is less than 16", parse());
}

KTEST(bootinfo, a_tag_must_fit_its_header_and_the_structure)
{
	build_usual();
	buffer[module + 1] = 7;
	EXPECT_PANIC("tag 3 (module) at offset 0x20: size 7 is less than 8", parse());
	buffer[module + 1] = 15;
	EXPECT_PANIC("tag 3 (module) at offset 0x20: size 15 is less than 16", parse());
	buffer[module + 1] = buffer[0];
	EXPECT_PANIC("(module) at offset 0x20: size", parse());
	buffer[module + 1] = 0xffffffff;
	EXPECT_PANIC("size 4294967295 is more than", parse());
	buffer[module] = 4711;
	EXPECT_PANIC("tag 4711 (unknown) at offset 0x20: size", parse());
}

KTEST(bootinfo, a_structure_needs_an_end_tag_and_one_memory_map)
{
	build_usual();
	buffer[0] -= 8;
	EXPECT_PANIC("no end tag", parse());
	buffer[0] += 4;
	EXPECT_PANIC("no end tag", parse());
	buffer[0] = 17;                         /* one tag of 9 bytes, the padding missing */
	buffer[command_line + 1] = 9;
	buffer[command_line + 2] = 0;
	EXPECT_PANIC("no end tag in 17 bytes", parse());
	build_usual();
	buffer[memory_map] = 99;
	EXPECT_PANIC("no memory map", parse());
	begin();
	end();
	EXPECT_PANIC("no memory map", parse());
}

KTEST(bootinfo, a_tag_that_may_come_once_comes_once)
{
	build_usual();
	reopen();
	begin_map();
	end_tag();
	end();
	EXPECT_PANIC("(memory map) at offset 0x68: a second one", parse());
	build_usual();
	reopen();
	begin_tag(1);
	put_text("log=info");
	end_tag();
	end();
	EXPECT_PANIC("(command line) at offset 0x68: a second one", parse());
}

KTEST(bootinfo, a_string_ends_inside_its_tag)
{
	build_usual();
	buffer[command_line + 1] -= 1;
	EXPECT_PANIC("tag 1 (command line) at offset 0x8: string without a NUL", parse());
	buffer[command_line + 1] = 8;
	EXPECT_PANIC("(command line) at offset 0x8: string without a NUL", parse());
	build_usual();
	buffer[module + 1] -= 1;
	EXPECT_PANIC("tag 3 (module) at offset 0x20: string without a NUL", parse());
	build_usual();
	buffer[command_line] = 2;
	buffer[command_line + 1] -= 1;
	EXPECT_PANIC("tag 2 (loader name) at offset 0x8: string without a NUL", parse());
}

KTEST(bootinfo, a_command_line_is_never_cut)
{
	static char line[BOOTINFO_MAX_STRING + 1];

	for (size_t length = BOOTINFO_MAX_STRING - 1; length <= BOOTINFO_MAX_STRING; length++) {
		memset(line, 'x', length);
		build_usual();
		reopen();
		buffer[command_line] = 99;
		begin_tag(1);
		put_text(line);
		end_tag();
		end();
		if (length < BOOTINFO_MAX_STRING)
			parse();
		else
			EXPECT_PANIC("512 bytes long, but at most 511", parse());
	}
}

KTEST(bootinfo, a_module_does_not_end_before_it_starts)
{
	build_usual();
	buffer[module + 3] = 0x300000;
	parse();
	CHECK(info.modules[0].start == info.modules[0].end, "an empty module");
	buffer[module + 3] = 0x2fffff;
	EXPECT_PANIC("(module) at offset 0x20: end 0x2fffff is below start 0x300000", parse());
}

KTEST(bootinfo, a_memory_map_has_entries_of_a_known_shape)
{
	build_usual();
	buffer[memory_map + 1] = 12;
	EXPECT_PANIC("tag 6 (memory map) at offset 0x40: size 12 is less than 16", parse());
	buffer[memory_map + 1] = 39;
	EXPECT_PANIC("23 bytes are no whole number of 24-byte entries", parse());
	buffer[memory_map + 1] = 40;
	buffer[memory_map + 2] = 20;
	EXPECT_PANIC("(memory map) at offset 0x40: entry size 20 is less than 24", parse());
	buffer[memory_map + 2] = 0;
	EXPECT_PANIC("entry size 0 is less than 24", parse());
	buffer[memory_map + 2] = 28;
	EXPECT_PANIC("entry size 28 is not a multiple of 8", parse());
	buffer[memory_map + 2] = 24;
	buffer[memory_map + 3] = 1;
	EXPECT_PANIC("(memory map) at offset 0x40: entry version 1 is not 0", parse());
}

KTEST(bootinfo, a_range_does_not_wrap)
{
	build_usual();
	buffer[memory_map + 5] = 0xffffffff;    /* upper half of the base */
	parse();
	CHECK(info.ranges[0].base == 0xffffffff00100000, "0x%lx", info.ranges[0].base);
	buffer[memory_map + 6] = 0xfff00000;    /* lower half of the length: up to 2^64 */
	EXPECT_PANIC("0xfff00000 bytes at 0xffffffff00100000 reach past", parse());
}

KTEST(bootinfo, ranges_fit_or_panic)
{
	build_usual();
	reopen();
	for (size_t i = 1; i < BOOTINFO_MAX_RANGES; i++)
		put_range(i * PAGE_BYTES, PAGE_BYTES, BOOTINFO_AVAILABLE);
	open_tag = memory_map;
	end_tag();
	end();
	parse();
	CHECK(info.nr_ranges == BOOTINFO_MAX_RANGES, "%zu ranges", info.nr_ranges);

	reopen();
	put_range(0, PAGE_BYTES, BOOTINFO_AVAILABLE);
	open_tag = memory_map;
	end_tag();
	end();
	EXPECT_PANIC("more than 128 ranges", parse());
}

KTEST(bootinfo, modules_fit_or_panic)
{
	build_usual();
	reopen();
	for (size_t i = 1; i < BOOTINFO_MAX_MODULES; i++)
		put_module(0, 0, "");
	end();
	parse();
	CHECK(info.nr_modules == BOOTINFO_MAX_MODULES, "%zu modules", info.nr_modules);

	reopen();
	put_module(0, 0, "");
	end();
	EXPECT_PANIC("more than 8 modules", parse());
}
