/* SPDX-License-Identifier: MIT */
/*
 * store.c: a store unlike lab 6's, for the tests that the labs ask for no design: a table of files
 * that grows as a whole, sorted by name. Name and contents are one object, which is
 * made anew for each change.
 *
 * Locks: takes store_lock, heap_lock, frame_lock and log_lock. Allocates: the heap. Callable from:
 * see store.h.
 */
#include "store.h"

#include "heap.h"
#include "spinlock.h"
#include "string.h"

struct file {
	size_t nr_bytes;                /* of contents */
	size_t name_bytes;              /* with the NUL */
	char text[];                    /* the name, and behind it the contents */
};

static DEFINE_SPINLOCK(store_lock);
static struct file **table;             /* as long as there are files; NULL = none */
static size_t nr_files;

/* Where the file of that name is in the table, or would be. */
static size_t place_of(const char *name)
{
	size_t low = 0, high = nr_files;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(table[middle]->text, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(size_t place, const char *name)
{
	return place < nr_files && strcmp(table[place]->text, name) == 0;
}

static bool is_name(const char *name)
{
	size_t nr_bytes = strnlen(name, STORE_MAX_NAME + 1);

	return nr_bytes > 0 && nr_bytes <= STORE_MAX_NAME;
}

/* A file of that name, with the contents of another, if there is one, and room for more. */
static struct file *file_new(const char *name, const struct file *old, size_t more_bytes)
{
	size_t old_bytes = old ? old->nr_bytes : 0, nr_bytes = old_bytes + more_bytes;
	size_t name_bytes = strlen(name) + 1;
	struct file *file;

	if (nr_bytes < more_bytes || nr_bytes > HEAP_MAX_BYTES)
		return NULL;
	file = kmalloc(sizeof(*file) + name_bytes + nr_bytes);
	if (!file)
		return NULL;
	file->nr_bytes = nr_bytes;
	file->name_bytes = name_bytes;
	memcpy(file->text, name, name_bytes);
	if (old)
		memcpy(file->text + name_bytes, old->text + old->name_bytes, old_bytes);
	return file;
}

/* Takes the file at a place out of the table, which keeps its room until the last one goes. */
static void take_out(size_t place)
{
	kfree(table[place]);
	nr_files--;
	memmove(table + place, table + place + 1, (nr_files - place) * sizeof(*table));
	if (nr_files == 0) {
		kfree(table);
		table = NULL;
	}
}

/* Puts a file in, at the place of its name. Return: false if the table cannot grow. */
static bool put_in(struct file *file)
{
	size_t place = place_of(file->text);
	struct file **longer = krealloc(table, (nr_files + 1) * sizeof(*table));

	if (!longer)
		return false;
	table = longer;
	memmove(table + place + 1, table + place, (nr_files - place) * sizeof(*table));
	table[place] = file;
	nr_files++;
	return true;
}

static enum store_result create(const char *name)
{
	struct file *file;

	if (is_at(place_of(name), name))
		return STORE_EXISTS;
	file = file_new(name, NULL, 0);
	if (!file)
		return STORE_NO_MEMORY;
	if (!put_in(file)) {
		kfree(file);
		return STORE_NO_MEMORY;
	}
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

static enum store_result append(const char *name, const void *bytes, size_t nr_bytes)
{
	size_t place = place_of(name);
	struct file *old, *file;

	if (!is_at(place, name))
		return STORE_ABSENT;
	old = table[place];
	file = file_new(name, old, nr_bytes);
	if (!file)
		return STORE_NO_MEMORY;
	memcpy(file->text + file->name_bytes + old->nr_bytes, bytes, nr_bytes);
	table[place] = file;
	kfree(old);
	return STORE_DONE;
}

enum store_result store_append(const char *name, const void *bytes, size_t nr_bytes)
{
	enum store_result result;

	spin_lock(&store_lock);
	result = append(name, bytes, nr_bytes);
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_read(const char *name, size_t offset, void *buffer, size_t nr_bytes,
			     size_t *nr_read)
{
	enum store_result result = STORE_ABSENT;
	size_t place;

	*nr_read = 0;
	spin_lock(&store_lock);
	place = place_of(name);
	if (is_at(place, name)) {
		const struct file *file = table[place];
		size_t nr_left = offset < file->nr_bytes ? file->nr_bytes - offset : 0;

		*nr_read = nr_bytes < nr_left ? nr_bytes : nr_left;
		memcpy(buffer, file->text + file->name_bytes + offset, *nr_read);
		result = STORE_DONE;
	}
	spin_unlock(&store_lock);
	return result;
}

/* In the table the file moves: it goes out, and comes in again where there is room by then. */
static enum store_result rename(const char *name, const char *new_name)
{
	size_t place = place_of(name), replaced;
	struct file *file;

	if (!is_at(place, name))
		return STORE_ABSENT;
	if (strcmp(name, new_name) == 0)
		return STORE_DONE;
	file = file_new(new_name, table[place], 0);
	if (!file)
		return STORE_NO_MEMORY;
	replaced = place_of(new_name);
	if (is_at(replaced, new_name)) {
		kfree(table[replaced]);
		table[replaced] = file;
		take_out(place);
		return STORE_DONE;
	}
	kfree(table[place]);
	if (replaced > place) {
		memmove(table + place, table + place + 1, (replaced - 1 - place) * sizeof(*table));
		table[replaced - 1] = file;
	} else {
		memmove(table + replaced + 1, table + replaced, (place - replaced) * sizeof(*table));
		table[replaced] = file;
	}
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
	enum store_result result = STORE_ABSENT;
	size_t place;

	spin_lock(&store_lock);
	place = place_of(name);
	if (is_at(place, name)) {
		take_out(place);
		result = STORE_DONE;
	}
	spin_unlock(&store_lock);
	return result;
}

bool store_list(size_t number, struct store_file *listed)
{
	bool is_there;

	spin_lock(&store_lock);
	is_there = number < nr_files;
	if (is_there) {
		memcpy(listed->name, table[number]->text, table[number]->name_bytes);
		listed->nr_bytes = table[number]->nr_bytes;
	}
	spin_unlock(&store_lock);
	return is_there;
}
