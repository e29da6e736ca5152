/* SPDX-License-Identifier: MIT */
/*
 * store.c: files in memory, of which every allocation may fail.
 *
 * Locks: takes store_lock, heap_lock and frame_lock (the last two in the heap). Allocates: the
 * heap. Callable from: anywhere but an NMI handler (with no lock held).
 */
#include "store.h"

#include <stdint.h>

#include "heap.h"
#include "log.h"
#include "panic.h"              /* TODO() */
#include "spinlock.h"
#include "string.h"

/* BEGIN SOLUTION 6.1 */
/*
 * Theory of operation. Each operation first takes all steps that can fail, on the side, where nobody
 * sees them and they can be undone. Then it makes the result visible, in steps that cannot fail.
 *
 *      files ──► ┌──────┐ next   ┌──────┐ next
 *                │ file │───────►│ file │───────► NULL
 *                └──────┘        └──────┘
 *                 │    │ bytes        three objects of the heap for each file: the structure,
 *            name ▼    ▼              its name, and its contents, with room to grow
 *            "motd"  ########....
 *
 * Shortcomings. A file is found by asking one after the other.
 */
struct file {
	struct file *next;              /* NULL = it is the last one */
	char *name;                     /* NUL-terminated */
	uint8_t *bytes;                 /* contents; NULL = it has no room for any yet */
	size_t nr_bytes;                /* of contents */
	size_t capacity_bytes;          /* of the object at `bytes` */
};

static DEFINE_SPINLOCK(store_lock);
static struct file *files;

/* The link that leads to the file of that name, or the NULL behind the last file. */
static struct file **find(const char *name)
{
	struct file **link = &files;

	while (*link != NULL && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

static bool is_name(const char *name)
{
	size_t nr_bytes = strnlen(name, STORE_MAX_NAME + 1);

	return nr_bytes > 0 && nr_bytes <= STORE_MAX_NAME;
}

static char *copy_name(const char *name)
{
	size_t nr_bytes = strlen(name) + 1;
	char *copy = kmalloc(nr_bytes);

	if (copy != NULL)
		memcpy(copy, name, nr_bytes);
	return copy;
}

/* Takes a file off the list and gives all of it back. */
static void drop(struct file **link)
{
	struct file *file = *link;

	*link = file->next;
	kfree(file->bytes);
	kfree(file->name);
	kfree(file);
}

/* Says in the log what there was no memory for. */
static enum store_result no_memory(const char *operation, const char *name)
{
	log_debug("store: no memory to %s %s", operation, name);
	return STORE_NO_MEMORY;
}

static enum store_result create_locked(const char *name)
{
	struct file **link = find(name), *file;

	if (*link != NULL)
		return STORE_EXISTS;
	file = kzalloc(1, sizeof(*file));
	if (file == NULL)
		return no_memory("create", name);
	file->name = copy_name(name);
	if (file->name == NULL) {
		kfree(file);
		return no_memory("create", name);
	}
	*link = file;
	return STORE_DONE;
}
/* END SOLUTION */

/* Exercise 6.1: makes a file. */
enum store_result store_create(const char *name)
{
	/* BEGIN SOLUTION 6.1 */
	enum store_result result;

	if (!is_name(name))
		return STORE_BAD_NAME;
	spin_lock(&store_lock);
	result = create_locked(name);
	spin_unlock(&store_lock);
	return result;
	/* END SOLUTION */
}

/* Exercise 6.1: removes a file. */
enum store_result store_remove(const char *name)
{
	/* BEGIN SOLUTION 6.1 */
	struct file **link;
	enum store_result result = STORE_ABSENT;

	spin_lock(&store_lock);
	link = find(name);
	if (*link != NULL) {
		drop(link);
		result = STORE_DONE;
	}
	spin_unlock(&store_lock);
	return result;
	/* END SOLUTION */
}

/* Exercise 6.1: the file with this number. */
bool store_list(size_t number, struct store_file *listed)
{
	/* BEGIN SOLUTION 6.1 */
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
	/* END SOLUTION */
}

/* BEGIN SOLUTION 6.2 */
/*
 * Sees to it that a file has room for nr_bytes, twice what it had if that is enough, so that it
 * seldom moves. Return: false if the heap has no such object; then the file is as it was.
 */
static bool make_room(struct file *file, size_t nr_bytes)
{
	size_t capacity_bytes = file->capacity_bytes * 2;
	uint8_t *bytes;

	if (nr_bytes <= file->capacity_bytes)
		return true;
	if (capacity_bytes < nr_bytes)
		capacity_bytes = nr_bytes;
	bytes = krealloc(file->bytes, capacity_bytes);
	if (bytes == NULL)
		return false;
	file->bytes = bytes;
	file->capacity_bytes = capacity_bytes;
	return true;
}

static enum store_result append_locked(const char *name, const void *bytes, size_t nr_bytes)
{
	struct file *file = *find(name);
	size_t total_bytes;

	if (file == NULL)
		return STORE_ABSENT;
	if (__builtin_add_overflow(file->nr_bytes, nr_bytes, &total_bytes) ||
	    !make_room(file, total_bytes))
		return no_memory("append to", name);
	memcpy(file->bytes + file->nr_bytes, bytes, nr_bytes);
	file->nr_bytes = total_bytes;
	return STORE_DONE;
}
/* END SOLUTION */

/* Exercise 6.2: adds bytes at the end of a file. */
enum store_result store_append(const char *name, const void *bytes, size_t nr_bytes)
{
	/* BEGIN SOLUTION 6.2 */
	enum store_result result;

	spin_lock(&store_lock);
	result = append_locked(name, bytes, nr_bytes);
	spin_unlock(&store_lock);
	return result;
	/* END SOLUTION */
}

/* Exercise 6.2: copies a part of a file's contents. */
enum store_result store_read(const char *name, size_t offset, void *buffer, size_t nr_bytes,
			     size_t *nr_read)
{
	/* BEGIN SOLUTION 6.2 */
	const struct file *file;
	size_t nr_left = 0;

	spin_lock(&store_lock);
	file = *find(name);
	if (file != NULL && offset < file->nr_bytes)
		nr_left = file->nr_bytes - offset;
	*nr_read = nr_bytes < nr_left ? nr_bytes : nr_left;
	if (*nr_read > 0)
		memcpy(buffer, file->bytes + offset, *nr_read);
	spin_unlock(&store_lock);
	return file != NULL ? STORE_DONE : STORE_ABSENT;
	/* END SOLUTION */
}

/* BEGIN SOLUTION 6.3 */
static enum store_result rename_locked(const char *name, const char *new_name)
{
	struct file *file = *find(name), **replaced;
	char *copy;

	if (file == NULL)
		return STORE_ABSENT;
	copy = copy_name(new_name);
	if (copy == NULL)
		return no_memory("rename", name);
	replaced = find(new_name);
	if (*replaced != NULL && *replaced != file)
		drop(replaced);
	kfree(file->name);
	file->name = copy;
	return STORE_DONE;
}
/* END SOLUTION */

/* Exercise 6.3: gives a file another name. */
enum store_result store_rename(const char *name, const char *new_name)
{
	/* BEGIN SOLUTION 6.3 */
	enum store_result result;

	if (!is_name(new_name))
		return STORE_BAD_NAME;
	spin_lock(&store_lock);
	result = rename_locked(name, new_name);
	spin_unlock(&store_lock);
	return result;
	/* END SOLUTION */
}
