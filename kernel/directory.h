/* SPDX-License-Identifier: MIT */
/*
 * directory.h: files by name, in a hash table that grows.
 *
 * Open addressing with linear probing over an array of entries, a power of two
 * of them, at most three quarters full. The array and the names are the heap's;
 * the files' contents stay where they are.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (the heap's; the caller sees to it
 * that nobody else uses the directory). Allocates: the heap (in directory_add() only).
 * Callable from: anywhere but an NMI handler (with no lock held).
 */
#ifndef DIRECTORY_H
#define DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dentry {
	char *name;             /* full path without a leading '/'; NULL = slot is empty */
	const uint8_t *data;    /* contents, or NULL if there are none */
	uint64_t nr_bytes;      /* of data */
	uint32_t hash;          /* of name */
	uint32_t name_bytes;    /* without the NUL */
	uint32_t mode;          /* type and permissions, as in stat(2) */
	uint32_t inode;
	uint32_t nr_links;
	uint32_t uid, gid;
	uint32_t mtime;         /* seconds since 1970-01-01 */
	uint32_t dev_major, dev_minor;  /* of a device: its number */
};

struct directory {
	struct dentry *slots;   /* NULL while empty */
	size_t nr_slots;        /* 0, or a power of two */
	size_t nr_entries;
};

/* Types in the mode: inode(7). */
#define DENTRY_TYPE_MASK  0170000
#define DENTRY_TYPE_SHIFT 12
#define DENTRY_FIFO       0010000
#define DENTRY_CHARACTER  0020000
#define DENTRY_DIRECTORY  0040000
#define DENTRY_BLOCK      0060000
#define DENTRY_REGULAR    0100000
#define DENTRY_SYMLINK    0120000
#define DENTRY_SOCKET     0140000

/*
 * Adds an entry, or replaces the one of that name. `entry` is copied, but for
 * its name, name_bytes and hash; the directory keeps its own copy of the
 * name_bytes bytes at `name`.
 *
 * Return: false if the heap is exhausted, and then nothing has changed.
 */
bool directory_add(struct directory *directory, const char *name, size_t name_bytes,
		   const struct dentry *entry);

/* The entry of that name, or NULL. Valid until the next directory_add(). */
const struct dentry *directory_find(const struct directory *directory, const char *name);

/* The first entry at or after slot *cursor, which then moves past it; NULL at the end. */
const struct dentry *directory_next(const struct directory *directory, size_t *cursor);

/* Gives everything back to the heap; the directory is empty then. */
void directory_destroy(struct directory *directory);

#endif
