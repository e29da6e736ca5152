/* SPDX-License-Identifier: MIT */
/*
 * memory.c: the kernel's string.c without its instructions of x86.
 *
 * memcpy() and memmove() do without: what REP would have copied, the loop behind it copies.
 * Only memset() is another one.
 */
#define __asm__
#define volatile(...) ((void)0)
#define memset memset_of_x86
#include "kernel/string.c"
#undef memset
#undef volatile
#undef __asm__

void *memset(void *to, int byte, size_t nr_bytes)
{
	for (size_t i = 0; i < nr_bytes; i++)
		((uint8_t *)to)[i] = (uint8_t)byte;
	return to;
}
