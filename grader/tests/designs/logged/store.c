/* SPDX-License-Identifier: MIT */
/*
 * store.c: a third design of a store: a log. One object has the entries of all changes, one behind
 * the other; what a file is, is read out of it. A change is one entry more; removing squeezes the
 * file's entries out, in place, so that it needs no memory.
 *
 *      | create "a" | append "a", 3 bytes | create "b" | append "a", 1 byte | room |
 *
 * Locks: takes store_lock, heap_lock, frame_lock and log_lock. Allocates: the heap. Callable from:
 * see store.h.
 */
#include "store.h"

#include <stdint.h>

#include "heap.h"
#include "spinlock.h"
#include "string.h"

#define ALIGN  8

/* An entry: bytes that belong to a file. The one that has none begins it, and has its name. */
struct entry {
	uint32_t file;                  /* a number that no two files have */
	uint32_t is_name;               /* 1: its bytes are the name, with the NUL */
	size_t nr_bytes;
	char bytes[];
};

static DEFINE_SPINLOCK(store_lock);
static char *entries;                   /* NULL = there are none */
static size_t used_bytes, room_bytes;   /* of entries */
static uint32_t last_number;            /* that a file was given */

static size_t size_of(size_t nr_bytes)
{
	return (sizeof(struct entry) + nr_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct entry *entry_at(size_t offset)
{
	return (struct entry *)(entries + offset);
}

static size_t behind(size_t offset)
{
	return offset + size_of(entry_at(offset)->nr_bytes);
}

/* The number of the file of that name; 0 = there is none. */
static uint32_t number_of(const char *name)
{
	for (size_t at = 0; at < used_bytes; at = behind(at))
		if (entry_at(at)->is_name && strcmp(entry_at(at)->bytes, name) == 0)
			return entry_at(at)->file;
	return 0;
}

static bool is_name(const char *name)
{
	size_t nr_bytes = strnlen(name, STORE_MAX_NAME + 1);

	return nr_bytes > 0 && nr_bytes <= STORE_MAX_NAME;
}

/* Adds an entry at the end. Return: false if there is no room, and then nothing has changed. */
static bool add(uint32_t file, bool is_name, const void *bytes, size_t nr_bytes)
{
	size_t wanted = used_bytes + size_of(nr_bytes), room = wanted + wanted / 4;
	struct entry *entry;
	char *longer;

	if (nr_bytes > HEAP_MAX_BYTES)
		return false;
	if (wanted > room_bytes) {
		longer = krealloc(entries, room);
		if (!longer)
			return false;
		entries = longer;
		room_bytes = room;
	}
	entry = entry_at(used_bytes);
	entry->file = file;
	entry->is_name = is_name;
	entry->nr_bytes = nr_bytes;
	memcpy(entry->bytes, bytes, nr_bytes);
	used_bytes = wanted;
	return true;
}

/* Squeezes out the entries of a file: all, or its name alone. */
static void squeeze(uint32_t file, bool name_alone)
{
	size_t to = 0;
	char *shorter;

	for (size_t at = 0, next; at < used_bytes; at = next) {
		const struct entry *entry = entry_at(at);

		next = behind(at);
		if (entry->file == file && (entry->is_name || !name_alone))
			continue;
		memmove(entries + to, entries + at, next - at);
		to += next - at;
	}
	used_bytes = to;
	if (to == 0) {
		kfree(entries);
		entries = NULL;
		room_bytes = 0;
		return;
	}
	shorter = krealloc(entries, used_bytes);        /* if it cannot, there is more room than needed */
	if (shorter) {
		entries = shorter;
		room_bytes = used_bytes;
	}
}

enum store_result store_create(const char *name)
{
	enum store_result result = STORE_EXISTS;

	if (!is_name(name))
		return STORE_BAD_NAME;
	spin_lock(&store_lock);
	if (number_of(name) == 0)
		result = add(last_number + 1, true, name, strlen(name) + 1) ? STORE_DONE : STORE_NO_MEMORY;
	if (result == STORE_DONE)
		last_number++;
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_append(const char *name, const void *bytes, size_t nr_bytes)
{
	enum store_result result = STORE_ABSENT;
	uint32_t file;

	spin_lock(&store_lock);
	file = number_of(name);
	if (file)
		result = nr_bytes == 0 || add(file, false, bytes, nr_bytes) ? STORE_DONE : STORE_NO_MEMORY;
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_read(const char *name, size_t offset, void *buffer, size_t nr_bytes,
			     size_t *nr_read)
{
	uint32_t file;

	*nr_read = 0;
	spin_lock(&store_lock);
	file = number_of(name);
	for (size_t at = 0; file && at < used_bytes && nr_bytes > *nr_read; at = behind(at)) {
		const struct entry *entry = entry_at(at);
		size_t part;

		if (entry->file != file || entry->is_name)
			continue;
		if (offset >= entry->nr_bytes) {
			offset -= entry->nr_bytes;
			continue;
		}
		part = entry->nr_bytes - offset;
		if (part > nr_bytes - *nr_read)
			part = nr_bytes - *nr_read;
		memcpy((char *)buffer + *nr_read, entry->bytes + offset, part);
		*nr_read += part;
		offset = 0;
	}
	spin_unlock(&store_lock);
	return file ? STORE_DONE : STORE_ABSENT;
}

/* The new name is an entry more. The old one goes, and so does a file that had the new name. */
static enum store_result rename(const char *name, const char *new_name)
{
	uint32_t file = number_of(name), replaced = number_of(new_name);

	if (file == 0)
		return STORE_ABSENT;
	if (replaced == file)
		return STORE_DONE;
	if (!add(0, true, new_name, strlen(new_name) + 1))
		return STORE_NO_MEMORY;
	if (replaced)
		squeeze(replaced, false);
	squeeze(file, true);
	for (size_t at = 0; at < used_bytes; at = behind(at))
		if (entry_at(at)->file == 0)
			entry_at(at)->file = file;
	return STORE_DONE;
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
	uint32_t file;

	spin_lock(&store_lock);
	file = number_of(name);
	if (file)
		squeeze(file, false);
	spin_unlock(&store_lock);
	return file ? STORE_DONE : STORE_ABSENT;
}

static size_t contents_of(uint32_t file)
{
	size_t nr_bytes = 0;

	for (size_t at = 0; at < used_bytes; at = behind(at))
		if (entry_at(at)->file == file && !entry_at(at)->is_name)
			nr_bytes += entry_at(at)->nr_bytes;
	return nr_bytes;
}

bool store_list(size_t number, struct store_file *listed)
{
	bool is_there = false;

	spin_lock(&store_lock);
	for (size_t at = 0; at < used_bytes && !is_there; at = behind(at)) {
		const struct entry *entry = entry_at(at);

		if (!entry->is_name || number-- > 0)
			continue;
		memcpy(listed->name, entry->bytes, entry->nr_bytes);
		listed->nr_bytes = contents_of(entry->file);
		is_there = true;
	}
	spin_unlock(&store_lock);
	return is_there;
}
