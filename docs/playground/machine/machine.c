/* SPDX-License-Identifier: MIT */
/* machine.c: what the labs' files need of the rest of the kernel, as far as a module can be that. */
#include "machine.h"

#include "bootinfo.h"
#include "clock.h"
#include "console.h"
#include "format.h"
#include "frame.h"
#include "heap.h"
#include "initramfs.h"
#include "ktest.h"
#include "log.h"
#include "memmap.h"
#include "options.h"
#include "panic.h"
#include "watchdog.h"

#define TABLES_BYTES KIB(256)

struct bootinfo bootinfo;
struct options options = { .initramfs = true };
bool (*ktest_rescue)(size_t bytes);

static const struct memmap_range ram = {
	.base = MACHINE_RAM_BASE, .end = MACHINE_RAM_END, .owner = MEM_FREE,
};

/* For memmap_alloc(). A module begins with zeros, and is never started twice. */
static char tables[TABLES_BYTES] __attribute__((aligned(PAGE_BYTES)));
static size_t tables_used_bytes;

const struct memmap_range *memmap_ranges(size_t *nr_ranges)
{
	*nr_ranges = 1;
	return &ram;
}

paddr_t memmap_top(void)
{
	return ram.end;
}

void *memmap_alloc(size_t bytes)
{
	void *result = tables + tables_used_bytes;

	tables_used_bytes += ROUND_UP(bytes, PAGE_BYTES);
	if (tables_used_bytes > TABLES_BYTES)
		panic("memmap_alloc: more than %lu bytes of tables", TABLES_BYTES);
	return result;
}

/* Every record has the same time: a state follows from the operations alone. */
uint64_t clock_ms(void)
{
	return 0;
}

void console_write(const char *text, size_t nr_bytes)
{
	outside_write(text, nr_bytes);
}

_Noreturn void (panic)(const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	console_write("PANIC: ", 7);
	vformat(&console_sink, message, arguments);
	console_write("\n", 1);
	va_end(arguments);
	outside_panicked();
}

_Noreturn void todo(const char *exercise, const char *function)
{
	panic("NOT IMPLEMENTED: TODO %s in %s", exercise, function);
}

void machine_waits(void)
{
	outside_waits();
}

void watchdog_pet(void) { }
void watchdog_progress(void) { }

void machine_start(size_t archive_bytes, unsigned level)
{
	bootinfo.nr_modules = 1;
	bootinfo.modules[0].start = MACHINE_RAM_END;
	bootinfo.modules[0].end = MACHINE_RAM_END + archive_bytes;
	log_level = level;
	frame_init();
	heap_init();
}

#ifdef __wasm__
/* The product of two numbers of 128 bits, which clang calls for where a product may overflow. */
unsigned __int128 __multi3(unsigned __int128 a, unsigned __int128 b);

unsigned __int128 __multi3(unsigned __int128 a, unsigned __int128 b)
{
	uint64_t a_low = (uint32_t)a, a_high = (uint64_t)a >> 32, b_low = (uint32_t)b, b_high = (uint64_t)b >> 32;
	uint64_t low = a_low * b_low, middle = a_high * b_low + (low >> 32), other = a_low * b_high + (uint32_t)middle;
	uint64_t high = a_high * b_high + (middle >> 32) + (other >> 32);

	high += (uint64_t)(a >> 64) * (uint64_t)b + (uint64_t)a * (uint64_t)(b >> 64);
	return (unsigned __int128)high << 64 | (other << 32 | (uint32_t)low);
}
#endif
