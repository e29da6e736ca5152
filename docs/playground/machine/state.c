/* SPDX-License-Identifier: MIT */
/*
 * state.c: the state of the machine as JSON: what the page shows, and what the tests compare.
 *
 * It can be asked for between any two calls of the kernel's functions, so it takes no lock. All
 * addresses in it are physical ones, which are the same in a module and on the host.
 */
#include "machine.h"

#include "cpu.h"
#include "format.h"
#include "spinlock.h"

static char text[KIB(512)];
static struct buffer_sink state;

void (say)(const char *template, ...)
{
	va_list arguments;

	va_start(arguments, template);
	vformat(&state.sink, template, arguments);
	va_end(arguments);
}

static void say_place(const struct place *place)
{
	if (place)
		say("{\"function\":\"%s\",\"file\":\"%s\",\"line\":%u}", place->function, place->file, place->line);
	else
		say("null");
}

static void say_locks(void)
{
	say("\"locks\":[");
	for (const struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++) {
		say("%s{\"name\":\"%s\",\"held\":%s,\"taken\":", lock == spinlocks_start ? "" : ",", lock->name,
		    lock->locked ? "true" : "false");
		say_place(lock->taken_at);
		say("}");
	}
	say("],\"waits\":");
	if (this_cpu.waits_for) {
		say("{\"lock\":\"%s\",\"at\":", this_cpu.waits_for->name);
		say_place(this_cpu.waits_at);
		say("}");
	} else {
		say("null");
	}
}

/* Those that are live, as [number, is it a block?, base, size]. */
static void say_things(void)
{
	const char *comma = "";

	say("\"nr_things\":%zu,\"things\":[", nr_things);
	for (size_t i = 0; i < nr_things; i++) {
		const struct thing *thing = &things[i];

		if (!thing->is_live)
			continue;
		say("%s[%zu,%s,%lu,%zu]", comma, i + 1, thing->object ? "false" : "true",
		    thing->object ? virt_to_phys(thing->object) : thing->base, thing->size);
		comma = ",";
	}
	say("]");
}

const char *machine_state(void)
{
	buffer_sink_init(&state, text, sizeof(text) - 1);
	say("{");
	say_frames();
	say(",");
	say_heap();
	say(",");
	say_log();
	say(",");
	say_locks();
	say(",");
	say_things();
	say("}");
	text[state.nr_bytes] = '\0';
	return state.cut ? "" : text;
}
