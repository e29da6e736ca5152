/* SPDX-License-Identifier: MIT */
/*
 * shim.h: comes before the kernel's headers when its files are built to be fuzzed.
 *
 * The direct map and the kernel's image lie where a process can have them. Everything
 * else in the kernel's files is as it is in the kernel.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdint.h>

#include "layout.h"

#undef DIRECT_MAP_BASE
#define DIRECT_MAP_BASE 0x200000000000  /* free also under AddressSanitizer */

extern const char image_start[];
#undef KERNEL_BASE                      /* image_start is loaded at KERNEL_PHYSICAL */
#define KERNEL_BASE ((uint64_t)image_start - KERNEL_PHYSICAL)

#endif
