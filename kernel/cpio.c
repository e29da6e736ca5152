/* SPDX-License-Identifier: MIT */
/*
 * cpio.c: reads and checks one entry of a cpio archive.
 *
 *      offset -> +----------------+--------------+-----+-------------+-----+
 *                | header,        | name, NUL    | pad | contents    | pad | next entry
 *                | 110 characters |              | to 4|             | to 4|
 *                +----------------+--------------+-----+-------------+-----+
 *
 * Limits: other formats are told by their first bytes, so rubbish that begins like one of them
 * gets its name. Contents that have no checksum are not checked.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler (it pets
 * the watchdog).
 */
#include "cpio.h"

#include "directory.h"
#include "memory.h"
#include "string.h"
#include "watchdog.h"
#include "words.h"

#define CPIO_MAGIC           "070701"
#define CPIO_CHECKED_MAGIC   "070702"   /* the header has the sum of the contents' bytes */
#define CPIO_TRAILER         "TRAILER!!!"
#define CPIO_ALIGN_BYTES     4
#define CPIO_FIELD_BYTES     8          /* hexadecimal digits, either case */
#define MAX_FIELD_BYTES      4096       /* of a name with what is dropped; PATH_MAX of Linux */
#define PIECE_BYTES          KIB(64)    /* at most between two pets of the watchdog */

_Static_assert(sizeof(CPIO_MAGIC) - 1 + NR_CPIO_FIELDS * CPIO_FIELD_BYTES == CPIO_HEADER_BYTES,
	       "a header is the magic and its fields");

#define MAKE_NEWC  "make one with cpio --format=newc"

/* What may lie there instead of a header: what Linux boots from, and other archives, by their first bytes. */
static const struct {
	size_t offset;
	const char *magic;
	size_t magic_bytes;     /* some have a NUL */
	const char *reason;
} foreign_formats[] = {
	{ 0, "\x1f\x8b", 2, "gzip data; unpack it first, with gzip -d" },
	{ 0, "BZh", 3, "bzip2 data; unpack it first, with bzip2 -d" },
	{ 0, "\xfd" "7zXZ", 6, "xz data; unpack it first, with xz -d" },
	{ 0, "\x5d\0\0", 3, "lzma data; unpack it first, with xz --format=lzma -d" },
	{ 0, "\x28\xb5\x2f\xfd", 4, "zstd data; unpack it first, with zstd -d" },
	{ 0, "\x02\x21\x4c\x18", 4, "lz4 data; unpack it first, with lz4 -d" },
	{ 0, "070707", 6, "a cpio archive of the old portable format; " MAKE_NEWC },
	{ 0, "\xc7\x71", 2, "a cpio archive of the old binary format; " MAKE_NEWC },
	{ 257, "ustar", 5, "a tar archive; " MAKE_NEWC },
};

/* Return: false if one of the fields has a byte that is no hexadecimal digit. */
static bool read_fields(const uint8_t *header, uint32_t fields[NR_CPIO_FIELDS])
{
	const uint8_t *next = header + strlen(CPIO_MAGIC);

	for (size_t i = 0; i < NR_CPIO_FIELDS; i++) {
		uint32_t value = 0;

		for (size_t nr_digits = 0; nr_digits < CPIO_FIELD_BYTES; nr_digits++) {
			unsigned digit = hex_digit((char)*next++);

			if (digit == 16)
				return false;
			value = value << 4 | digit;
		}
		fields[i] = value;
	}
	return true;
}

static bool has_magic(const uint8_t *header, const char *magic)
{
	return memcmp(header, magic, strlen(magic)) == 0;
}

/* What the bytes are that are no header. */
static const char *name_format(const uint8_t *bytes, size_t nr_left)
{
	for (size_t i = 0; i < ARRAY_LENGTH(foreign_formats); i++) {
		size_t offset = foreign_formats[i].offset;
		size_t nr_bytes = foreign_formats[i].magic_bytes;

		if (offset + nr_bytes <= nr_left &&
		    memcmp(bytes + offset, foreign_formats[i].magic, nr_bytes) == 0)
			return foreign_formats[i].reason;
	}
	return nr_left < CPIO_HEADER_BYTES ? "header past the end" : "bad magic";
}

static bool has_type(const struct cpio_entry *entry, uint32_t type)
{
	return (entry->fields[CPIO_MODE] & DENTRY_TYPE_MASK) == type;
}

static bool name_is(const struct cpio_entry *entry, const char *name)
{
	return strlen(name) == entry->name_bytes &&
	       memcmp(name, entry->name, entry->name_bytes) == 0;
}

/* Drops what says no more than that the name begins at the root, or is a directory's. */
static void drop_ends(struct cpio_entry *entry)
{
	while (starts_with(entry->name, "/") || starts_with(entry->name, "./")) {
		size_t nr_bytes = entry->name[0] == '/' ? 1 : 2;

		entry->name += nr_bytes;
		entry->name_bytes -= nr_bytes;
	}
	while (has_type(entry, DENTRY_DIRECTORY) && entry->name_bytes > 0 &&
	       entry->name[entry->name_bytes - 1] == '/')
		entry->name_bytes--;
	if (name_is(entry, "."))
		entry->name_bytes = 0;
}

/* What is odd about an entry's name; NULL if nothing is. */
static const char *check_name(const struct cpio_entry *entry)
{
	const char *name = entry->name;
	size_t start = 0;       /* of the component at hand */

	if (entry->name_bytes == 0)
		return has_type(entry, DENTRY_DIRECTORY) ? NULL : "empty name";
	if (entry->name_bytes >= CPIO_MAX_NAME)
		return "name too long";
	for (size_t i = 0; i <= entry->name_bytes; i++) {
		size_t component_bytes = i - start;

		if (i < entry->name_bytes && name[i] != '/')
			continue;
		if (component_bytes == 0)
			return i == entry->name_bytes ? "name with a slash at its end"
						      : "name with an empty component";
		if (component_bytes == 1 && name[start] == '.')
			return "name with a . component";
		if (component_bytes == 2 && name[start] == '.' && name[start + 1] == '.')
			return "name with a .. component";
		start = i + 1;
	}
	return NULL;
}

/* Finds the name behind the header. Return: what is wrong with it, or NULL. */
static const char *read_name(const uint8_t *header, size_t nr_left, struct cpio_entry *entry)
{
	size_t name_bytes = entry->fields[CPIO_NAME_BYTES];

	if (name_bytes == 0)
		return "name length 0";
	if (name_bytes > MAX_FIELD_BYTES)
		return "name too long";
	if (name_bytes > nr_left - CPIO_HEADER_BYTES)
		return "name past the end";

	entry->name = (const char *)header + CPIO_HEADER_BYTES;
	entry->name_bytes = strnlen(entry->name, name_bytes);
	if (entry->name_bytes == name_bytes)
		return "name without a NUL";
	if (entry->name_bytes != name_bytes - 1)
		return "name with a NUL inside";

	entry->is_trailer = name_is(entry, CPIO_TRAILER);
	drop_ends(entry);
	return check_name(entry);
}

/*
 * Is the sum of the contents' bytes the one in the header? Writers give it for regular files,
 * and some also for those hard links whose contents lie elsewhere.
 */
static bool sum_is_right(const struct cpio_entry *entry)
{
	uint32_t sum = 0;

	if (!entry->data || !has_type(entry, DENTRY_REGULAR))
		return true;
	for (size_t i = 0; i < entry->fields[CPIO_FILE_BYTES]; i++) {
		if (i % PIECE_BYTES == 0)
			watchdog_pet();
		sum += entry->data[i];
	}
	return sum == entry->fields[CPIO_CHECK];
}

/*
 * Finds the contents behind the name; sums of 32-bit fields do not overflow a size_t.
 * Return: what is wrong with them, or NULL.
 */
static const char *find_contents(const uint8_t *header, size_t nr_left, struct cpio_entry *entry)
{
	size_t data = ROUND_UP((size_t)CPIO_HEADER_BYTES + entry->fields[CPIO_NAME_BYTES],
			       CPIO_ALIGN_BYTES);
	size_t data_bytes = entry->fields[CPIO_FILE_BYTES];

	if (data_bytes > 0 && data + data_bytes > nr_left)
		return "contents past the end";
	if (data_bytes > 0 && entry->is_trailer)
		return "a file named like the trailer; archive it as ./" CPIO_TRAILER;
	entry->data = data_bytes > 0 ? header + data : NULL;
	entry->end_bytes = ROUND_UP(data + data_bytes, CPIO_ALIGN_BYTES);
	return NULL;
}

const char *cpio_read_entry(const uint8_t *bytes, size_t nr_bytes, size_t offset,
			    struct cpio_entry *entry)
{
	size_t nr_left = offset < nr_bytes ? nr_bytes - offset : 0;
	const uint8_t *header = bytes + offset;
	bool has_sum;
	const char *reason;

	if (nr_left == 0)
		return "no trailer";
	if (nr_left < CPIO_HEADER_BYTES)
		return name_format(header, nr_left);
	has_sum = has_magic(header, CPIO_CHECKED_MAGIC);
	if (!has_sum && !has_magic(header, CPIO_MAGIC))
		return name_format(header, nr_left);
	if (offset % CPIO_ALIGN_BYTES != 0)
		return "archive not at a multiple of 4; put more zero bytes before it";
	if (!read_fields(header, entry->fields))
		return "field with a byte that is no hexadecimal digit";

	reason = read_name(header, nr_left, entry);
	if (!reason)
		reason = find_contents(header, nr_left, entry);
	if (!reason && has_sum && !sum_is_right(entry))
		reason = "contents with another checksum";
	entry->end_bytes += offset;
	return reason;
}
