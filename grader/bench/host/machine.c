/* SPDX-License-Identifier: MIT */
/* machine.c: what the labs' files need of the rest of the kernel, as far as a process can be that. */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "clock.h"
#include "memmap.h"
#include "memory.h"
#include "panic.h"
#include "screen.h"
#include "trap.h"
#include "watchdog.h"

#define TABLES_BYTES MIB(64)

unsigned long nr_port_writes, nr_port_reads;

static struct memmap_range ram = { .base = MIB(1), .owner = MEM_FREE };
static char *tables;
static size_t tables_used_bytes;

void machine_init(size_t ram_bytes)
{
	void *base = mmap(phys_to_virt(0), MIB(1) + ram_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	tables = mmap(NULL, TABLES_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base != phys_to_virt(0) || tables == MAP_FAILED) {
		perror("bench: no memory for the machine's RAM");
		exit(2);
	}
	ram.end = ram.base + ram_bytes;
}

void *machine_ram(void)
{
	return phys_to_virt(ram.base);
}

size_t machine_tables_bytes(void)
{
	return tables_used_bytes;
}

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

_Noreturn void panic(const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	fputs("bench: panic: ", stderr);
	vfprintf(stderr, message, arguments);
	fputc('\n', stderr);
	_Exit(2);
}

_Noreturn void todo(const char *exercise, const char *function)
{
	panic("NOT IMPLEMENTED: TODO %s in %s", exercise, function);
}

uint64_t clock_ms(void)
{
	return 61;
}

void outb(uint16_t port, uint8_t value)
{
	nr_port_writes++;
}

void outsb(uint16_t port, const void *bytes, uint64_t nr_bytes)
{
	nr_port_writes += nr_bytes;
}

uint8_t inb(uint16_t port)
{
	nr_port_reads++;
	return 0x20;            /* the transmitter is empty */
}

void irq_install(unsigned irq, void (*handler)(void)) { }
void watchdog_stop(void) { }
void watchdog_pet(void) { }
void watchdog_progress(void) { }
void screen_init(void) { }
void screen_write(const char *text, size_t nr_bytes) { }
void screen_keep_first(void) { }
