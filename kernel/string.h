/* SPDX-License-Identifier: MIT */
/*
 * string.h: the few functions of the C library that a kernel needs (ISO C11, section 7.24).
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (an NMI handler included).
 */
#ifndef STRING_H
#define STRING_H

#include <stdbool.h>
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t nr_bytes);
void *memmove(void *to, const void *from, size_t nr_bytes);
void *memset(void *to, int byte, size_t nr_bytes);
void *memchr(const void *memory, int byte, size_t nr_bytes);
int memcmp(const void *a, const void *b, size_t nr_bytes);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit_bytes);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit_bytes);
char *strchr(const char *text, int byte);
char *strstr(const char *text, const char *part);

/* What GCC calls for __builtin_popcount(): no instruction of every x86_64 counts bits. */
int __popcountdi2(unsigned long word);

/* Does `text` begin with `prefix`? */
bool starts_with(const char *text, const char *prefix);

/* Does `text` match a pattern in which * stands for any text and ? for any byte? */
bool glob_matches(const char *pattern, const char *text);

/*
 * Reads an unsigned number, decimal or 0x…, at the start of `text`; with a
 * suffix K, M or G it counts KiB, MiB or GiB. *end receives what follows.
 * Return: false if there is no digit or the number does not fit.
 */
bool parse_number(const char *text, unsigned long *value, const char **end);

#endif
