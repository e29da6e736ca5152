# SPDX-License-Identifier: MIT
"""The command `bootinfo`: what the boot loader said, and what the kernel made of it."""
from __future__ import annotations

from collections.abc import Iterator

import gdb

from debugger.inside.command import Command
from debugger.inside.reader import BOOTINFO, MEMMAP, Note, c_text, enumerators
from debugger.inside.text import span

MEMORY_TYPES = {1: "available", 2: "reserved", 3: "ACPI, reclaimable", 4: "ACPI, to be kept",
                5: "defective"}         # enum bootinfo_memory, kernel/bootinfo.h


def counted(array: gdb.Value, count: gdb.Value, name: str) -> Iterator[gdb.Value]:
    """The elements of an array that are in use."""
    most = array.type.sizeof // array.type.target().sizeof
    if int(count) > most:
        raise Note(f"{name} is {int(count):#x}, but there is room for {most}")
    return (array[index] for index in range(int(count)))


def owner_name(owner: gdb.Value) -> str:
    """An enum mem_owner as the monitor calls it."""
    name = enumerators(owner.type.strip_typedefs()).get(int(owner))
    return name.removeprefix("MEM_").lower() if name else f"unknown owner {int(owner):#x}"


class Bootinfo(Command):
    """Show what the boot loader said, and who owns which physical memory.

    Usage: bootinfo"""
    name = "bootinfo"

    def lines(self, argument: str) -> Iterator[str]:
        info = BOOTINFO.variable("bootinfo")
        if int(info["nr_ranges"]) == 0:
            raise BOOTINFO.not_ready()
        yield f"command line: {c_text(info['command_line'])}"
        yield f"loader:       {c_text(info['loader_name'])}"
        yield "modules:"
        for module in counted(info["modules"], info["nr_modules"], "bootinfo.nr_modules"):
            yield f"  {span(int(module['start']), int(module['end']))}  {c_text(module['name'])}"
        yield "memory, by the loader's word:"
        for item in counted(info["ranges"], info["nr_ranges"], "bootinfo.nr_ranges"):
            base, kind = int(item["base"]), int(item["type"])
            yield (f"  {span(base, base + int(item['bytes']))}  "
                   f"{MEMORY_TYPES.get(kind, f'reserved (type {kind})')}")
        yield "memory, by its owner now:"
        ranges, nr_ranges = MEMMAP.variable("ranges"), MEMMAP.variable("nr_ranges")
        if int(nr_ranges) == 0:
            raise MEMMAP.not_ready()
        for item in counted(ranges, nr_ranges, "`nr_ranges` of memmap.c"):
            yield f"  {span(int(item['base']), int(item['end']))}  {owner_name(item['owner'])}"
