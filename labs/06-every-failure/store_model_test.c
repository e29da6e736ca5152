/* SPDX-License-Identifier: MIT */
/* store_model_test.c: what lab 6's tests of the store have in common: short calls, a script, and its model. */
#include "ktest_store.h"

#include "ktest.h"
#include "string.h"

struct store_file listed;

void store_clear(void)
{
	while (store_list(0, &listed)) {
		CHECK(store_remove(listed.name) == STORE_DONE, "%s is listed, and cannot be removed",
		      listed.name);
		ktest_progress();
	}
}

void store_must_create(const char *name)
{
	enum store_result result = store_create(name);

	CHECK(result == STORE_DONE, "creating \"%s\" gives %u", name, result);
}

void store_must_append(const char *name, const void *bytes, size_t nr_bytes)
{
	enum store_result result = store_append(name, bytes, nr_bytes);

	CHECK(result == STORE_DONE, "appending %zu bytes to \"%s\" gives %u", nr_bytes, name, result);
}

size_t store_nr_files(void)
{
	size_t nr = 0;

	while (store_list(nr, &listed)) {
		nr++;
		ktest_progress();
	}
	return nr;
}

bool store_lists(const char *name, size_t nr_bytes)
{
	size_t nr_found = 0;

	for (size_t i = 0; store_list(i, &listed); i++) {
		nr_found += strcmp(listed.name, name) == 0 && listed.nr_bytes == nr_bytes;
		ktest_progress();
	}
	return nr_found == 1;
}

bool store_has(const char *name, const void *bytes, size_t nr_bytes)
{
	static uint8_t buffer[KIB(4)];
	size_t offset = 0, nr_read;

	do {
		memset(buffer, 0xa5, sizeof(buffer));
		if (store_read(name, offset, buffer, sizeof(buffer), &nr_read) != STORE_DONE ||
		    nr_read > nr_bytes - offset || memcmp(buffer, (const uint8_t *)bytes + offset, nr_read) != 0)
			return false;
		offset += nr_read;
	} while (nr_read > 0);
	return offset == nr_bytes;
}

bool store_has_text(const char *name, const char *text)
{
	return store_has(name, text, strlen(text));
}

char *store_name_of(size_t nr_bytes)
{
	static char names[2][STORE_MAX_NAME + 2];
	static unsigned nr_calls;
	char *name = names[++nr_calls % 2];

	memset(name, 'n', nr_bytes);
	name[nr_bytes] = '\0';
	return name;
}

/* ---- the script */

const struct step script[NR_STEPS] = {
	{ CREATE, .name = "motd" },
	{ CREATE, .name = LONG_NAME },
	{ CREATE, .name = "motd" },                             /* there is one */
	{ CREATE, .name = "etc/hostname" },
	{ REMOVE, .name = "etc/hostname" },
	{ CREATE, .name = "etc/hostname" },
	{ REMOVE, .name = "nothing" },
	{ CREATE, .name = "a" },
	{ CREATE, .name = "b" },
	{ APPEND, .name = "motd", .nr_bytes = 1 },
	{ APPEND, .name = "motd", .nr_bytes = 15 },
	{ APPEND, .name = "motd", .nr_bytes = 8 },            /* there may be room for more now */
	{ APPEND, .name = "motd", .nr_bytes = 100 },
	{ APPEND, .name = "nothing", .nr_bytes = 9 },
	{ APPEND, .name = LONG_NAME, .nr_bytes = 700 },
	{ APPEND, .name = "motd", .nr_bytes = 5000 },           /* more than a page */
	{ APPEND, .name = LONG_NAME, .nr_bytes = 1 },
	{ APPEND, .name = "motd", .nr_bytes = 12000 },          /* more than any slab has */
	{ REMOVE, .name = "a" },
	{ APPEND, .name = "b", .nr_bytes = 33 },
	{ RENAME, .name = "b", .new_name = "c" },
	{ RENAME, .name = "c", .new_name = LONG_NAME "/c" },
	{ RENAME, .name = "nothing", .new_name = "something" },
	{ RENAME, .name = LONG_NAME "/c", .new_name = "motd" }, /* whose contents go */
	{ RENAME, .name = "motd", .new_name = "motd" },
	{ RENAME, .name = LONG_NAME, .new_name = "d" },
	{ CREATE, .name = LONG_NAME },
	{ APPEND, .name = "d", .nr_bytes = 1300 },
};

const char *const operation_names[] = { "create", "append", "rename", "remove" };

/* ---- the model */

uint8_t pattern[MAX_BYTES + NR_STEPS];

static size_t model_find(const struct model *model, const char *name)
{
	size_t i = 0;

	while (i < model->nr_files && strcmp(model->files[i].name, name) != 0)
		i++;
	return i;
}

static void model_remove(struct model *model, size_t i)
{
	model->files[i] = model->files[--model->nr_files];
}

enum store_result model_step(struct model *model, const struct step *step)
{
	size_t i = model_find(model, step->name), replaced;

	if (step->operation == CREATE) {
		if (i < model->nr_files)
			return STORE_EXISTS;
		CHECK(i < MAX_FILES, "the script has too many files");
		model->files[i].name = step->name;
		model->files[i].seed = (size_t)(step - script);
		model->files[i].nr_bytes = 0;
		model->nr_files++;
		return STORE_DONE;
	}
	if (i == model->nr_files)
		return STORE_ABSENT;
	if (step->operation == APPEND) {
		model->files[i].nr_bytes += step->nr_bytes;
	} else if (step->operation == RENAME) {
		replaced = model_find(model, step->new_name);
		model->files[i].name = step->new_name;
		if (replaced < model->nr_files && replaced != i)
			model_remove(model, replaced);
	} else {
		model_remove(model, i);
	}
	return STORE_DONE;
}

enum store_result store_step(const struct model *model, const struct step *step)
{
	size_t i;

	switch (step->operation) {
	case CREATE:
		return store_create(step->name);
	case APPEND:
		i = model_find(model, step->name);
		if (i == model->nr_files)
			return store_append(step->name, pattern, step->nr_bytes);
		return store_append(step->name, pattern + model->files[i].seed + model->files[i].nr_bytes,
				    step->nr_bytes);
	case RENAME:
		return store_rename(step->name, step->new_name);
	default:
		return store_remove(step->name);
	}
}

bool store_is_as(const struct model *model)
{
	size_t nr = 0;

	for (; store_list(nr, &listed); nr++) {
		size_t i = model_find(model, listed.name);

		if (i == model->nr_files || listed.nr_bytes != model->files[i].nr_bytes)
			return false;
	}
	for (size_t i = 0; i < model->nr_files; i++)
		if (model->files[i].nr_bytes > 0 &&
		    !store_has(model->files[i].name, pattern + model->files[i].seed, model->files[i].nr_bytes))
			return false;
	return nr == model->nr_files;
}
