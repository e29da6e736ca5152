/* SPDX-License-Identifier: MIT */
/*
 * nmi_report.c: an NMI that nobody waited for is a record. The logger of this lab allows it.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere.
 */
#include "nmi.h"

#include "backtrace.h"
#include "log.h"
#include "trap.h"

void nmi_report(const struct trap_frame *frame)
{
	uint64_t offset = 0;
	const char *function = symbol_find(frame->rip, &offset);

	log_warn("nmi: %s; it has interrupted %s+%#lx", nmi_cause(),
		 function == NULL ? "no function" : function, offset);
}
