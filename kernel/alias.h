/* SPDX-License-Identifier: MIT */
/*
 * alias.h: short words for lines that are often typed at the monitor. Lab 6 gives alias.c.
 *
 * Every call happens as a whole, or changes nothing: whichever allocation fails in it, nothing of
 * the heap is lost, and no lock stays held.
 *
 * Locks: takes alias_lock, heap_lock and frame_lock (the last two in the heap).
 * Allocates: the heap (in alias_set()). Callable from: anywhere but an NMI handler (with no lock
 * held).
 */
#ifndef ALIAS_H
#define ALIAS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Lets `name` stand for the lines in `text`, which a ';' separates; blanks around a line go. An
 * alias of that name is replaced. Return: false if the heap is exhausted.
 */
bool alias_set(const char *name, const char *text);

/*
 * Copies a line, from 0, of an alias, NUL-terminated and cut if need be. Return: false if there is
 * no such alias, or it has not so many lines.
 */
bool alias_line(const char *name, size_t number, char *line, size_t capacity_bytes);

/* Removes an alias. Return: false if there is none of that name. */
bool alias_remove(const char *name);

/* The lines of all aliases. */
size_t alias_nr_lines(void);

#endif
