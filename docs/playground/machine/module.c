/* SPDX-License-Identifier: MIT */
/*
 * module.c: what the machine exports as a WebAssembly module.
 *
 * Imported from "env" is what nobody defines here: machine.h's outside_…(), and
 * __cyg_profile_func_enter() and __cyg_profile_func_exit(), which clang's -finstrument-functions
 * calls at each step.
 */
#include "machine.h"

#define EXPORTED(name) __attribute__((export_name(#name), no_instrument_function))

/* Where the page writes the words of an operation. */
#define WORDS_BYTES 64
static char words[WORDS_BYTES];

/* The linker's: where the module's own memory ends. */
extern char __heap_base[];

EXPORTED(words) char *module_words(void)
{
	return words;
}

EXPORTED(archive) void *module_archive(void)
{
	return phys_to_virt(MACHINE_RAM_END);
}

EXPORTED(start) void module_start(size_t archive_bytes, unsigned level)
{
	if ((paddr_t)__heap_base > MACHINE_RAM_BASE)
		__builtin_trap();
	machine_start(archive_bytes, level);
}

EXPORTED(operate) const char *module_operate(void)
{
	return machine_do(words);
}

EXPORTED(state) const char *module_state(void)
{
	return machine_state();
}
