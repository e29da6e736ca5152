/* SPDX-License-Identifier: MIT */
/* log_state.c: lab 4's log as it is, and what lies in its ring. */
#include "labs/04-static-log/log.c"

#include "machine.h"

/* The records' lengths, oldest first: each ends in the only newline that it has. */
void say_log(void)
{
	const char *comma = "";
	size_t start = ring_tail;

	say("\"log\":{\"kind\":\"ring\",\"last\":%lu,\"bytes\":%lu,\"head\":%zu,\"tail\":%zu,\"records\":[", log_last_number(),
	    (unsigned long)LOG_RING_BYTES, ring_head, ring_tail);
	for (size_t at = ring_tail; at < ring_head; at++) {
		if (log_storage.ring[at % LOG_RING_BYTES] != '\n')
			continue;
		say("%s%zu", comma, at + 1 - start);
		comma = ",";
		start = at + 1;
	}
	say("]}");
}
