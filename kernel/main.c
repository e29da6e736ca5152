/* SPDX-License-Identifier: MIT */
/*
 * main.c: the kernel's table of contents. Read the modules in this order.
 *
 * Every stage runs this same kmain(); what a stage can do is decided by which
 * files stand behind frame.h, heap.h, rescue.h and log.h.
 */
#include "acpi.h"
#include "apic.h"
#include "bootinfo.h"
#include "clock.h"
#include "console.h"
#include "fail.h"
#include "frame.h"
#include "heap.h"
#include "initramfs.h"
#include "ktest.h"
#include "memmap.h"
#include "monitor.h"
#include "options.h"
#include "paging.h"
#include "trap.h"
#include "watchdog.h"

_Noreturn void kmain(uint32_t magic, paddr_t information);

_Noreturn void kmain(uint32_t magic, paddr_t information)
{
	console_init();                         /* a serial port to speak through */
	console_announce("\nOuroboros, a kernel that eats its own tail\n");
	trap_init();                            /* from here on a fault gets a report */
	clock_init();                           /* time, for the watchdog and the log */
	watchdog_init();                        /* from here on a hang gets one, too */
	bootinfo_init(magic, information);      /* what the boot loader tells us */
	options_init();                         /* what the user wants */
	memmap_init();                          /* who owns which memory */
	acpi_init();                            /* what the firmware says of interrupts */
	paging_init();                          /* the final address space */
	apic_init();                            /* the CPU's own interrupt controller, if any */
	frame_init();                           /* lab 1: physical memory */
	heap_init();                            /* lab 2: memory by the byte */
	fail_init();                            /* whose allocations fail, if asked to */
	initramfs_init();                       /* unpack the first files: labs 3 and 4 */
	console_enable_input();
	ktest_run();                            /* if asked to; then it powers off */
	monitor_run();                          /* talk to whoever is at the console */
}
