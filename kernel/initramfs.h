/* SPDX-License-Identifier: MIT */
/*
 * initramfs.h: the first file system, unpacked from a boot module.
 *
 * The archive is cpio in the "newc" format: per file a header of 110 ASCII
 * bytes, the name with its NUL, padding to 4, the contents, padding to 4; last
 * an entry named TRAILER!!!. Source: cpio(5), "New ASCII format", and the
 * kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
 */
#ifndef INITRAMFS_H
#define INITRAMFS_H

#include <stdbool.h>
#include <stddef.h>

#include "directory.h"

#define CPIO_HEADER_BYTES  110
#define CPIO_MAX_NAME      256          /* bytes, with the NUL */

/* What is wrong with an archive, and where. */
struct cpio_error {
	const char *reason;     /* "bad magic", …; NULL = nothing is wrong */
	size_t offset_bytes;    /* of the entry's header in the archive */
	size_t nr_entries;      /* that were good before it */
};

/*
 * Reads an archive into an empty directory. File contents are not copied: the
 * archive must outlive the directory.
 *
 * Return: false if the archive is damaged or the heap is exhausted; then `error`
 * says why, and the directory is empty and nothing stays allocated.
 */
bool cpio_unpack(struct directory *directory, const void *archive, size_t nr_bytes,
		 struct cpio_error *error);

/* The unpacked initramfs; empty if there was none or it was damaged. */
extern struct directory initramfs;

/* Unpacks the first boot module into `initramfs` and logs what came of it. */
void initramfs_init(void);

#endif
