/* SPDX-License-Identifier: MIT */
/*
 * initramfs.c: unpacks cpio archives into a directory.
 *
 * Each entry is checked in full before the directory hears of it, and the first bad one rejects
 * everything.
 *
 * Any of a file's hard links may be the one that has the contents. So at the first link of an
 * archive, find_links() reads ahead and keeps the contents of all its links in a second
 * directory, by device and inode. An archive without links is read once, and costs no memory.
 *
 * Limits: of several boot modules only the first is unpacked. Parents need not be in the archive.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (in the heap). Allocates: the heap.
 * Callable from: anywhere but an NMI handler; initramfs_init() from boot.
 */
#include "initramfs.h"

#include "bootinfo.h"
#include "cpio.h"
#include "format.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "string.h"
#include "watchdog.h"

#define PIECE_BYTES     KIB(64)         /* of zeros, between two pets of the watchdog */
#define LINK_KEY_BYTES  sizeof("ffffffff:ffffffff:ffffffff:f000")

/* The bytes to read, and where they go. */
struct reader {
	const uint8_t *bytes;
	size_t nr_bytes;
	struct directory *directory;
	struct directory links;         /* what has the contents of a link, named by link_key() */
	bool knows_links;               /* of the archive at hand */
};

struct directory initramfs;

/* The one failure that is not the archive's; told from the others by its address. */
static const char heap_exhausted[] = "the heap is exhausted";

static struct dentry dentry_of(const struct cpio_entry *entry)
{
	const uint32_t *fields = entry->fields;

	return (struct dentry){
		.data = entry->data,
		.nr_bytes = fields[CPIO_FILE_BYTES],
		.mode = fields[CPIO_MODE],
		.inode = fields[CPIO_INODE],
		.nr_links = fields[CPIO_NR_LINKS],
		.uid = fields[CPIO_UID],
		.gid = fields[CPIO_GID],
		.mtime = fields[CPIO_MTIME],
		.dev_major = fields[CPIO_SPECIAL_MAJOR],
		.dev_minor = fields[CPIO_SPECIAL_MINOR],
	};
}

static bool is_link(const struct cpio_entry *entry)
{
	return (entry->fields[CPIO_MODE] & DENTRY_TYPE_MASK) != DENTRY_DIRECTORY &&
	       entry->fields[CPIO_NR_LINKS] > 1;
}

/* What all links of a file have in common, as a name in reader->links. */
static const char *link_key(const struct cpio_entry *entry, char key[LINK_KEY_BYTES])
{
	const uint32_t *fields = entry->fields;

	format_string(key, LINK_KEY_BYTES, "%x:%x:%x:%x", fields[CPIO_DEVICE_MAJOR],
		      fields[CPIO_DEVICE_MINOR], fields[CPIO_INODE],
		      fields[CPIO_MODE] & DENTRY_TYPE_MASK);
	return key;
}

/*
 * Keeps the contents of all hard links from `offset` to the archive's trailer, or to what is
 * wrong with it. Return: false if the heap is exhausted.
 */
static bool find_links(struct reader *reader, size_t offset)
{
	char buffer[LINK_KEY_BYTES];
	struct cpio_entry entry;

	while (cpio_read_entry(reader->bytes, reader->nr_bytes, offset, &entry) == NULL &&
	       !entry.is_trailer) {
		watchdog_pet();
		if (is_link(&entry) && entry.data) {
			const char *key = link_key(&entry, buffer);
			const struct dentry file = dentry_of(&entry);

			if (!directory_add(&reader->links, key, strlen(key), &file))
				return false;
		}
		offset = entry.end_bytes;
	}
	reader->knows_links = true;
	return true;
}

/* Adds the entry that lies at `offset`. Return: false if the heap is exhausted. */
static bool add_entry(struct reader *reader, size_t offset, const struct cpio_entry *entry)
{
	struct dentry file = dentry_of(entry);
	char key[LINK_KEY_BYTES];

	if (entry->name_bytes == 0)
		return true;
	if (is_link(entry)) {
		const struct dentry *contents;

		if (!reader->knows_links && !find_links(reader, offset))
			return false;
		contents = directory_find(&reader->links, link_key(entry, key));
		if (contents) {
			file.data = contents->data;
			file.nr_bytes = contents->nr_bytes;
		}
	}
	return directory_add(reader->directory, entry->name, entry->name_bytes, &file);
}

/*
 * Reads an archive, from error->offset_bytes on, which then moves behind its trailer, or to the
 * bad entry. Return: what is wrong, or NULL.
 */
static const char *read_archive(struct reader *reader, struct cpio_error *error)
{
	struct cpio_entry entry;
	const char *reason;

	reader->knows_links = false;
	for (;;) {
		watchdog_pet();
		reason = cpio_read_entry(reader->bytes, reader->nr_bytes, error->offset_bytes, &entry);
		if (reason)
			return reason;
		if (!entry.is_trailer && !add_entry(reader, error->offset_bytes, &entry))
			return heap_exhausted;
		error->offset_bytes = entry.end_bytes;
		if (entry.is_trailer)
			return NULL;
		error->nr_entries++;
	}
}

/* The offset of the first byte from `offset` on that is not zero, or of the end. */
static size_t skip_zeros(const struct reader *reader, size_t offset)
{
	while (offset < reader->nr_bytes && reader->bytes[offset] == 0) {
		if (offset % PIECE_BYTES == 0)
			watchdog_pet();
		offset++;
	}
	return offset;
}

bool cpio_unpack(struct directory *directory, const void *archives, size_t nr_bytes,
		 struct cpio_error *error)
{
	struct reader reader = { .bytes = archives, .nr_bytes = nr_bytes, .directory = directory };

	*error = (struct cpio_error){ .offset_bytes = skip_zeros(&reader, 0) };
	do {
		error->reason = read_archive(&reader, error);
		directory_destroy(&reader.links);
		if (!error->reason)
			error->offset_bytes = skip_zeros(&reader, error->offset_bytes);
	} while (!error->reason && error->offset_bytes < nr_bytes);
	if (error->reason)
		directory_destroy(directory);
	return !error->reason;
}

void initramfs_init(void)
{
	const struct bootinfo_module *module = &bootinfo.modules[0];
	size_t nr_bytes = module->end - module->start;
	static struct cpio_error error;         /* static: any compiler lets a debugger find it */

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
		log_error("initramfs: rejected at byte %zu, entry %zu: %s; nothing mounted",
			  error.offset_bytes, error.nr_entries + 1, error.reason);
	if (options.initramfs && bootinfo.nr_modules > 1)
		log_warn("initramfs: of %zu modules only the first is unpacked; put them into one "
			 "file, with cat", bootinfo.nr_modules);
}
