/* SPDX-License-Identifier: MIT */
/*
 * name.h: names of files as text that a terminal may show and a person can type.
 *
 * A name is any bytes but NUL. Its text shows \x and two hexadecimal digits for each byte of
 * what a terminal would take as a command, or a reader would not see as it is: control
 * characters (U+0000 to U+001F, U+007F to U+009F), what is no UTF-8, a backslash, and a space at
 * either end. All else stands for itself. Source of UTF-8: RFC 3629, section 4.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (as far as the sink allows
 * it).
 */
#ifndef NAME_H
#define NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "format.h"

/* Writes the text of a name. */
void name_show(struct sink *sink, const char *name, size_t nr_bytes);

/*
 * The name that a text stands for, NUL-terminated: the inverse of name_show(). A backslash
 * that is not followed by an x and two digits other than 00 stands for itself.
 * Return: false if it does not fit.
 */
bool name_read(const char *text, char *name, size_t capacity_bytes);

#endif
