/* SPDX-License-Identifier: MIT */
/*
 * cpio.c: the archive's reader, and the directory that it fills.
 *
 * An input is an archive. It is unpacked once with all the memory there is, and once
 * with one allocation that fails: which one, the archive's bytes decide.
 */
#include <stdlib.h>
#include <string.h>

#include "cpio.h"
#include "fuzz.h"
#include "initramfs.h"

static void must_be_empty(const struct directory *directory, const struct cpio_error *error)
{
	MUST(error->reason != NULL && error->reason[0] != '\0', "a refusal without a reason");
	MUST(directory->slots == NULL && directory->nr_slots == 0 && directory->nr_entries == 0,
	     "%s: %zu entries stay", error->reason, directory->nr_entries);
	MUST(heap_nr_live() == 0, "%s: %zu objects stay", error->reason, heap_nr_live());
}

/* Some path, and one that stands for one file only. */
static void must_be_a_name(const char *name)
{
	const char *at = name;

	MUST(name[0] != '\0' && strlen(name) < CPIO_MAX_NAME, "a name of %zu bytes", strlen(name));
	for (;;) {
		size_t nr_bytes = strcspn(at, "/");

		MUST(nr_bytes > 2 || (nr_bytes > 0 && memcmp(at, "..", nr_bytes) != 0), "%s", name);
		if (at[nr_bytes] == '\0')
			return;
		at += nr_bytes + 1;
	}
}

/* Every entry is found by its name, and its contents lie in the archive. */
static void must_be_whole(const struct directory *directory, const uint8_t *archive,
			  size_t nr_bytes)
{
	size_t cursor = 0, nr_entries = 0;
	const struct dentry *entry;

	while ((entry = directory_next(directory, &cursor)) != NULL) {
		MUST(strlen(entry->name) == entry->name_bytes, "%s: %u bytes long", entry->name,
		     entry->name_bytes);
		must_be_a_name(entry->name);
		MUST(directory_find(directory, entry->name) == entry, "%s is not found",
		     entry->name);
		MUST((entry->data == NULL) == (entry->nr_bytes == 0), "%s: %lu bytes at %p",
		     entry->name, entry->nr_bytes, (const void *)entry->data);
		MUST(entry->nr_bytes <= nr_bytes, "%s: %lu bytes", entry->name, entry->nr_bytes);
		MUST(entry->data == NULL || (entry->data >= archive &&
		     entry->data + entry->nr_bytes <= archive + nr_bytes),
		     "%s: contents outside of the archive", entry->name);
		nr_entries++;
	}
	MUST(nr_entries == directory->nr_entries, "%zu entries are found, of %zu", nr_entries,
	     directory->nr_entries);
	MUST(nr_entries * 4 <= directory->nr_slots * 3, "%zu entries in %zu slots", nr_entries,
	     directory->nr_slots);
}

/* Return: whether the archive was good. */
static bool unpack(const uint8_t *archive, size_t nr_bytes)
{
	struct directory directory = { 0 };
	struct cpio_error error;
	bool is_good = cpio_unpack(&directory, archive, nr_bytes, &error);

	MUST(is_good == (error.reason == NULL), "the answer is %d", is_good);
	MUST(error.offset_bytes <= nr_bytes + 3, "offset %zu", error.offset_bytes);
	if (is_good)
		must_be_whole(&directory, archive, nr_bytes);
	else
		must_be_empty(&directory, &error);
	directory_destroy(&directory);
	return is_good;
}

static size_t sum_of(const uint8_t *bytes, size_t nr_bytes)
{
	size_t sum = 0;

	for (size_t i = 0; i < nr_bytes; i++)
		sum = sum * 31 + bytes[i];
	return sum;
}

void fuzz_one(const uint8_t *bytes, size_t nr_bytes)
{
	uint8_t *archive = exact_copy(bytes, nr_bytes);
	size_t nr_tried;

	unpack(archive, nr_bytes);
	nr_tried = heap_nr_tried();
	if (nr_tried > 0) {
		heap_fail_at(1 + sum_of(bytes, nr_bytes) % nr_tried);
		MUST(!unpack(archive, nr_bytes), "good with one allocation that failed");
	}
	free(archive);
}
