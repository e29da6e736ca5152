/* SPDX-License-Identifier: MIT */
/*
 * initramfs.h: the first file system, unpacked from a boot module.
 *
 * The module has cpio archives (cpio.h), one behind the other, each at a multiple of 4, with
 * zero bytes before, between and behind them. Source: the kernel's
 * Documentation/driver-api/early-userspace/buffer-format.rst. Unlike there, the last archive
 * must have its trailer: that is how a cut one shows.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (in the heap). Allocates: the heap
 * (what directory_add() does for each entry; while an archive that has hard links is
 * read, also for each of them that has contents). Callable from: anywhere but an NMI
 * handler (with no lock held); initramfs_init() from boot.
 */
#ifndef INITRAMFS_H
#define INITRAMFS_H

#include <stdbool.h>
#include <stddef.h>

#include "directory.h"

/* What is wrong with the archives, and where. */
struct cpio_error {
	const char *reason;     /* what it is, and what to do about it; NULL = nothing is wrong */
	size_t offset_bytes;    /* of the entry's header from the start of the first archive */
	size_t nr_entries;      /* that were good before it */
};

/*
 * Reads all archives that lie in these nr_bytes into an empty directory. File contents are not
 * copied: the bytes must outlive the directory.
 *
 * The root itself gets no entry. Of two entries with one name the later one counts, whichever
 * archive it is in. Hard links are the entries of one archive that count more than one link, have
 * the same type, inode and device, and are no directories. If one of them has contents, all of
 * them have these; if several have some, those of the last.
 *
 * Return: false if something there is damaged or no such archive, or if the heap is exhausted;
 * then `error` says why, the directory is empty and nothing stays allocated.
 */
bool cpio_unpack(struct directory *directory, const void *archives, size_t nr_bytes,
		 struct cpio_error *error);

/* The unpacked initramfs; empty if there was none or it was rejected. */
extern struct directory initramfs;

/* Unpacks the first boot module into `initramfs` and logs what came of it. */
void initramfs_init(void);

#endif
