/* SPDX-License-Identifier: MIT */
/*
 * store.c: a store unlike lab 6's: contents never move. They are a list of chunks, each with as much room
 * as all before it together, and an append takes what is missing in one new chunk.
 *
 * Locks: takes store_lock, heap_lock and frame_lock (the last two in the heap). Allocates: the heap.
 * Callable from: anywhere but an NMI handler (with no lock held).
 */
#include "store.h"

#include <stdint.h>

#include "heap.h"
#include "memory.h"
#include "spinlock.h"
#include "string.h"

#define FIRST_ROOM_BYTES 64

struct chunk {
	struct chunk *next;             /* NULL = it is the last one */
	size_t nr_bytes, room_bytes;
	uint8_t bytes[];
};

struct file {
	struct file *next;              /* NULL = it is the last one */
	char *name;                     /* NUL-terminated */
	struct chunk *first, *last;     /* NULL = no contents */
	size_t nr_bytes;                /* of all chunks */
};

static DEFINE_SPINLOCK(store_lock);
static struct file *files;

/* The link that leads to the file of that name, or the NULL behind the last file. */
static struct file **find(const char *name)
{
	struct file **link;

	for (link = &files; *link != NULL && strcmp((*link)->name, name) != 0;)
		link = &(*link)->next;
	return link;
}

static bool is_name(const char *name)
{
	return *name != '\0' && strlen(name) <= STORE_MAX_NAME;
}

static char *name_new(const char *name)
{
	char *copy = kmalloc(strlen(name) + 1);

	return copy == NULL ? NULL : memcpy(copy, name, strlen(name) + 1);
}

static void drop(struct file **link)
{
	struct file *file = *link;

	*link = file->next;
	for (struct chunk *chunk = file->first, *next; chunk != NULL; chunk = next) {
		next = chunk->next;
		kfree(chunk);
	}
	kfree(file->name);
	kfree(file);
}

static enum store_result create(const char *name)
{
	struct file **link = find(name), *file;

	if (*link != NULL)
		return STORE_EXISTS;
	file = kzalloc(1, sizeof(*file));
	if (file != NULL)
		file->name = name_new(name);
	if (file == NULL || file->name == NULL) {
		kfree(file);
		return STORE_NO_MEMORY;
	}
	*link = file;
	return STORE_DONE;
}

static void chunk_add(struct chunk *chunk, const uint8_t *bytes, size_t nr_bytes)
{
	memcpy(chunk->bytes + chunk->nr_bytes, bytes, nr_bytes);
	chunk->nr_bytes += nr_bytes;
}

static enum store_result append(const char *name, const uint8_t *bytes, size_t nr_bytes)
{
	struct file *file = *find(name);
	struct chunk *more = NULL;
	size_t nr_first, room;

	if (file == NULL)
		return STORE_ABSENT;
	nr_first = file->last == NULL ? 0 : file->last->room_bytes - file->last->nr_bytes;
	if (nr_first > nr_bytes)
		nr_first = nr_bytes;
	if (nr_first < nr_bytes) {
		room = nr_bytes - nr_first;
		if (room > SIZE_MAX / 2)
			return STORE_NO_MEMORY;
		if (room < file->nr_bytes / 2)
			room = file->nr_bytes / 2;
		if (room < FIRST_ROOM_BYTES)
			room = FIRST_ROOM_BYTES;
		more = kmalloc(sizeof(*more) + room);
		if (more == NULL)
			return STORE_NO_MEMORY;
		*more = (struct chunk){ .room_bytes = room };
	}
	if (nr_first > 0)
		chunk_add(file->last, bytes, nr_first);
	if (more != NULL) {
		chunk_add(more, bytes + nr_first, nr_bytes - nr_first);
		*(file->last == NULL ? &file->first : &file->last->next) = more;
		file->last = more;
	}
	file->nr_bytes += nr_bytes;
	return STORE_DONE;
}

static enum store_result rename(const char *name, const char *new_name)
{
	struct file *file = *find(name), **other;
	char *copy;

	if (file == NULL)
		return STORE_ABSENT;
	copy = name_new(new_name);
	if (copy == NULL)
		return STORE_NO_MEMORY;
	other = find(new_name);
	if (*other != NULL && *other != file)
		drop(other);
	kfree(file->name);
	file->name = copy;
	return STORE_DONE;
}

enum store_result store_create(const char *name)
{
	enum store_result result;

	if (!is_name(name))
		return STORE_BAD_NAME;
	spin_lock(&store_lock);
	result = create(name);
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_append(const char *name, const void *bytes, size_t nr_bytes)
{
	enum store_result result;

	spin_lock(&store_lock);
	result = append(name, bytes, nr_bytes);
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_read(const char *name, size_t offset, void *buffer, size_t nr_bytes, size_t *nr_read)
{
	const struct file *file;
	const struct chunk *chunk;

	*nr_read = 0;
	spin_lock(&store_lock);
	file = *find(name);
	for (chunk = file == NULL ? NULL : file->first; chunk != NULL && *nr_read < nr_bytes; chunk = chunk->next) {
		if (offset < chunk->nr_bytes) {
			size_t nr = chunk->nr_bytes - offset;

			if (nr > nr_bytes - *nr_read)
				nr = nr_bytes - *nr_read;
			memcpy((uint8_t *)buffer + *nr_read, chunk->bytes + offset, nr);
			*nr_read += nr;
		}
		offset -= offset < chunk->nr_bytes ? offset : chunk->nr_bytes;
	}
	spin_unlock(&store_lock);
	return file == NULL ? STORE_ABSENT : STORE_DONE;
}

enum store_result store_rename(const char *name, const char *new_name)
{
	enum store_result result;

	if (!is_name(new_name))
		return STORE_BAD_NAME;
	spin_lock(&store_lock);
	result = rename(name, new_name);
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_remove(const char *name)
{
	struct file **link;
	bool is_there;

	spin_lock(&store_lock);
	link = find(name);
	is_there = *link != NULL;
	if (is_there)
		drop(link);
	spin_unlock(&store_lock);
	return is_there ? STORE_DONE : STORE_ABSENT;
}

bool store_list(size_t number, struct store_file *listed)
{
	const struct file *file;

	spin_lock(&store_lock);
	for (file = files; file != NULL && number > 0; file = file->next)
		number--;
	if (file != NULL) {
		memcpy(listed->name, file->name, strlen(file->name) + 1);
		listed->nr_bytes = file->nr_bytes;
	}
	spin_unlock(&store_lock);
	return file != NULL;
}
