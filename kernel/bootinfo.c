/* SPDX-License-Identifier: MIT */
/*
 * bootinfo.c: reads the boot loader's information, believing none of it.
 *
 *      base -> +------------+------------+-------+-------+-- ... --+-----------+
 *              | total size | reserved   | tag   | tag   |         | end tag   |
 *              +------------+------------+-------+-------+-- ... --+-----------+
 *      a tag:  | type | size with this header | body ... |  padding to 8 bytes
 *
 * Before a tag is read, it is checked to lie within the bytes that are there. A tag
 * that breaks the rules ends the boot at once, by name: a kernel that guesses its
 * memory map fails later, and elsewhere. The kernel copies all that it needs, and
 * does not look at the loader's structure afterwards.
 *
 * Limits: those in bootinfo.h. Too many ranges or modules, or too long a command
 * line, is a panic: if one were dropped, the kernel would be wrong about the machine.
 *
 * Source: Multiboot2 Specification 2.0, sections 3.3 "Machine state" and 3.6.
 *
 * Locks: none. Allocates: nothing. Callable from: boot (once the console works).
 */
#include "bootinfo.h"

#include <stdbool.h>

#include "panic.h"
#include "string.h"

#define TAG_ALIGN_BYTES  8      /* section 3.6.2: of the structure and of each tag */

enum tag_type {
	TAG_END = 0,
	TAG_COMMAND_LINE = 1,
	TAG_LOADER_NAME = 2,
	TAG_MODULE = 3,
	TAG_MEMORY_MAP = 6,
	TAG_OLD_RSDP = 14,
	TAG_NEW_RSDP = 15,
};

struct information {            /* section 3.6.1 */
	uint32_t total_bytes;   /* with this header and the end tag */
	uint32_t reserved;
};

struct tag {                    /* section 3.6.2 */
	uint32_t type;          /* enum tag_type, or one to skip */
	uint32_t bytes;         /* with this header, without the padding */
};

struct string_tag {             /* sections 3.6.5 and 3.6.9 */
	struct tag tag;
	char text[];
};

struct module_tag {             /* section 3.6.6 */
	struct tag tag;
	uint32_t start;         /* physical address of the first byte */
	uint32_t end;           /* one past the last */
	char text[];
};

struct rsdp_tag {               /* sections 3.6.14 and 3.6.15 */
	struct tag tag;
	uint8_t rsdp[];         /* the new one begins as the old one does */
};

struct memory_map_tag {         /* section 3.6.8 */
	struct tag tag;
	uint32_t entry_bytes;   /* a multiple of 8; a later version may have longer entries */
	uint32_t entry_version;
	uint8_t entries[];
};

struct memory_map_entry {
	uint64_t base;
	uint64_t bytes;
	uint32_t type;          /* enum bootinfo_memory */
	uint32_t reserved;
};

/* The structure that is being read, and how far we are. */
struct reader {
	struct bootinfo *info;
	const uint8_t *start;
	size_t offset;          /* of the tag at hand */
	bool has_command_line;
	bool has_memory_map;
};

static const char *tag_name(uint32_t type)
{
	switch (type) {
	case TAG_END:          return "end";
	case TAG_COMMAND_LINE: return "command line";
	case TAG_LOADER_NAME:  return "loader name";
	case TAG_MODULE:       return "module";
	case TAG_MEMORY_MAP:   return "memory map";
	case TAG_OLD_RSDP:
	case TAG_NEW_RSDP:     return "RSDP";
	default:               return "unknown";
	}
}

/* Panics over a tag: tag_panic(reader, tag, "size %u is less than 8", …). */
#define tag_panic(reader, tag, problem, ...)                                            \
	panic("bootinfo: tag %u (%s) at offset 0x%zx: " problem, (tag)->type,           \
	      tag_name((tag)->type), (reader)->offset, ##__VA_ARGS__)

static void require_size(const struct reader *reader, const struct tag *tag, size_t minimum)
{
	if (tag->bytes < minimum)
		tag_panic(reader, tag, "size %u is less than %zu", tag->bytes, minimum);
}

/*
 * Copies the string at `text`, which must end before the tag does, and cuts it to fit.
 * Return: its length, which is capacity_bytes or more if it was cut.
 */
static size_t copy_string(const struct reader *reader, const struct tag *tag, const char *text,
			  char *copy, size_t capacity_bytes)
{
	size_t limit_bytes = tag->bytes - (size_t)(text - (const char *)tag);
	size_t nr_bytes = strnlen(text, limit_bytes);
	size_t nr_kept = nr_bytes < capacity_bytes ? nr_bytes : capacity_bytes - 1;

	if (nr_bytes == limit_bytes)
		tag_panic(reader, tag, "string without a NUL");
	memcpy(copy, text, nr_kept);
	copy[nr_kept] = '\0';
	return nr_bytes;
}

static void read_command_line(struct reader *reader, const struct tag *tag)
{
	const struct string_tag *string = (const struct string_tag *)tag;
	struct bootinfo *info = reader->info;
	size_t nr_bytes;

	if (reader->has_command_line)
		tag_panic(reader, tag, "a second one");
	reader->has_command_line = true;

	nr_bytes = copy_string(reader, tag, string->text, info->command_line,
			       sizeof(info->command_line));
	if (nr_bytes >= sizeof(info->command_line))
		tag_panic(reader, tag, "%zu bytes long, but at most %zu are supported",
			  nr_bytes, sizeof(info->command_line) - 1);
}

static void read_loader_name(struct reader *reader, const struct tag *tag)
{
	const struct string_tag *string = (const struct string_tag *)tag;
	struct bootinfo *info = reader->info;

	copy_string(reader, tag, string->text, info->loader_name, sizeof(info->loader_name));
}

static void read_module(struct reader *reader, const struct tag *tag)
{
	const struct module_tag *module = (const struct module_tag *)tag;
	struct bootinfo *info = reader->info;
	struct bootinfo_module *copy;

	require_size(reader, tag, sizeof(*module));
	if (module->end < module->start)
		tag_panic(reader, tag, "end 0x%x is below start 0x%x", module->end, module->start);
	if (info->nr_modules == BOOTINFO_MAX_MODULES)
		tag_panic(reader, tag, "more than %u modules", BOOTINFO_MAX_MODULES);

	copy = &info->modules[info->nr_modules++];
	copy->start = module->start;
	copy->end = module->end;
	copy_string(reader, tag, module->text, copy->name, sizeof(copy->name));
}

static void read_range(struct reader *reader, const struct tag *tag,
		       const struct memory_map_entry *entry)
{
	struct bootinfo *info = reader->info;
	uint64_t end;

	if (entry->bytes == 0)
		return;
	if (__builtin_add_overflow(entry->base, entry->bytes, &end))
		tag_panic(reader, tag, "0x%lx bytes at 0x%lx reach past the last address",
			  entry->bytes, entry->base);
	if (info->nr_ranges == BOOTINFO_MAX_RANGES)
		tag_panic(reader, tag, "more than %u ranges", BOOTINFO_MAX_RANGES);

	info->ranges[info->nr_ranges++] = (struct bootinfo_range){
		.base = entry->base, .bytes = entry->bytes, .type = entry->type,
	};
}

static void read_memory_map(struct reader *reader, const struct tag *tag)
{
	const struct memory_map_tag *map = (const struct memory_map_tag *)tag;
	const size_t minimum = sizeof(struct memory_map_entry);
	size_t entries_bytes;

	require_size(reader, tag, sizeof(*map));
	if (reader->has_memory_map)
		tag_panic(reader, tag, "a second one");
	if (map->entry_version != 0)
		tag_panic(reader, tag, "entry version %u is not 0", map->entry_version);
	if (map->entry_bytes < minimum)
		tag_panic(reader, tag, "entry size %u is less than %zu", map->entry_bytes, minimum);
	if (map->entry_bytes % 8 != 0)
		tag_panic(reader, tag, "entry size %u is not a multiple of 8", map->entry_bytes);
	entries_bytes = tag->bytes - sizeof(*map);
	if (entries_bytes % map->entry_bytes != 0)
		tag_panic(reader, tag, "%zu bytes are no whole number of %u-byte entries",
			  entries_bytes, map->entry_bytes);

	for (size_t at = 0; at < entries_bytes; at += map->entry_bytes)
		read_range(reader, tag, (const struct memory_map_entry *)(map->entries + at));
	reader->has_memory_map = true;
}

static void read_rsdp(struct reader *reader, const struct tag *tag)
{
	const struct rsdp_tag *copied = (const struct rsdp_tag *)tag;

	require_size(reader, tag, sizeof(*copied) + BOOTINFO_RSDP_BYTES);
	memcpy(reader->info->rsdp, copied->rsdp, BOOTINFO_RSDP_BYTES);
}

/* Return: false for the end tag. */
static bool read_tag(struct reader *reader, const struct tag *tag)
{
	switch (tag->type) {
	case TAG_END:          return false;
	case TAG_COMMAND_LINE: read_command_line(reader, tag); break;
	case TAG_LOADER_NAME:  read_loader_name(reader, tag); break;
	case TAG_MODULE:       read_module(reader, tag); break;
	case TAG_MEMORY_MAP:   read_memory_map(reader, tag); break;
	case TAG_OLD_RSDP:
	case TAG_NEW_RSDP:     read_rsdp(reader, tag); break;
	}
	return true;
}

/* The tag at reader->offset, all of it there. */
static const struct tag *next_tag(const struct reader *reader)
{
	const struct tag *tag = (const struct tag *)(reader->start + reader->offset);
	size_t nr_left;

	/* The padding of the last tag may be missing: then the offset is past the end. */
	if (reader->offset + sizeof(*tag) > reader->info->bytes)
		panic("bootinfo: no end tag in %u bytes", reader->info->bytes);
	nr_left = reader->info->bytes - reader->offset;
	require_size(reader, tag, sizeof(*tag));
	if (tag->bytes > nr_left)
		tag_panic(reader, tag, "size %u is more than the %zu bytes left",
			  tag->bytes, nr_left);
	return tag;
}

void bootinfo_parse(struct bootinfo *info, paddr_t base, const void *pointer)
{
	const struct information *header = pointer;
	struct reader reader = { .info = info, .start = pointer, .offset = sizeof(*header) };
	const size_t minimum = sizeof(*header) + sizeof(struct tag);
	const struct tag *tag;

	if (base % TAG_ALIGN_BYTES != 0)
		panic("bootinfo: base 0x%lx is not a multiple of %u", base, TAG_ALIGN_BYTES);
	if (header->total_bytes < minimum)
		panic("bootinfo: total size %u is less than %zu", header->total_bytes, minimum);

	memset(info, 0, sizeof(*info));
	info->base = base;
	info->bytes = header->total_bytes;
	for (tag = next_tag(&reader); read_tag(&reader, tag); tag = next_tag(&reader))
		reader.offset += ROUND_UP((size_t)tag->bytes, TAG_ALIGN_BYTES);

	if (!reader.has_memory_map)
		panic("bootinfo: no memory map");
}

struct bootinfo bootinfo;

void bootinfo_init(uint32_t magic, paddr_t base)
{
	const struct information *header = phys_to_virt(base);

	if (magic != MULTIBOOT2_BOOT_MAGIC)
		panic("not started by a multiboot2 boot loader: magic 0x%x", magic);
	if (base > BOOT_MAP_BYTES - sizeof(*header) ||
	    header->total_bytes > BOOT_MAP_BYTES - base)
		panic("bootinfo: the structure at 0x%lx ends beyond 0x%lx, where the map of "
		      "memory ends as yet", base, (uint64_t)BOOT_MAP_BYTES);
	bootinfo_parse(&bootinfo, base, header);
}
