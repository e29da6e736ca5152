/* SPDX-License-Identifier: MIT */
/*
 * cpio.h: one entry of a cpio archive, believed in nothing.
 *
 * Archives are of the "newc" format, or of its variant with checksums: per file a header of 110
 * ASCII bytes, the name with its NUL, padding to 4, the contents, padding to 4; last an entry
 * named TRAILER!!! without contents. Sources: cpio(5), "New ASCII format"; the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 * A name has the bytes that the archive gives, and stands for one file only: a / or ./ at its
 * start is dropped, at a directory's end a /. What is left may not be empty, unless it is the
 * root, nor have "", "." or ".." between its slashes, nor be longer than CPIO_MAX_NAME.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere but an NMI handler (it pets
 * the watchdog).
 */
#ifndef CPIO_H
#define CPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPIO_HEADER_BYTES  110
#define CPIO_MAX_NAME      256          /* bytes, with a NUL, of what is not dropped */

/* The header's fields behind the magic, in order. */
enum cpio_field {
	CPIO_INODE, CPIO_MODE, CPIO_UID, CPIO_GID, CPIO_NR_LINKS, CPIO_MTIME, CPIO_FILE_BYTES,
	CPIO_DEVICE_MAJOR, CPIO_DEVICE_MINOR,           /* that the file was on */
	CPIO_SPECIAL_MAJOR, CPIO_SPECIAL_MINOR,         /* that the file is */
	CPIO_NAME_BYTES, CPIO_CHECK,
	NR_CPIO_FIELDS,
};

struct cpio_entry {
	uint32_t fields[NR_CPIO_FIELDS];
	const char *name;       /* in the archive, behind what is dropped; no NUL ends it */
	size_t name_bytes;      /* 0 = it is the root */
	const uint8_t *data;    /* the contents in the archive, or NULL if there are none */
	bool is_trailer;
	size_t end_bytes;       /* offset of what follows; past the end if padding is missing */
};

/*
 * Reads the entry whose header lies at `offset` of nr_bytes that begin with an archive.
 *
 * Return: NULL, or what is wrong: what is damaged, or what other format is there instead, by its
 * first bytes, and what to do about it. Then `entry` means nothing.
 */
const char *cpio_read_entry(const uint8_t *bytes, size_t nr_bytes, size_t offset,
			    struct cpio_entry *entry);

#endif
