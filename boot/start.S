/* SPDX-License-Identifier: MIT */
/*
 * start.S: from the boot loader's 32-bit protected mode to kmain() in 64 bits.
 *
 * The boot loader has put the image at KERNEL_PHYSICAL, paging is off, EAX holds
 * its magic number and EBX the physical address of its information structure.
 * Sources: Multiboot2 Specification 2.0, sections 3.1 (header) and 3.3 (state at
 * entry); Intel SDM volume 3A, section 10.8.5 (initializing IA-32e mode).
 */
#include "layout.h"

#define PHYSICAL(symbol)  ((symbol) - KERNEL_BASE)

#define PTE_PRESENT_WRITE 0x3
#define PTE_LARGE         0x80
#define CR0_PE            (1 << 0)
#define CR0_WP            (1 << 16)             /* read-only binds the kernel too */
#define CR0_PG            (1 << 31)
#define CR4_PAE           (1 << 5)
#define MSR_EFER          0xc0000080
#define EFER_LME          (1 << 8)              /* long mode */
#define EFER_NXE          (1 << 11)             /* no-execute pages */
#define CPUID_EXTENDED    0x80000000
#define CPUID_FEATURES    0x80000001
#define CPUID_NX          (1 << 20)             /* in EDX of CPUID_FEATURES */
#define CPUID_LONG_MODE   (1 << 29)
#define COM1              0x3f8
#define SCREEN            0xb8000               /* VGA text memory */
#define WHITE_ON_RED      0x4f

#define MULTIBOOT2_MAGIC  0xe85250d6
#define MULTIBOOT2_I386   0

	.section .multiboot2, "a"
	.balign 8
header:
	.long MULTIBOOT2_MAGIC
	.long MULTIBOOT2_I386                   /* start in 32-bit protected mode */
	.long header_end - header
	.long -(MULTIBOOT2_MAGIC + MULTIBOOT2_I386 + (header_end - header))

	.balign 8                               /* information request: we can't do without */
	.short 1, 0                             /* type 1, not optional */
	.long 8 + 2 * 4
	.long 1                                 /* the command line */
	.long 6                                 /* the memory map */

	.balign 8                               /* modules on page boundaries: the initramfs */
	.short 6, 0
	.long 8

	.balign 8                               /* the end */
	.short 0, 0
	.long 8
header_end:

	.section .boot, "ax"
	.code32
	.globl start
	.type start, @function
start:
	cli
	cld
	movl	%eax, %edi                      /* kmain's first argument: the magic number */
	movl	%ebx, %esi                      /* and its second: the information */
	movl	$PHYSICAL(boot_stack_top), %esp

	movl	$CPUID_EXTENDED, %eax
	cpuid
	cmpl	$CPUID_FEATURES, %eax
	jb	too_old
	movl	$CPUID_FEATURES, %eax
	cpuid
	andl	$(CPUID_NX | CPUID_LONG_MODE), %edx
	cmpl	$(CPUID_NX | CPUID_LONG_MODE), %edx
	jne	too_old

	movl	$PHYSICAL(boot_pml4), %eax
	movl	%eax, %cr3
	movl	$CR4_PAE, %eax                  /* whole: 5-level paging may have been left on */
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	movl	$(EFER_LME | EFER_NXE), %eax
	xorl	%edx, %edx
	wrmsr
	movl	$(CR0_PE | CR0_WP | CR0_PG), %eax
	movl	%eax, %cr0
	lgdt	boot_gdt_pointer
	ljmp	$KERNEL_CS, $start_long_mode

/* Nothing is set up yet, so this writes to the serial port and the screen with what there is. */
too_old:
	movl	$too_old_message, %esi
	movl	$SCREEN, %edi
	movb	$WHITE_ON_RED, %ah
	movw	$COM1, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	stosw
	jmp	1b
2:	hlt
	jmp	2b
	.type too_old_message, @object
too_old_message:
	.asciz	"\r\nOuroboros: this CPU lacks long mode or no-execute pages.\r\n"

	.code64
start_long_mode:
	movw	$KERNEL_DS, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	xorl	%eax, %eax
	movw	%ax, %fs
	movw	%ax, %gs
	movl	%edi, %edi                      /* clear the upper halves */
	movl	%esi, %esi
	movabsq	$start_high, %rax
	jmp	*%rax

	.balign 8
	.type boot_gdt, @object
boot_gdt:
	.quad	0
	.quad	0x00af9a000000ffff              /* KERNEL_CS: 64-bit code, ring 0 */
	.quad	0x00cf92000000ffff              /* KERNEL_DS: data, ring 0 */
	.type boot_gdt_pointer, @object
boot_gdt_pointer:
	.short	. - boot_gdt - 1
	.long	boot_gdt

	.cfi_sections .debug_frame
	.text
	.type start_high, @function
start_high:
	.cfi_startproc
	.cfi_undefined rip                      /* backtraces end here */
	movq	$boot_stack_top, %rsp
	xorl	%ebp, %ebp
	call	kmain
	ud2                                     /* kmain does not return */
	.cfi_endproc
	.size start_high, . - start_high

/*
 * The boot page tables, complete at link time. They map the first 4 GiB in 2 MiB
 * pages, at 0 (where we start) and at DIRECT_MAP_BASE. The first GiB is also mapped
 * at KERNEL_BASE. paging_init() replaces them.
 */
	.data
	.balign 4096
boot_pml4:
	.quad	PHYSICAL(boot_pdpt) + PTE_PRESENT_WRITE         /* 0 */
	.fill	255, 8, 0
	.quad	PHYSICAL(boot_pdpt) + PTE_PRESENT_WRITE         /* DIRECT_MAP_BASE */
	.fill	254, 8, 0
	.quad	PHYSICAL(boot_pdpt_high) + PTE_PRESENT_WRITE    /* KERNEL_BASE */
boot_pdpt:
	.quad	PHYSICAL(boot_pd) + PTE_PRESENT_WRITE
	.quad	PHYSICAL(boot_pd) + 0x1000 + PTE_PRESENT_WRITE
	.quad	PHYSICAL(boot_pd) + 0x2000 + PTE_PRESENT_WRITE
	.quad	PHYSICAL(boot_pd) + 0x3000 + PTE_PRESENT_WRITE
	.fill	508, 8, 0
boot_pdpt_high:
	.fill	510, 8, 0
	.quad	PHYSICAL(boot_pd) + PTE_PRESENT_WRITE
	.quad	0
boot_pd:
	.set	frame, 0
	.rept	BOOT_MAP_BYTES >> 21
	.quad	frame + PTE_LARGE + PTE_PRESENT_WRITE
	.set	frame, frame + 0x200000
	.endr

/* A stack with an unmapped page below it. */
	.macro STACK name
	.globl	\name\()_guard, \name, \name\()_top
\name\()_guard:
	.skip	1 << PAGE_SHIFT
\name:
	.skip	STACK_BYTES
\name\()_top:
	.endm

	.section .stacks, "aw", @nobits
	.balign 4096
	STACK boot_stack
	STACK fault_stack
	STACK nmi_stack
	STACK nmi_stack_2
	STACK nmi_stack_3

	.section .note.GNU-stack, "", @progbits
