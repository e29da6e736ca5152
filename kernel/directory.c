/* SPDX-License-Identifier: MIT */
/*
 * directory.c: files by name, in a hash table that grows.
 *
 *      slots    hash & (nr_slots - 1) says where to look first, and then upwards
 *      +------+------+------+------+------+------+-- ... --+
 *      |      | etc  |      | motd | usr  |      |         |   `motd` and `usr` collide
 *      +------+------+------+------+------+------+-- ... --+
 *
 * Linear probing: an entry lies in the first slot that was free from its hash on.
 * Entries never leave one by one, so a free slot ends every search. The table
 * doubles before it would be more than three quarters full, and its whole array
 * is one object of the heap.
 *
 * Limits: an entry cannot be removed. While it grows, old and new array live.
 *
 * Locks: takes heap_lock, frame_lock and log_lock (in the heap and in its rescue).
 * Allocates: the heap (names and the array, in directory_add()). Callable from: anywhere
 * but an NMI handler (with no lock held).
 */
#include "directory.h"

#include "heap.h"
#include "log.h"
#include "string.h"

/* boot/mkinitramfs counts on it, and lab 3 on that. */
_Static_assert(sizeof(struct dentry) == 64, "tables are of the sizes that lab 3 needs");

#define FIRST_SLOTS  64         /* one page of them */

/* FNV-1a, 32 bits: Fowler, Noll, Vo, Eastlake, draft-eastlake-fnv, sections 2 and 5. */
#define FNV_OFFSET_BASIS  2166136261u
#define FNV_PRIME         16777619u

static uint32_t hash_name(const char *name, size_t name_bytes)
{
	uint32_t hash = FNV_OFFSET_BASIS;

	for (size_t i = 0; i < name_bytes; i++)
		hash = (hash ^ (uint8_t)name[i]) * FNV_PRIME;
	return hash;
}

static bool has_name(const struct dentry *entry, uint32_t hash, const char *name, size_t name_bytes)
{
	return entry->hash == hash && entry->name_bytes == name_bytes &&
	       memcmp(entry->name, name, name_bytes) == 0;
}

/* The slot that holds the name, or the free one where it belongs. The table has a free slot. */
static struct dentry *find_slot(struct dentry *slots, size_t nr_slots, uint32_t hash,
				const char *name, size_t name_bytes)
{
	size_t i = hash & (nr_slots - 1);

	while (slots[i].name && !has_name(&slots[i], hash, name, name_bytes))
		i = (i + 1) & (nr_slots - 1);
	return &slots[i];
}

/*
 * Doubles the table. Return: false if the heap has no array for it; nothing has changed then.
 * Not inlined, so that a backtrace tells growing from adding.
 */
static __attribute__((noinline)) bool table_grow(struct directory *directory)
{
	size_t nr_slots = directory->slots ? directory->nr_slots * 2 : FIRST_SLOTS;
	struct dentry *slots;

	log_debug("initramfs: directory grows to %zu slots", nr_slots);
	slots = kzalloc(nr_slots, sizeof(*slots));
	if (!slots)
		return false;

	for (size_t i = 0; i < directory->nr_slots; i++) {
		const struct dentry *old = &directory->slots[i];

		if (old->name)
			*find_slot(slots, nr_slots, old->hash, old->name, old->name_bytes) = *old;
	}
	kfree(directory->slots);
	directory->slots = slots;
	directory->nr_slots = nr_slots;
	return true;
}

/* Would one entry more fill the table to over three quarters? */
static bool table_is_full(const struct directory *directory)
{
	return (directory->nr_entries + 1) * 4 > directory->nr_slots * 3;
}

/* A copy of the name, with a NUL, or NULL if the heap is exhausted. */
static char *copy_name(const char *name, size_t name_bytes)
{
	char *copy = kmalloc(name_bytes + 1);

	if (copy) {
		memcpy(copy, name, name_bytes);
		copy[name_bytes] = '\0';
	}
	return copy;
}

bool directory_add(struct directory *directory, const char *name, size_t name_bytes,
		   const struct dentry *entry)
{
	struct dentry added = *entry;   /* a copy: it may lie in the table that is about to go */
	struct dentry *slot = NULL;

	added.hash = hash_name(name, name_bytes);
	added.name_bytes = (uint32_t)name_bytes;
	if (directory->slots)
		slot = find_slot(directory->slots, directory->nr_slots, added.hash,
				 name, name_bytes);

	if (slot && slot->name) {
		added.name = slot->name;
	} else {
		/* The name first: of the two, it is the one that can be given back. */
		added.name = copy_name(name, name_bytes);
		if (!added.name)
			return false;
		if (table_is_full(directory) && !table_grow(directory)) {
			kfree(added.name);
			return false;
		}
		slot = find_slot(directory->slots, directory->nr_slots, added.hash,
				 name, name_bytes);
		directory->nr_entries++;
	}
	*slot = added;
	return true;
}

const struct dentry *directory_find(const struct directory *directory, const char *name)
{
	size_t name_bytes = strlen(name);
	const struct dentry *slot;

	if (!directory->slots)
		return NULL;
	slot = find_slot(directory->slots, directory->nr_slots, hash_name(name, name_bytes),
			 name, name_bytes);
	return slot->name ? slot : NULL;
}

const struct dentry *directory_next(const struct directory *directory, size_t *cursor)
{
	while (*cursor < directory->nr_slots) {
		const struct dentry *slot = &directory->slots[(*cursor)++];

		if (slot->name)
			return slot;
	}
	return NULL;
}

void directory_destroy(struct directory *directory)
{
	for (size_t i = 0; i < directory->nr_slots; i++)
		kfree(directory->slots[i].name);
	kfree(directory->slots);
	*directory = (struct directory){ 0 };
}
