/* SPDX-License-Identifier: MIT */
/*
 * ubsan.c: what the compiler's own checks call: undefined behaviour (-fsanitize=)
 * and smashed stacks (-fstack-protector).
 *
 * A check that fails raises an exception, and whoever handles exceptions reports it. It
 * does not call panic(): checks stand in the functions that panic() calls, too, and one
 * that failed there would report itself without end. So the calls that lead away from
 * panic() do not lead back to it, and what stack they need has a bound.
 *
 * Each handler's first argument starts with the place in the source, whatever
 * else it holds, so one report serves for all.
 * Source: GCC, libsanitizer/ubsan/ubsan_handlers.h (names and layout of the data).
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere (once trap_init() has run; it
 * does not return).
 */
#include "ubsan.h"

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "panic.h"
#include "trap.h"

struct source_location {
	const char *file;
	uint32_t line, column;
};

typedef void handler(const struct source_location *at);

_Noreturn handler __ubsan_handle_add_overflow, __ubsan_handle_sub_overflow,
	__ubsan_handle_mul_overflow, __ubsan_handle_negate_overflow, __ubsan_handle_divrem_overflow,
	__ubsan_handle_shift_out_of_bounds, __ubsan_handle_out_of_bounds,
	__ubsan_handle_builtin_unreachable, __ubsan_handle_missing_return,
	__ubsan_handle_load_invalid_value;

/* The instruction that fail_check() ends in. */
extern const char failed_check[];

/* The exception's handler finds the words in RDI and the place, if it is known, in RSI. */
static _Noreturn __attribute__((noipa)) void fail_check(const char *words,
							const struct source_location *at)
{
	__asm__ volatile("failed_check: ud2" : : "D"(words), "S"(at));
	cpu_stop();
}

void ubsan_report(const struct trap_frame *trap)
{
	const char *words = (const char *)trap->rdi;
	const struct source_location *at = (const struct source_location *)trap->rsi;

	if (trap->rip != (uint64_t)failed_check)
		return;
	if (at == NULL)
		panic_stop(PANIC_BUG, trap, "%s", words);
	panic_stop(PANIC_BUG, trap, "undefined behaviour: %s at %s:%u", words, at->file, at->line);
}

_Noreturn void __ubsan_handle_add_overflow(const struct source_location *at)
{
	fail_check("a signed addition overflows", at);
}

_Noreturn void __ubsan_handle_sub_overflow(const struct source_location *at)
{
	fail_check("a signed subtraction overflows", at);
}

_Noreturn void __ubsan_handle_mul_overflow(const struct source_location *at)
{
	fail_check("a signed multiplication overflows", at);
}

_Noreturn void __ubsan_handle_negate_overflow(const struct source_location *at)
{
	fail_check("a negation overflows", at);
}

_Noreturn void __ubsan_handle_divrem_overflow(const struct source_location *at)
{
	fail_check("a division by zero or overflow", at);
}

_Noreturn void __ubsan_handle_shift_out_of_bounds(const struct source_location *at)
{
	fail_check("a shift by a negative or too large amount", at);
}

_Noreturn void __ubsan_handle_out_of_bounds(const struct source_location *at)
{
	fail_check("an array index out of bounds", at);
}

_Noreturn void __ubsan_handle_builtin_unreachable(const struct source_location *at)
{
	fail_check("a place said to be unreachable was reached", at);
}

_Noreturn void __ubsan_handle_missing_return(const struct source_location *at)
{
	fail_check("a function ends without returning its value", at);
}

_Noreturn void __ubsan_handle_load_invalid_value(const struct source_location *at)
{
	fail_check("a bool or enum with a value it cannot have", at);
}

/* Placed by the compiler between locals and return address; checked before a return. */
uintptr_t __stack_chk_guard = 0x5ca1ab1e0d15ea5e;

_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
	fail_check("stack smashed: a function wrote past the end of a local array", NULL);
}
