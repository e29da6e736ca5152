/* SPDX-License-Identifier: MIT */
/* monitor.h: a small command line on the console, for people and for scripts. */
#ifndef MONITOR_H
#define MONITOR_H

#define MONITOR_PROMPT  "ouroboros> "

/*
 * The grader's interface: how many prompts monitor_run() has printed, counted before
 * a prompt's first byte. The grader believes a prompt on the console only if this says
 * so, as anyone can print one.
 *
 * Locks: takes store_lock, alias_lock, heap_lock, frame_lock and log_lock. Allocates:
 * the heap. Callable from: boot.
 */
extern unsigned monitor_prompts;

/* Reads and carries out commands for ever. "help" lists them. */
_Noreturn void monitor_run(void);

#endif
