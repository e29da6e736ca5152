/* SPDX-License-Identifier: MIT */
/*
 * files.h: the monitor's commands about files. Each is handed what was typed behind its name.
 *
 * A file is named as `ls` shows it (name.h), perhaps with / or ./ before it. Where another word
 * follows, a blank in the name is typed as \x20.
 *
 * Locks: takes store_lock, heap_lock, frame_lock and log_lock (in the store, the heap and the log).
 * Allocates: the heap. Callable from: anywhere but an NMI handler (one at a time,
 * with no lock held).
 */
#ifndef FILES_H
#define FILES_H

/* Lists a directory, "" for the root: files of the initramfs, in no order, and those written. */
void files_ls(const char *directory);

/* Prints a file. */
void files_cat(const char *name);

/* "NAME TEXT": adds a line to a file, which is made if need be. */
void files_write(const char *name_and_text);

/* "NAME NEW-NAME": renames a file that was written. */
void files_mv(const char *names);

/* Removes a file that was written. */
void files_rm(const char *name);

/* Prints the log's records; also adds them to the file, if it is not "". */
void files_dmesg(const char *name);

#endif
