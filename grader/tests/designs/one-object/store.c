/* SPDX-License-Identifier: MIT */
/*
 * store.c: a store unlike lab 6's: a file is one object of the heap, its name and its contents in it.
 *
 *      files ──► | next | nr_bytes, capacity_bytes, name_bytes | "motd" | ########.... |
 *
 * So a file is made by one allocation, grows by one krealloc(), and gets another name by a new object.
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

struct file {
	struct file *next;              /* NULL = it is the last one */
	size_t nr_bytes, capacity_bytes; /* of contents, and of the room for them */
	size_t name_bytes;              /* with its NUL */
	char data[];                    /* the name, then the contents */
};

static DEFINE_SPINLOCK(store_lock);
static struct file *files;

/* The link that leads to the file of that name, or the NULL behind the last file. */
static struct file **find(const char *name)
{
	struct file **link = &files;

	while (*link != NULL && strcmp((*link)->data, name) != 0)
		link = &(*link)->next;
	return link;
}

static bool is_name(const char *name)
{
	return *name != '\0' && strlen(name) <= STORE_MAX_NAME;
}

/* A file without contents, in no list yet. Return: NULL if there is no memory. */
static struct file *file_new(const char *name, size_t capacity_bytes)
{
	size_t name_bytes = strlen(name) + 1;
	struct file *file = kmalloc(sizeof(*file) + name_bytes + capacity_bytes);

	if (file != NULL) {
		*file = (struct file){ .capacity_bytes = capacity_bytes, .name_bytes = name_bytes };
		memcpy(file->data, name, name_bytes);
	}
	return file;
}

enum store_result store_create(const char *name)
{
	enum store_result result = STORE_EXISTS;
	struct file **link;

	if (!is_name(name))
		return STORE_BAD_NAME;
	spin_lock(&store_lock);
	link = find(name);
	if (*link == NULL) {
		*link = file_new(name, 0);
		result = *link == NULL ? STORE_NO_MEMORY : STORE_DONE;
	}
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_remove(const char *name)
{
	struct file **link, *file;

	spin_lock(&store_lock);
	link = find(name);
	file = *link;
	if (file != NULL) {
		*link = file->next;
		kfree(file);
	}
	spin_unlock(&store_lock);
	return file == NULL ? STORE_ABSENT : STORE_DONE;
}

bool store_list(size_t number, struct store_file *listed)
{
	struct file *file;

	spin_lock(&store_lock);
	for (file = files; file != NULL && number > 0; file = file->next)
		number--;
	if (file != NULL) {
		memcpy(listed->name, file->data, file->name_bytes);
		listed->nr_bytes = file->nr_bytes;
	}
	spin_unlock(&store_lock);
	return file != NULL;
}

/* The file with room for so many bytes more, maybe in another place. Return: NULL if there is no memory. */
static struct file *grown(struct file *file, size_t nr_more)
{
	size_t used = sizeof(*file) + file->name_bytes + file->nr_bytes;
	size_t capacity = file->nr_bytes + nr_more;

	if (nr_more <= file->capacity_bytes - file->nr_bytes)
		return file;
	if (nr_more > SIZE_MAX / 2 - used)
		return NULL;
	capacity += capacity / 2;
	file = krealloc(file, sizeof(*file) + file->name_bytes + capacity);
	if (file != NULL)
		file->capacity_bytes = capacity;
	return file;
}

enum store_result store_append(const char *name, const void *bytes, size_t nr_bytes)
{
	enum store_result result = STORE_ABSENT;
	struct file **link, *file;

	spin_lock(&store_lock);
	link = find(name);
	if (*link != NULL) {
		file = grown(*link, nr_bytes);
		result = STORE_NO_MEMORY;
		if (file != NULL) {
			memcpy(file->data + file->name_bytes + file->nr_bytes, bytes, nr_bytes);
			file->nr_bytes += nr_bytes;
			*link = file;
			result = STORE_DONE;
		}
	}
	spin_unlock(&store_lock);
	return result;
}

enum store_result store_read(const char *name, size_t offset, void *buffer, size_t nr_bytes,
			     size_t *nr_read)
{
	struct file *file;

	spin_lock(&store_lock);
	file = *find(name);
	if (file != NULL) {
		size_t rest = offset < file->nr_bytes ? file->nr_bytes - offset : 0;

		*nr_read = nr_bytes < rest ? nr_bytes : rest;
		memcpy(buffer, file->data + file->name_bytes + offset, *nr_read);
	}
	spin_unlock(&store_lock);
	return file == NULL ? STORE_ABSENT : STORE_DONE;
}

static enum store_result rename(const char *name, const char *new_name)
{
	struct file **link = find(name), *old = *link, *new, *replaced;

	if (old == NULL)
		return STORE_ABSENT;
	if (strcmp(name, new_name) == 0)
		return STORE_DONE;
	new = file_new(new_name, old->capacity_bytes);
	if (new == NULL)
		return STORE_NO_MEMORY;
	new->nr_bytes = old->nr_bytes;
	memcpy(new->data + new->name_bytes, old->data + old->name_bytes, old->nr_bytes);
	*link = old->next;
	kfree(old);
	link = find(new_name);
	replaced = *link;
	if (replaced != NULL)
		new->next = replaced->next;
	*link = new;
	kfree(replaced);
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
