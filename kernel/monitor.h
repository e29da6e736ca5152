/* SPDX-License-Identifier: MIT */
/* monitor.h: a small command line on the console, for people and for scripts. */
#ifndef MONITOR_H
#define MONITOR_H

#include <stddef.h>

#define MONITOR_PROMPT      "ouroboros> "
#define MONITOR_LINE_BYTES  128

/*
 * The grader's interface: how many prompts monitor_run() has printed, counted before
 * a prompt's first byte. The grader believes a prompt on the console only if this says
 * so, as anyone can print one.
 */
extern unsigned monitor_prompts;

/* Reads and carries out commands for ever. "help" lists them. */
_Noreturn void monitor_run(void);

/*
 * Applies one received byte to a line being edited: backspace and DEL take back
 * a byte, ^U the line, ^C drops it; other control characters and the sequences of
 * arrow keys are ignored. Echoes to the console.
 * Return: 1 when the line is complete (NUL-terminated), 0 while it is not.
 */
int line_edit(char *line, size_t capacity_bytes, size_t *nr_bytes, char byte);

#endif
