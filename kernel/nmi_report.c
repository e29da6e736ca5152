/* SPDX-License-Identifier: MIT */
/*
 * nmi_report.c: an NMI that nobody waited for, on the console. Up to lab 4 no logger can be used in
 * an NMI handler.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "nmi.h"

#include "backtrace.h"
#include "console.h"
#include "trap.h"

void nmi_report(const struct trap_frame *frame)
{
	console_printf("\nNMI: %s; interrupted, innermost first:\n", nmi_cause());
	backtrace_print((struct backtrace){ frame->rip, frame->rbp, frame->rsp });
}
