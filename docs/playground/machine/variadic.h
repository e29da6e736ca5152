/* SPDX-License-Identifier: MIT */
/*
 * variadic.h: an argument of a function like printf takes eight bytes, whatever its type.
 *
 * format.c relies on that, as the System V AMD64 ABI has it (3.5.7). WebAssembly passes an int
 * in four. So callers widen each argument, and va_arg() always takes eight bytes. A file that
 * defines such functions is compiled with DEFINES_VARIADIC.
 */
#ifndef VARIADIC_H
#define VARIADIC_H

#undef va_arg
#define va_arg(list, type) ((type)__builtin_va_arg(list, unsigned long))

#ifndef DEFINES_VARIADIC
#define WIDE(value) \
	_Generic((value) + 0, int: (long)(value), unsigned: (unsigned long)(value), default: (value))

/* A text, and up to seven arguments. */
#define WIDE_0(text)         text
#define WIDE_1(text, a)      text, WIDE(a)
#define WIDE_2(text, a, ...) text, WIDE(a), LAST_1(__VA_ARGS__)
#define WIDE_3(text, a, ...) text, WIDE(a), LAST_2(__VA_ARGS__)
#define WIDE_4(text, a, ...) text, WIDE(a), LAST_3(__VA_ARGS__)
#define WIDE_5(text, a, ...) text, WIDE(a), LAST_4(__VA_ARGS__)
#define WIDE_6(text, a, ...) text, WIDE(a), LAST_5(__VA_ARGS__)
#define WIDE_7(text, a, ...) text, WIDE(a), LAST_6(__VA_ARGS__)
#define LAST_1(a)            WIDE(a)
#define LAST_2(a, ...)       WIDE(a), LAST_1(__VA_ARGS__)
#define LAST_3(a, ...)       WIDE(a), LAST_2(__VA_ARGS__)
#define LAST_4(a, ...)       WIDE(a), LAST_3(__VA_ARGS__)
#define LAST_5(a, ...)       WIDE(a), LAST_4(__VA_ARGS__)
#define LAST_6(a, ...)       WIDE(a), LAST_5(__VA_ARGS__)
#define CHOSEN(text, a, b, c, d, e, f, g, chosen, ...) chosen
#define WIDE_ALL(...) CHOSEN(__VA_ARGS__, WIDE_7, WIDE_6, WIDE_5, WIDE_4, WIDE_3, WIDE_2, WIDE_1, WIDE_0, \
			     0)(__VA_ARGS__)

#define panic(...)                       (panic)(WIDE_ALL(__VA_ARGS__))
#define log_error(...)                   (log_error)(WIDE_ALL(__VA_ARGS__))
#define log_warn(...)                    (log_warn)(WIDE_ALL(__VA_ARGS__))
#define log_info(...)                    (log_info)(WIDE_ALL(__VA_ARGS__))
#define log_debug(...)                   (log_debug)(WIDE_ALL(__VA_ARGS__))
#define format_string(text, bytes, ...)  (format_string)(text, bytes, WIDE_ALL(__VA_ARGS__))
#define console_printf(...)              (console_printf)(WIDE_ALL(__VA_ARGS__))
#define say(...)                         (say)(WIDE_ALL(__VA_ARGS__))
#endif

#endif
