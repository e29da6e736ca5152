/* SPDX-License-Identifier: MIT */
/* log_state.c: lab 3's log as it is, and the records that it keeps on the heap. */
#include "labs/03-deadlock/log.c"

#include "machine.h"

void say_log(void)
{
	const char *comma = "";

	say("\"log\":{\"kind\":\"heap\",\"last\":%lu,\"most\":%u,\"records\":[", log_last_number(), MAX_RECORDS);
	for (const struct record *record = oldest; record != NULL; record = record->next) {
		say("%s[%lu,%zu]", comma, virt_to_phys(record), record->nr_bytes);
		comma = ",";
	}
	say("]}");
}
