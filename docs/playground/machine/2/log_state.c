/* SPDX-License-Identifier: MIT */
/* log_state.c: lab 2's log, the kernel's own, keeps nothing. */
#include "log.h"

#include "machine.h"

void say_log(void)
{
	say("\"log\":{\"kind\":\"none\",\"last\":%lu}", log_last_number());
}
