/* SPDX-License-Identifier: MIT */
/*
 * cpu.h: instructions that C has no words for, and what the kernel knows of its CPU.
 *
 * Source: Intel SDM volume 2 "Instruction set reference".
 */
#ifndef CPU_H
#define CPU_H

#include <stdbool.h>
#include <stdint.h>

struct spinlock;
struct place;

/* There is one CPU. What it is doing is kept here for the lockup report and for GDB. */
struct cpu {
	uint32_t id;                                    /* 0 */
	struct spinlock *volatile waits_for;            /* the lock it spins on, or NULL */
	const struct place *volatile waits_at;          /* where it asked for that lock */
};

extern struct cpu this_cpu;

#define RFLAGS_IF (1ull << 9)
#define RFLAGS_RF (1ull << 16)         /* no breakpoint at the next instruction */

/*
 * "memory" in an instruction below: the compiler moves no read or write of memory past it. A
 * device may look at what was written before a port is, and interrupts at what is written while
 * they are masked.
 */

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* Writes nr_bytes to one port, one after the other (REP OUTSB). */
static inline void outsb(uint16_t port, const void *bytes, uint64_t nr_bytes)
{
	__asm__ volatile("rep outsb" : "+S"(bytes), "+c"(nr_bytes) : "d"(port) : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t read_cr2(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr2, %0" : "=r"(value));
	return value;
}

static inline uint64_t read_cr3(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr3, %0" : "=r"(value));
	return value;
}

static inline void write_cr3(uint64_t value)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}

/* Debug registers: where the CPU raises a debug exception, which one it was, and which count. */
static inline void write_dr(unsigned number, uint64_t address)
{
	switch (number) {
	case 0:
		__asm__ volatile("movq %0, %%dr0" : : "r"(address));
		break;
	case 1:
		__asm__ volatile("movq %0, %%dr1" : : "r"(address));
		break;
	case 2:
		__asm__ volatile("movq %0, %%dr2" : : "r"(address));
		break;
	case 3:
		__asm__ volatile("movq %0, %%dr3" : : "r"(address));
		break;
	}
}

static inline uint64_t read_dr6(void)
{
	uint64_t value;

	__asm__ volatile("movq %%dr6, %0" : "=r"(value));
	return value;
}

static inline void write_dr6(uint64_t value)
{
	__asm__ volatile("movq %0, %%dr6" : : "r"(value));
}

static inline void write_dr7(uint64_t value)
{
	__asm__ volatile("movq %0, %%dr7" : : "r"(value) : "memory");
}

static inline uint64_t read_rflags(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return flags;
}

static inline void irq_mask(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void irq_unmask(void)
{
	__asm__ volatile("sti" : : : "memory");
}

/* Masks interrupts. Return: RFLAGS as they were, for irq_restore(). */
static inline uint64_t irq_save(void)
{
	uint64_t flags = read_rflags();

	irq_mask();
	return flags;
}

static inline void irq_restore(uint64_t flags)
{
	if (flags & RFLAGS_IF)
		irq_unmask();
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* Stops for good with interrupts masked; a debugger finds the machine as it was. */
static inline _Noreturn void cpu_stop(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

static inline uint64_t read_msr(uint32_t number)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
	return (uint64_t)high << 32 | low;
}

#define CPUID_FEATURES    1
#define CPUID_HYPERVISOR  (1u << 31)    /* in ECX of CPUID_FEATURES */
#define CPUID_APIC        (1u << 9)     /* in EDX */

static inline void cpu_features(uint32_t *ecx, uint32_t *edx)
{
	uint32_t eax = CPUID_FEATURES, ebx;

	*ecx = 0;
	__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(*ecx), "=d"(*edx));
}

/* Is this a virtual machine, by the word of its hypervisor? */
static inline bool cpu_is_virtual(void)
{
	uint32_t ecx, edx;

	cpu_features(&ecx, &edx);
	return ecx & CPUID_HYPERVISOR;
}

/* Has it a local APIC, and the register that says where? */
static inline bool cpu_has_apic(void)
{
	uint32_t ecx, edx;

	cpu_features(&ecx, &edx);
	return edx & CPUID_APIC;
}

#endif
