/* SPDX-License-Identifier: MIT */
/*
 * initramfs.c: unpacks a cpio archive into a directory.
 *
 *      offset -> +----------------+--------------+-----+-------------+-----+
 *                | header,        | name, NUL    | pad | contents    | pad | next entry
 *                | 110 characters |              | to 4|             | to 4|
 *                +----------------+--------------+-----+-------------+-----+
 *
 * An archive comes from outside and is believed in nothing: each entry is checked
 * in full before the directory hears of it, and the first bad one rejects the
 * whole archive. A name stands for one file only: a leading "./" is dropped, and
 * no name may be absolute or have "", "." or ".." between its slashes. The entry
 * "." itself is skipped. Of two entries with one name, the later one counts.
 *
 * Limits: only "newc" (magic 070701), not its variant with checksums (070702).
 * What follows the trailer is not looked at. Parents need not be in the archive.
 * Of hard links, those that carry no contents stay empty.
 *
 * Locks: none. Allocates: only what directory_add() does. Callable from: boot.
 */
#include "initramfs.h"

#include "bootinfo.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "string.h"
#include "watchdog.h"

#define CPIO_MAGIC        "070701"
#define CPIO_TRAILER      "TRAILER!!!"
#define CPIO_ALIGN_BYTES  4
#define CPIO_FIELD_BYTES  8     /* hexadecimal digits, either case */

/* The header's fields behind the magic, in order. The special device and the check are not used. */
enum cpio_field {
	CPIO_INODE, CPIO_MODE, CPIO_UID, CPIO_GID, CPIO_NR_LINKS, CPIO_MTIME, CPIO_FILE_BYTES,
	CPIO_DEVICE_MAJOR, CPIO_DEVICE_MINOR, CPIO_SPECIAL_MAJOR, CPIO_SPECIAL_MINOR,
	CPIO_NAME_BYTES, CPIO_CHECK,
	NR_CPIO_FIELDS,
};

_Static_assert(sizeof(CPIO_MAGIC) - 1 + NR_CPIO_FIELDS * CPIO_FIELD_BYTES == CPIO_HEADER_BYTES,
	       "a header is the magic and its fields");

/* One entry of the archive, checked. */
struct cpio_entry {
	struct dentry file;
	const char *name;       /* in the archive, behind a leading "./" */
	size_t name_bytes;      /* without the NUL */
	size_t end_bytes;       /* offset of the next entry's header */
};

struct directory initramfs;

/* The one failure that is not the archive's; told from the others by its address. */
static const char heap_exhausted[] = "the heap is exhausted";

static int hex_digit(uint8_t byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

/* Return: false if one of the fields has a byte that is no hexadecimal digit. */
static bool read_fields(const uint8_t *header, uint32_t fields[NR_CPIO_FIELDS])
{
	const uint8_t *next = header + strlen(CPIO_MAGIC);

	for (size_t i = 0; i < NR_CPIO_FIELDS; i++) {
		uint32_t value = 0;

		for (size_t nr_digits = 0; nr_digits < CPIO_FIELD_BYTES; nr_digits++) {
			int digit = hex_digit(*next++);

			if (digit < 0)
				return false;
			value = value << 4 | (uint32_t)digit;
		}
		fields[i] = value;
	}
	return true;
}

/* What is odd about the nr_bytes bytes of a name; NULL if nothing is. */
static const char *check_name(const char *name, size_t nr_bytes)
{
	size_t start = 0;       /* of the component at hand */

	if (nr_bytes == 0)
		return "empty name";
	if (name[0] == '/')
		return "absolute name";
	for (size_t i = 0; i <= nr_bytes; i++) {
		size_t component_bytes = i - start;

		if (i < nr_bytes && name[i] != '/')
			continue;
		if (component_bytes == 0)
			return i == nr_bytes ? "name with a slash at its end"
					     : "name with an empty component";
		if (component_bytes == 1 && name[start] == '.')
			return "name with a . component";
		if (component_bytes == 2 && name[start] == '.' && name[start + 1] == '.')
			return "name with a .. component";
		start = i + 1;
	}
	return NULL;
}

static bool entry_is(const struct cpio_entry *entry, const char *name)
{
	return strlen(name) == entry->name_bytes &&
	       memcmp(name, entry->name, entry->name_bytes) == 0;
}

/* Finds the name behind the header. Return: what is wrong with it, or NULL. */
static const char *read_name(const uint8_t *header, size_t nr_left, size_t name_bytes,
			     struct cpio_entry *entry)
{
	if (name_bytes == 0)
		return "name length 0";
	if (name_bytes > CPIO_MAX_NAME)
		return "name too long";
	if (name_bytes > nr_left - CPIO_HEADER_BYTES)
		return "name past the end";

	entry->name = (const char *)header + CPIO_HEADER_BYTES;
	entry->name_bytes = strnlen(entry->name, name_bytes);
	if (entry->name_bytes == name_bytes)
		return "name without a NUL";
	if (entry->name_bytes != name_bytes - 1)
		return "name with a NUL inside";

	if (entry_is(entry, ".") || entry_is(entry, CPIO_TRAILER))
		return NULL;
	if (starts_with(entry->name, "./")) {
		entry->name += 2;
		entry->name_bytes -= 2;
	}
	return check_name(entry->name, entry->name_bytes);
}

/*
 * Reads the entry whose header lies at `offset`, a multiple of 4; sums of 32-bit
 * fields do not overflow a size_t. Return: what is wrong with it, or NULL.
 */
static const char *read_entry(const uint8_t *archive, size_t nr_bytes, size_t offset,
			      struct cpio_entry *entry)
{
	size_t nr_left = offset < nr_bytes ? nr_bytes - offset : 0;
	uint32_t fields[NR_CPIO_FIELDS];
	const uint8_t *header;
	const char *reason;
	size_t data, data_bytes;

	if (nr_left == 0)
		return "no trailer";
	if (nr_left < CPIO_HEADER_BYTES)
		return "header past the end";
	header = archive + offset;
	if (memcmp(header, CPIO_MAGIC, strlen(CPIO_MAGIC)) != 0)
		return "bad magic";
	if (!read_fields(header, fields))
		return "field with a byte that is no hexadecimal digit";
	reason = read_name(header, nr_left, fields[CPIO_NAME_BYTES], entry);
	if (reason)
		return reason;

	data = ROUND_UP((size_t)CPIO_HEADER_BYTES + fields[CPIO_NAME_BYTES], CPIO_ALIGN_BYTES);
	data_bytes = fields[CPIO_FILE_BYTES];
	if (data_bytes > 0 && data + data_bytes > nr_left)
		return "contents past the end";
	entry->end_bytes = offset + ROUND_UP(data + data_bytes, CPIO_ALIGN_BYTES);
	entry->file = (struct dentry){
		.data = data_bytes > 0 ? header + data : NULL,
		.nr_bytes = data_bytes,
		.mode = fields[CPIO_MODE],
		.inode = fields[CPIO_INODE],
		.nr_links = fields[CPIO_NR_LINKS],
		.uid = fields[CPIO_UID],
		.gid = fields[CPIO_GID],
		.mtime = fields[CPIO_MTIME],
		.dev_major = fields[CPIO_DEVICE_MAJOR],
		.dev_minor = fields[CPIO_DEVICE_MINOR],
	};
	return NULL;
}

bool cpio_unpack(struct directory *directory, const void *archive, size_t nr_bytes,
		 struct cpio_error *error)
{
	struct cpio_entry entry;

	*error = (struct cpio_error){ 0 };
	for (;;) {
		watchdog_pet();
		error->reason = read_entry(archive, nr_bytes, error->offset_bytes, &entry);
		if (error->reason || entry_is(&entry, CPIO_TRAILER))
			break;
		if (!entry_is(&entry, ".") &&
		    !directory_add(directory, entry.name, entry.name_bytes, &entry.file)) {
			error->reason = heap_exhausted;
			break;
		}
		error->nr_entries++;
		error->offset_bytes = entry.end_bytes;
	}
	if (error->reason)
		directory_destroy(directory);
	return !error->reason;
}

void initramfs_init(void)
{
	const struct bootinfo_module *module = &bootinfo.modules[0];
	size_t nr_bytes = module->end - module->start;
	struct cpio_error error;

	if (!options.initramfs)
		log_info("initramfs: left packed, as the command line says");
	else if (bootinfo.nr_modules == 0)
		log_info("initramfs: none, the boot loader brought no module");
	else if (cpio_unpack(&initramfs, phys_to_virt(module->start), nr_bytes, &error))
		log_info("initramfs: %zu entries, %zu KiB",
			 initramfs.nr_entries, nr_bytes / KIB(1));
	else if (error.reason == heap_exhausted)
		log_warn("initramfs: %s after %zu entries; nothing mounted",
			 error.reason, error.nr_entries);
	else
		log_error("initramfs: damaged at byte %zu, entry %zu: %s; nothing mounted",
			  error.offset_bytes, error.nr_entries + 1, error.reason);
}
