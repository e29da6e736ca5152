/* SPDX-License-Identifier: MIT */
/*
 * lockup_test.c: lab 3's tests of lockup_explain().
 *
 * Each builds a hang of its own, of locks and of a stack whose calls it draws by lot, has it
 * explained, and reads what came to the console. The CPU that runs the test waits for nothing.
 *
 *     lockup.h says                                  the test
 *     "cpu0 waits for a_lock in f"                   lockup.says_who_waits_and_where
 *     "one line for each lock that is held"          lockup.says_who_holds_each_lock
 *     "the cycle: g -> h -> f"                       lockup.prints_the_cycle
 *     "the innermost call further out"               lockup.begins_with_the_innermost_taker
 *     "belongs to the call before it"                lockup.a_return_address_is_behind_its_call
 *     "if no lock is to blame"                       lockup.says_that_no_lock_is_to_blame
 *     "nobody holds", "cpu1 holds", "has returned"   lockup.says_why_there_is_no_cycle
 *     "the stack is damaged at"                      lockup.stops_where_the_stack_is_damaged
 *     "reads a frame only where" there can be one    lockup.believes_no_first_frame
 *     "It believes no pointer"                       lockup.believes_no_pointer
 *     "in this order", "cpu0" is this_cpu.id         lockup.writes_its_lines_in_order
 *     "Locks: none. Allocates: nothing"              lockup.takes_no_lock_and_no_memory
 *     "and what backtrace_print() prints"            lockup.ends_with_the_backtrace
 */
#include "lockup.h"

#include "console.h"
#include "cpu.h"
#include "frame.h"
#include "heap.h"
#include "image.h"
#include "ktest.h"
#include "memory.h"
#include "string.h"

#define MAX_CALLS   12
#define NR_ROUNDS   8
#define CODE_BYTES  16          /* into a function: all of FUNCTIONS have more */

static DEFINE_SPINLOCK(first_test_lock);
static DEFINE_SPINLOCK(second_test_lock);

/* What calls are drawn from. */
static const struct { const void *code; const char *name; } functions[] = {
	{ kmalloc, "kmalloc" }, { kfree, "kfree" }, { krealloc, "krealloc" }, { frame_alloc, "frame_alloc" },
	{ frame_free, "frame_free" }, { memmove, "memmove" }, { heap_check, "heap_check" },
	{ console_write, "console_write" },
};

static const struct place taken = { "taken.c", "taker", 12 }, waits = { "waits.c", "waiter", 345 };

static char output[8192];

/* A stack of calls, innermost first; that of number 0 is the caller of spin_lock(). */
static struct {
	unsigned nr_calls;
	unsigned functions[MAX_CALLS];          /* indices in functions[] */
	const char *names[MAX_CALLS];           /* what they are to be called in the output */
} calls;

/* Where a call of a function would return to. */
static uint64_t inside(unsigned function)
{
	return (uint64_t)functions[function].code + CODE_BYTES;
}

/* Draws a stack of nr_calls functions, of which none is `but`. */
static void draw_calls(unsigned nr_calls, unsigned but)
{
	calls.nr_calls = nr_calls;
	for (unsigned i = 0; i < nr_calls; i++)
		calls.functions[i] = (but + 1 + random_below(&ktest_random, ARRAY_LENGTH(functions) - 1)) %
				     ARRAY_LENGTH(functions);
}

/* Makes the frames of the calls, one word behind the other, as lockup_explain() is to find them. */
static void make_frames(uint64_t frames[2 * MAX_CALLS])
{
	for (unsigned i = 0; i < calls.nr_calls; i++) {
		frames[2 * i] = i + 1 < calls.nr_calls ? (uint64_t)&frames[2 * i + 2] : 0;
		frames[2 * i + 1] = inside(calls.functions[i]);
		calls.names[i] = functions[calls.functions[i]].name;
	}
}

static void hold(struct spinlock *lock, uint32_t owner, const void *taken_from)
{
	lock->locked = 1;
	lock->owner = owner;
	lock->taken_at = &taken;
	lock->taken_from = taken_from;
}

/*
 * Has it explained that the CPU waits for `lock` at `place`, with the frame pointer `rbp`. Return: what
 * was printed. All locks are free again.
 */
static const char *explained_at(struct spinlock *lock, const struct place *place, uint64_t rbp)
{
	struct buffer_sink copy;

	buffer_sink_init(&copy, output, sizeof(output) - 1);
	this_cpu.waits_for = lock;
	this_cpu.waits_at = place;
	console_copy_to(&copy);
	lockup_explain((struct backtrace){ (uint64_t)lockup_explain + CODE_BYTES, rbp, 0 });
	console_copy_to(NULL);
	this_cpu.waits_for = NULL;
	first_test_lock.locked = second_test_lock.locked = 0;
	output[copy.nr_bytes] = '\0';
	return output;
}

/* The same with a place and a frame pointer that can be believed. */
static const char *explained(struct spinlock *lock, const uint64_t *frames)
{
	return explained_at(lock, &waits, (uint64_t)frames);
}

/* Is this one of the lines? Formats it first. */
static bool has_line(const char *text, const char *template, ...) __attribute__((format(printf, 2, 3)));
static bool has_line(const char *text, const char *template, ...)
{
	char line[512];
	struct buffer_sink sink;
	size_t nr_bytes;
	va_list arguments;

	buffer_sink_init(&sink, line, sizeof(line));
	va_start(arguments, template);
	vformat(&sink.sink, template, arguments);
	va_end(arguments);
	nr_bytes = sink.nr_bytes;
	for (; *text != '\0'; text = strchr(text, '\n') + 1) {
		if (strncmp(text, line, nr_bytes) == 0 && text[nr_bytes] == '\n')
			return true;
		if (strchr(text, '\n') == NULL)
			return false;
	}
	return false;
}

/* The line of a cycle that begins with call number `outermost`. */
static const char *cycle_line(unsigned outermost)
{
	static char line[512];
	struct buffer_sink sink;

	buffer_sink_init(&sink, line, sizeof(line) - 1);
	format(&sink.sink, "the cycle: ");
	for (unsigned i = outermost + 1; i-- > 0;)
		format(&sink.sink, "%s%s", calls.names[i], i > 0 ? " -> " : "");
	line[sink.nr_bytes] = '\0';
	return line;
}

/* The first test lock is held, taken by a function; the calls are drawn from all others. */
static unsigned held_by_one_of(unsigned nr_calls)
{
	unsigned taker = random_below(&ktest_random, ARRAY_LENGTH(functions));

	draw_calls(nr_calls, taker);
	hold(&first_test_lock, this_cpu.id, (const void *)inside(taker));
	return taker;
}

KTEST(lockup, says_who_waits_and_where)
{
	uint64_t frames[2 * MAX_CALLS];
	const char *text;

	held_by_one_of(3);
	make_frames(frames);
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "cpu%u waits for first_test_lock in waiter (waits.c:345)", this_cpu.id), "%s", text);
	held_by_one_of(3);
	hold(&second_test_lock, this_cpu.id, kmalloc);
	text = explained(&second_test_lock, frames);
	CHECK(has_line(text, "cpu%u waits for second_test_lock in waiter (waits.c:345)", this_cpu.id), "%s", text);
}

KTEST(lockup, says_who_holds_each_lock)
{
	uint64_t frames[2 * MAX_CALLS];
	const char *text;

	held_by_one_of(3);
	make_frames(frames);
	hold(&second_test_lock, 7, kmalloc);
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "cpu%u holds first_test_lock since taker (taken.c:12)", this_cpu.id), "%s", text);
	CHECK(has_line(text, "cpu7 holds second_test_lock since taker (taken.c:12)"), "%s", text);
	held_by_one_of(3);
	text = explained(&first_test_lock, frames);
	CHECK(!strstr(text, "second_test_lock"), "%s", text);
}

KTEST(lockup, prints_the_cycle)
{
	uint64_t frames[2 * MAX_CALLS];

	for (unsigned round = 0; round < NR_ROUNDS; round++) {
		unsigned taker = held_by_one_of(MAX_CALLS);
		unsigned outermost = 1 + random_below(&ktest_random, MAX_CALLS - 2);
		const char *text;

		calls.functions[outermost] = taker;
		make_frames(frames);
		text = explained(&first_test_lock, frames);
		CHECK(has_line(text, "%s", cycle_line(outermost)), "not \"%s\", but %s",
		      cycle_line(outermost), text);
	}
}

KTEST(lockup, begins_with_the_innermost_taker)
{
	uint64_t frames[2 * MAX_CALLS];
	unsigned taker = held_by_one_of(MAX_CALLS);
	const char *text;

	calls.functions[0] = calls.functions[4] = calls.functions[9] = taker;
	make_frames(frames);
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "%s", cycle_line(4)), "not \"%s\", but %s", cycle_line(4), text);

	/* The innermost call is the one that waits: it is not further out than itself. */
	taker = held_by_one_of(MAX_CALLS);
	calls.functions[0] = taker;
	make_frames(frames);
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "no cycle: taker has returned and left first_test_lock locked"), "%s", text);
}

/* Where a call is the last instruction of a function, it returns to the first of the next one. */
KTEST(lockup, a_return_address_is_behind_its_call)
{
	uint64_t frames[2 * MAX_CALLS], offset;
	unsigned taker = held_by_one_of(MAX_CALLS);
	const char *text;

	calls.functions[6] = taker;
	make_frames(frames);
	frames[2 * 3 + 1] = (uint64_t)console_write;
	calls.names[3] = symbol_find((uint64_t)console_write - 1, &offset);
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "%s", cycle_line(6)), "not \"%s\", but %s", cycle_line(6), text);
}

KTEST(lockup, says_that_no_lock_is_to_blame)
{
	uint64_t frames[2 * MAX_CALLS];
	const char *text;

	held_by_one_of(3);
	make_frames(frames);
	text = explained(NULL, frames);
	CHECK(has_line(text, "cpu%u waits for no lock", this_cpu.id), "%s", text);
	CHECK(has_line(text, "cpu%u holds first_test_lock since taker (taken.c:12)", this_cpu.id), "%s", text);
	CHECK(!strstr(text, "cycle"), "a cycle without a lock: %s", text);
}

KTEST(lockup, says_why_there_is_no_cycle)
{
	uint64_t frames[2 * MAX_CALLS];
	const char *text;

	held_by_one_of(MAX_CALLS);
	make_frames(frames);
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "no cycle: taker has returned and left first_test_lock locked"), "%s", text);
	held_by_one_of(MAX_CALLS);
	first_test_lock.owner = 3;
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "no cycle: cpu3 holds first_test_lock"), "%s", text);
	text = explained(&first_test_lock, frames);
	CHECK(has_line(text, "no cycle: nobody holds first_test_lock"), "%s", text);
	CHECK(!strstr(text, "the cycle: "), "%s", text);
}

KTEST(lockup, stops_where_the_stack_is_damaged)
{
	uint64_t frames[2 * MAX_CALLS];
	const uint64_t wild[] = {
		16, (uint64_t)&frames[0], (uint64_t)&frames[2 * 5] + 4, (uint64_t)boot_stack_guard,
		(uint64_t)boot_stack_top - 8, (uint64_t)-8, 0x8000000000000000, (uint64_t)output,
	};

	for (unsigned i = 0; i < ARRAY_LENGTH(wild); i++) {
		unsigned taker = held_by_one_of(MAX_CALLS);
		const char *text;

		calls.functions[8] = taker;
		make_frames(frames);
		frames[2 * 4] = wild[i];
		text = explained(&first_test_lock, frames);
		CHECK(has_line(text, "no cycle: the stack is damaged at %p", (void *)wild[i]),
		      "a frame pointer is %p: %s", (void *)wild[i], text);
		hold(&first_test_lock, this_cpu.id, (const void *)inside(taker));
		make_frames(frames);
		frames[2 * 4 + 1] = i == 0 ? 16 : (uint64_t)output;
		text = explained(&first_test_lock, frames);
		CHECK(has_line(text, "no cycle: the stack is damaged at %p", (void *)&frames[2 * 4]),
		      "a return address is %#lx: %s", frames[2 * 4 + 1], text);
		hold(&first_test_lock, this_cpu.id, (const void *)inside(taker));
		frames[2 * 4] = wild[i];
		text = explained(&first_test_lock, frames);
		CHECK(has_line(text, "no cycle: the stack is damaged at %p", (void *)&frames[2 * 4]),
		      "both words of a frame are wrong: %s", text);
	}
}

/* The innermost frame is no better than others. &frames[0] is where it belongs. */
KTEST(lockup, believes_no_first_frame)
{
	uint64_t frames[2 * MAX_CALLS];
	const uint64_t wild[] = {
		16, (uint64_t)&frames[0] + 4, (uint64_t)boot_stack_guard, (uint64_t)boot_stack_top - 8,
		(uint64_t)-8, 0x8000000000000000, (uint64_t)output,
	};

	for (unsigned i = 0; i < ARRAY_LENGTH(wild); i++) {
		const char *text;

		held_by_one_of(MAX_CALLS);
		text = explained_at(&first_test_lock, &waits, wild[i]);
		CHECK(has_line(text, "no cycle: the stack is damaged at %p", (void *)wild[i]),
		      "the first frame pointer is %p: %s", (void *)wild[i], text);
	}
	held_by_one_of(MAX_CALLS);
	make_frames(frames);
	frames[1] = (uint64_t)output;
	CHECK(has_line(explained(&first_test_lock, frames), "no cycle: the stack is damaged at %p", (void *)frames),
	      "the first return address is %#lx: %s", frames[1], output);
}

KTEST(lockup, believes_no_pointer)
{
	static struct place writable;   /* of zeros: its words are no constants either */
	static const struct place wild = { (const char *)16, (const char *)&writable, 9 };
	const struct place *const places[] = { NULL, (const void *)16, &writable, &wild };
	struct spinlock *const locks[] = {
		(void *)16, (void *)((uint64_t)&first_test_lock + 8), spinlocks_end, (void *)-8ul,
	};
	uint64_t frames[2 * MAX_CALLS];
	const char *text;

	for (unsigned i = 0; i < ARRAY_LENGTH(places); i++) {
		uint32_t line = places[i] == &wild ? 9 : 0;

		held_by_one_of(3);
		make_frames(frames);
		first_test_lock.taken_at = places[i];
		first_test_lock.name = i % 2 == 0 ? (const char *)16 : output;
		text = explained(&first_test_lock, frames);
		first_test_lock.name = "first_test_lock";
		CHECK(has_line(text, "cpu%u waits for ? in waiter (waits.c:345)", this_cpu.id), "%s", text);
		CHECK(has_line(text, "cpu%u holds ? since ? (?:%u)", this_cpu.id, line), "%s", text);
		CHECK(has_line(text, "no cycle: ? has returned and left ? locked"), "%s", text);
		held_by_one_of(3);
		text = explained_at(&first_test_lock, places[i], (uint64_t)frames);
		CHECK(has_line(text, "cpu%u waits for first_test_lock in ? (?:%u)", this_cpu.id, line), "%s", text);
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(locks); i++) {
		text = explained(locks[i], frames);
		CHECK(has_line(text, "cpu%u waits for %p, which is no lock", this_cpu.id, (void *)locks[i]), "%s", text);
		CHECK(!strstr(text, "cycle"), "a cycle without a lock: %s", text);
	}
}

/* All locks are held: what takes one waits for ever. */
KTEST(lockup, takes_no_lock_and_no_memory)
{
	uint64_t frames[2 * MAX_CALLS];
	struct heap_stats before, after;
	struct frame_stats frames_before, frames_after;
	const char *text;

	heap_stats(&before);
	frame_stats(&frames_before);
	held_by_one_of(3);
	make_frames(frames);
	for (struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++)
		lock->locked = 1;
	text = explained(&first_test_lock, frames);
	for (struct spinlock *lock = spinlocks_start; lock < spinlocks_end; lock++)
		lock->locked = 0;
	CHECK(has_line(text, "cpu%u waits for first_test_lock in waiter (waits.c:345)", this_cpu.id), "%s", text);
	heap_stats(&after);
	frame_stats(&frames_after);
	CHECK(memcmp(&before, &after, sizeof(before)) == 0, "the heap has been used");
	CHECK(memcmp(&frames_before, &frames_after, sizeof(frames_before)) == 0, "frames have been taken");
}

KTEST(lockup, ends_with_the_backtrace)
{
	uint64_t frames[2 * MAX_CALLS];
	const char *text, *backtrace;

	held_by_one_of(4);
	make_frames(frames);
	text = explained(&first_test_lock, frames);
	backtrace = strstr(text, "\nbacktrace, innermost first:\n");
	CHECK(backtrace && strstr(text, "cycle: ") < backtrace, "%s", text);
	for (unsigned i = 0; i < calls.nr_calls; i++)
		CHECK(strstr(backtrace, calls.names[i]), "no call %u in %s", i, backtrace);
}

/* Does the text begin with these lines? Moves it behind them. */
static bool skip(const char **text, const char *lines)
{
	if (!starts_with(*text, lines))
		return false;
	*text += strlen(lines);
	return true;
}

KTEST(lockup, writes_its_lines_in_order)
{
	uint64_t frames[2 * MAX_CALLS];
	uint32_t id = this_cpu.id;
	const char *text;
	unsigned taker;

	this_cpu.id = 5;
	taker = held_by_one_of(MAX_CALLS);
	calls.functions[3] = taker;
	make_frames(frames);
	text = explained(&first_test_lock, frames);
	this_cpu.id = id;
	CHECK(skip(&text, "cpu5 waits for first_test_lock in waiter (waits.c:345)\n"
			  "cpu5 holds first_test_lock since taker (taken.c:12)\n"), "%s", output);
	CHECK(skip(&text, cycle_line(3)) && skip(&text, "\nbacktrace, innermost first:\n"),
	      "%s", output);

	held_by_one_of(MAX_CALLS);
	text = explained(NULL, frames);
	CHECK(skip(&text, "cpu0 waits for no lock\ncpu0 holds first_test_lock since taker (taken.c:12)\n"
			  "backtrace, innermost first:\n"), "%s", output);
}
