/* SPDX-License-Identifier: MIT */
/* kernel_test.c: the address space, locks, traps and symbols. */
#include <stdint.h>

#include "backtrace.h"
#include "clock.h"
#include "console.h"
#include "cpu.h"
#include "image.h"
#include "ktest.h"
#include "memmap.h"
#include "memory.h"
#include "paging.h"
#include "panic.h"
#include "string.h"
#include "trap.h"

static DEFINE_SPINLOCK(test_lock);

static void check_page(const void *pointer, bool writable, bool executable)
{
	bool is_writable, is_executable;

	CHECK(paging_lookup((vaddr_t)pointer, &is_writable, &is_executable), "%p is not mapped", pointer);
	CHECK(is_writable == writable, "%p: writable is %d", pointer, is_writable);
	CHECK(is_executable == executable, "%p: executable is %d", pointer, is_executable);
}

static void check_absent(const void *pointer)
{
	bool writable, executable;

	CHECK(!paging_lookup((vaddr_t)pointer, &writable, &executable), "%p is mapped", pointer);
}

KTEST(paging, the_image_is_mapped_by_section)
{
	for (const char *page = text_start; page < text_end; page += PAGE_BYTES)
		check_page(page, false, true);
	for (const char *page = rodata_start; page < rodata_end; page += PAGE_BYTES)
		check_page(page, false, false);
	for (const char *page = data_start; page < bss_end; page += PAGE_BYTES)
		check_page(page, true, false);
}

KTEST(paging, page_zero_and_guard_pages_are_absent)
{
	check_absent(NULL);
	check_absent(boot_stack_guard);
	check_absent(fault_stack_guard);
	check_absent(nmi_stack_guard);
	check_absent(nmi_stack_2_guard);
	check_absent(nmi_stack_3_guard);
	check_page(boot_stack, true, false);
}

KTEST(paging, the_direct_map_is_data_and_leaves_out_the_image)
{
	size_t nr_ranges;
	const struct memmap_range *range = memmap_ranges(&nr_ranges);

	for (; nr_ranges-- > 0; range++) {
		if (range->owner == MEM_KERNEL || range->owner == MEM_FIRMWARE) {
			check_absent(phys_to_virt(range->base));
		} else if (range->owner != MEM_HIDDEN) {
			check_page(phys_to_virt(range->base), true, false);
			check_page(phys_to_virt(range->end - 1), true, false);
		}
	}
}

KTEST(memmap, ranges_are_sorted_and_disjoint)
{
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	for (size_t i = 0; i < nr_ranges; i++) {
		CHECK(ranges[i].base < ranges[i].end, "range %zu is empty", i);
		CHECK(ranges[i].base % PAGE_BYTES == 0, "range %zu is unaligned", i);
		CHECK(i == 0 || ranges[i - 1].end <= ranges[i].base, "range %zu overlaps", i);
	}
}

KTEST(memmap, the_image_and_the_first_mib_have_owners)
{
	CHECK(memmap_find(KERNEL_PHYSICAL)->owner == MEM_KERNEL, "the image is not the kernel's");
	CHECK(memmap_find(image_to_phys(image_end) - 1)->owner == MEM_KERNEL, "its end is not");
	CHECK(memmap_find(0)->owner == MEM_LOW, "frame 0 is not low memory");
}

KTEST(spinlock, knows_who_took_it_and_where)
{
	CHECK(!spin_is_held(&test_lock), "held before it was taken");
	spin_lock(&test_lock);
	CHECK(spin_is_held(&test_lock) && test_lock.owner == 0, "owner %u", test_lock.owner);
	CHECK(strcmp(test_lock.taken_at->file, "kernel_test.c") == 0, "%s", test_lock.taken_at->file);
	CHECK(spinlock_next_held(NULL) == &test_lock, "not among the held locks");
	spin_unlock(&test_lock);
	CHECK(spinlock_next_held(NULL) == NULL, "still among the held locks");
}

KTEST(spinlock, masks_interrupts_while_held)
{
	uint64_t flags;

	spin_lock(&test_lock);
	flags = read_rflags();
	CHECK((flags & RFLAGS_IF) == 0, "RFLAGS %#lx", flags);
	spin_unlock(&test_lock);
	flags = read_rflags();
	CHECK((flags & RFLAGS_IF) != 0, "RFLAGS %#lx afterwards", flags);
}

KTEST(spinlock, unlocking_what_is_not_held_panics)
{
	EXPECT_PANIC("does not hold test_lock", spin_unlock(&test_lock));
}

KTEST(panic, undefined_behaviour_is_reported_with_its_place)
{
	volatile int shift = 40, result;
	volatile int values[4] = { 0 };

	EXPECT_PANIC("undefined behaviour: a shift", result = 1 << shift);
	EXPECT_PANIC("kernel_test.c", result = values[shift]);
	(void)result;
}

/* Writes nr_bytes to an array of 16; the compiler must not see where, nor leave it out. */
static __attribute__((noinline)) void write_to_array(size_t nr_bytes)
{
	char array[16];
	volatile char *volatile byte = array;

	for (size_t i = 0; i < nr_bytes; i++)
		byte[i] = 'x';
}

KTEST(panic, a_smashed_stack_is_noticed)
{
	write_to_array(16);
	EXPECT_PANIC("stack smashed", write_to_array(24));
}

KTEST(backtrace, symbols_name_functions_and_nothing_else)
{
	uint64_t offset = 1;

	CHECK(strcmp(symbol_find((uint64_t)console_printf, &offset), "console_printf") == 0, "not found");
	CHECK(offset == 0, "offset %lu", offset);
	CHECK(symbol_find((uint64_t)console_printf + 5, &offset) != NULL && offset == 5,
	      "offset %lu", offset);
	CHECK(symbol_find((uint64_t)data_start, &offset) == NULL, "data has a function's name");
	CHECK(symbol_find(0, &offset) == NULL, "address 0 has a function's name");
}

/* A function of which each instruction is known: push, mov, pop, ret. */
extern const char framed[];
__asm__(".type framed, @function\n"
	"framed:\n\tpushq %rbp\n\tmovq %rsp, %rbp\n\tpopq %rbp\n\tret\n"
	".size framed, . - framed");

enum { AT_PUSH = 0, AT_MOV = 1, AT_POP = 4, AT_RET = 5 };       /* offsets in it */

/* The backtrace has these names, in this order. */
static void check_names(struct backtrace start, const char *const *names, size_t nr_names)
{
	static char text[512];
	struct buffer_sink printed;
	const char *found = text;

	buffer_sink_init(&printed, text, sizeof(text) - 1);
	console_copy_to(&printed);
	backtrace_print(start);
	console_copy_to(NULL);
	text[printed.nr_bytes] = '\0';
	for (size_t i = 0; i < nr_names; i++) {
		found = strstr(found, names[i]);
		CHECK(found != NULL, "%s is missing, or not in its place", names[i]);
	}
}

/* The stack of framed(), called from console_printf(), called from console_vprintf(). */
KTEST(backtrace, finds_the_caller_at_each_instruction)
{
	static const char *const names[] = { "framed+", "console_printf+", "console_vprintf+" };
	uint64_t stack[] = { 0, (uint64_t)console_printf + 9, 0, 0, (uint64_t)console_vprintf + 9 };
	uint64_t own = (uint64_t)&stack[0], callers = (uint64_t)&stack[3];
	const struct backtrace walks[] = {
		{ (uint64_t)framed + AT_PUSH, .rbp = callers, .rsp = own + 8 },
		{ (uint64_t)framed + AT_MOV, .rbp = callers, .rsp = own },
		{ (uint64_t)framed + AT_POP, .rbp = own, .rsp = own },
		{ (uint64_t)framed + AT_RET, .rbp = callers, .rsp = own + 8 },
	};

	stack[0] = callers;
	for (size_t i = 0; i < ARRAY_LENGTH(walks); i++)
		check_names(walks[i], names, ARRAY_LENGTH(names));
}

KTEST(backtrace, leads_through_a_handler_to_what_it_interrupted)
{
	static const char *const names[] = { "trap_dispatch+", "framed+", "console_printf+" };
	struct {
		uint64_t rbp, return_address;
		struct trap_frame trap;
		uint64_t stack[2];
	} dispatch = {
		.return_address = (uint64_t)trap_return,
		.trap = { .rip = (uint64_t)framed + AT_PUSH, .rsp = (uint64_t)dispatch.stack },
		.stack = { (uint64_t)console_printf + 9 },
	};

	check_names((struct backtrace){ (uint64_t)trap_dispatch + 9, (uint64_t)&dispatch, 0 },
		    names, ARRAY_LENGTH(names));
}

KTEST(clock, does_not_go_back)
{
	uint64_t before = clock_ms();

	CHECK(clock_ms() >= before, "%lu ms, then less", before);
}

static __attribute__((noinline)) uint64_t cost_of_nothing(void)
{
	uint64_t begin = clock_instructions();

	return clock_instructions() - begin;
}

KTEST(clock, instruction_counts_repeat_exactly)
{
	uint64_t first = cost_of_nothing(), second = cost_of_nothing();

	if (clock_instructions() == 0)
		SKIP("this machine does not count instructions");
	CHECK(first == second && first > 0 && first < 100, "%lu and %lu instructions", first, second);
}
