/* SPDX-License-Identifier: MIT */
/*
 * ktest_store.h: what lab 6's tests of the store have in common. labs/06-every-failure/store_model_test.c
 * has the functions.
 */
#ifndef KTEST_STORE_H
#define KTEST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "store.h"

/* What store_list() has said last. */
extern struct store_file listed;

/* Removes all files. Each test begins and ends without any. */
void store_clear(void);

/* Makes a file, or adds to it. Fails the test if the store refuses. */
void store_must_create(const char *name);
void store_must_append(const char *name, const void *bytes, size_t nr_bytes);

size_t store_nr_files(void);

/* Does the store list a file of that name and size, once? */
bool store_lists(const char *name, size_t nr_bytes);

/* Has the store a file with these contents, as store_read() shows them? */
bool store_has(const char *name, const void *bytes, size_t nr_bytes);
bool store_has_text(const char *name, const char *text);

/* A name of so many bytes. Good until the next call but one. */
char *store_name_of(size_t nr_bytes);

/* ---- a script of operations, and a model that says what becomes of the files */

#define MAX_FILES   8
#define MAX_BYTES   KIB(20)     /* of a file */

enum operation { CREATE, APPEND, RENAME, REMOVE };

struct step {
	enum operation operation;
	const char *name, *new_name;
	size_t nr_bytes;                /* that are appended */
};

#define LONG_NAME  "var/lib/a-name-that-is-longer-than-the-one-before-it-and-needs-an-object-of-another-size"

/* How far the tests go that have one kind of operation to try: up to the first of the next. */
enum { FIRST_APPEND = 9, FIRST_RENAME = 20, NR_STEPS = 28 };

extern const struct step script[NR_STEPS];
extern const char *const operation_names[];

/* The files by name; the contents of one are the bytes of `pattern` from `seed` on. */
struct model {
	struct { const char *name; size_t seed, nr_bytes; } files[MAX_FILES];
	size_t nr_files;
};

extern uint8_t pattern[MAX_BYTES + NR_STEPS];

/* Carries out a step in the model. Return: what the store must say to it. */
enum store_result model_step(struct model *model, const struct step *step);

/* Carries out a step in the store; `model` is what it was before. */
enum store_result store_step(const struct model *model, const struct step *step);

/* Is the store what the model says? Of an empty file it asks for no contents. */
bool store_is_as(const struct model *model);

#endif
