/* SPDX-License-Identifier: MIT */
/*
 * ubsan.c: what the compiler's own checks call: undefined behaviour (-fsanitize=)
 * and smashed stacks (-fstack-protector).
 *
 * Each handler's first argument starts with the place in the source, whatever
 * else it holds, so one report serves for all.
 * Source: GCC, libsanitizer/ubsan/ubsan_handlers.h (names and layout of the data).
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere; does not return.
 */
#include <stdint.h>

#include "panic.h"

struct source_location {
	const char *file;
	uint32_t line, column;
};

#define UBSAN_HANDLER(name, meaning)                                                            \
	_Noreturn void __ubsan_handle_##name(const struct source_location *at);                 \
	_Noreturn void __ubsan_handle_##name(const struct source_location *at)                  \
	{                                                                                       \
		panic("undefined behaviour: %s at %s:%u", meaning, at->file, at->line);         \
	}

UBSAN_HANDLER(add_overflow, "a signed addition overflows")
UBSAN_HANDLER(sub_overflow, "a signed subtraction overflows")
UBSAN_HANDLER(mul_overflow, "a signed multiplication overflows")
UBSAN_HANDLER(negate_overflow, "a negation overflows")
UBSAN_HANDLER(divrem_overflow, "a division by zero or overflow")
UBSAN_HANDLER(shift_out_of_bounds, "a shift by a negative or too large amount")
UBSAN_HANDLER(out_of_bounds, "an array index out of bounds")
UBSAN_HANDLER(builtin_unreachable, "a place said to be unreachable was reached")
UBSAN_HANDLER(missing_return, "a function ends without returning its value")
UBSAN_HANDLER(load_invalid_value, "a bool or enum with a value it cannot have")
UBSAN_HANDLER(vla_bound_not_positive, "an array of negative length")

/* Placed by the compiler between locals and return address; checked before a return. */
uintptr_t __stack_chk_guard = 0x5ca1ab1e0d15ea5e;

_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
	panic("stack smashed: a function wrote past the end of a local array");
}
