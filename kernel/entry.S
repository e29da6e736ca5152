/* SPDX-License-Identifier: MIT */
/*
 * entry.S: where the CPU enters on an exception or interrupt.
 *
 * One stub a vector pushes what the CPU did not (an error code of 0, the vector),
 * then trap_common saves the registers as a struct trap_frame (trap.h). The CFI
 * directives let GDB unwind through the frame to what was interrupted.
 * Source: Intel SDM volume 3A, figure 6-9 "IA-32e mode stack usage".
 */
#define NR_VECTORS      48      /* 32 exceptions, 16 legacy IRQs */
#define IRET_BYTES      40      /* RIP, CS, RFLAGS, RSP, SS */

/* Exceptions for which the CPU pushes an error code: 8, 10-14, 17, 21, 29, 30. */
#define HAVE_ERROR_CODE 0x60227d00

	.cfi_sections .debug_frame
	.text

/* The state when `pushed` bytes lie below what the CPU pushed for IRET. */
	.macro INTERRUPTED pushed
	.cfi_signal_frame
	.cfi_def_cfa rsp, IRET_BYTES + \pushed
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	.endm

	.globl trap_vectors             /* stub n lies at trap_vectors + 16 n */
	.type trap_vectors, @function
trap_vectors:
	.set	number, 0
	.rept	NR_VECTORS
	.balign 16
	.cfi_startproc
	.if	(HAVE_ERROR_CODE >> number) & 1
	INTERRUPTED 8
	.else
	INTERRUPTED 0
	pushq	$0
	.cfi_adjust_cfa_offset 8
	.endif
	pushq	$number
	.cfi_adjust_cfa_offset 8
	jmp	trap_common
	.cfi_endproc
	.set	number, number + 1
	.endr
	.size trap_vectors, . - trap_vectors

	.macro SAVE register
	pushq	%\register
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \register, 0
	.endm

	.macro RESTORE register
	popq	%\register
	.cfi_adjust_cfa_offset -8
	.cfi_restore \register
	.endm

	.type trap_common, @function
trap_common:
	.cfi_startproc
	INTERRUPTED 16
	.irp	register, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	SAVE	\register
	.endr
	cld
	movq	%rsp, %rdi
	call	trap_dispatch
	.globl	trap_return
trap_return:
	.irp	register, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
	RESTORE	\register
	.endr
	addq	$16, %rsp               /* vector and error code */
	.cfi_adjust_cfa_offset -16
	iretq
	.cfi_endproc
	.size trap_common, . - trap_common

	.section .note.GNU-stack, "", @progbits
