/* SPDX-License-Identifier: MIT */
/* record.h: one record of the log, written in several ways. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>

/*
 * log = the logger of lab 4, to the port and the ring; format = the same text into a
 * buffer by the kernel's formatter; snprintf = by the C library's. Prints what came of
 * it; if it is timed, how long a record takes, and how long by snprintf. Return: false if there is no such way.
 */
bool record_write(const char *name, bool is_timed);

#endif
