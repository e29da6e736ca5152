/* SPDX-License-Identifier: MIT */
/* machine.h: a process that passes for a machine with RAM and a serial port. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>

/* Maps RAM of so many bytes from physical address 1 MiB on. All of it is free. */
void machine_init(size_t ram_bytes);

/* Where that RAM is mapped. */
void *machine_ram(void);

/* Bytes that memmap_alloc() has handed out. */
size_t machine_tables_bytes(void);

/* To and from the serial port, so far. */
extern unsigned long nr_port_writes, nr_port_reads;

#endif
