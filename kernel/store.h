/* SPDX-License-Identifier: MIT */
/*
 * store.h: files that can be written, in memory. Lab 6 implements it.
 *
 * A file has a name and contents, and both are as long as the heap has room for. A name is any
 * bytes but NUL, STORE_MAX_NAME of them at most; it need have no directory.
 *
 * Every operation happens as a whole, or changes nothing and says why. That holds whichever
 * allocation fails in it, for a moment or for good:
 *  - After an operation that found no memory the files are what they were before, and so are
 *    the numbers of objects and of bytes that are live in the heap.
 *  - No lock is held then that was not held before.
 *  - The log gets one record about it at most.
 *  - Once there is memory again, the same operation works.
 * store_read(), store_remove() and store_list() need no memory: they work when there is none, or
 * nobody could make room.
 *
 * A store without files has no object of the heap. Otherwise it has STORE_LIVE_BYTES() of it at
 * most.
 *
 * Each operation takes a lock for as long as it looks at what is shared: a handler may use the
 * store wherever interrupts are on. Interrupts are allowed afterwards if they were before.
 *
 * Locks: takes store_lock, heap_lock and frame_lock (the last two in the heap). Allocates: the
 * heap (a removal must be able to do without). Callable from: anywhere but an NMI handler (with no
 * lock held).
 *
 * Each sentence has a test by name (the heads of lab 6's store_test.c, store_sweep_test.c and
 * store_exhausted_test.c list them).
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>

#define STORE_MAX_NAME  255     /* bytes, without the NUL */

/* The most that the heap may have live for so many files with so many bytes of names and contents. */
#define STORE_LIVE_BYTES(nr_files, nr_bytes)  (4096 + 256 * (nr_files) + 2 * (nr_bytes))

enum store_result {
	STORE_DONE,
	STORE_NO_MEMORY,        /* an allocation has failed, or no object can be that large */
	STORE_EXISTS,           /* there is a file of that name already */
	STORE_ABSENT,           /* there is no file of that name */
	STORE_BAD_NAME,         /* "", or longer than STORE_MAX_NAME */
};

/* Makes a file without contents. Return: STORE_EXISTS or STORE_BAD_NAME if that cannot be. */
enum store_result store_create(const char *name);

/* Adds nr_bytes at the end of a file. Return: STORE_ABSENT if there is none. */
enum store_result store_append(const char *name, const void *bytes, size_t nr_bytes);

/*
 * Copies up to nr_bytes from byte `offset` of a file on to `buffer`. *nr_read becomes how many
 * there were, 0 at its end and behind it. Return: STORE_DONE or STORE_ABSENT.
 */
enum store_result store_read(const char *name, size_t offset, void *buffer, size_t nr_bytes,
			     size_t *nr_read);

/*
 * Gives a file another name. A file that has this name goes, unless it is the same file. Return:
 * STORE_BAD_NAME if the new name can be none, otherwise STORE_ABSENT if there is no such file.
 */
enum store_result store_rename(const char *name, const char *new_name);

/* Removes a file, with its contents. Return: STORE_DONE or STORE_ABSENT. */
enum store_result store_remove(const char *name);

struct store_file {
	char name[STORE_MAX_NAME + 1];  /* NUL-terminated */
	size_t nr_bytes;                /* of contents */
};

/*
 * The file with this number, from 0; they are numbered without a gap, in any order, which stays
 * as it is while nothing changes. Return: false if there are not so many.
 */
bool store_list(size_t number, struct store_file *file);

#endif
