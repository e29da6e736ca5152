# SPDX-License-Identifier: MIT
"""Pretty-printers for the kernel's structures. `print/r` shows one as it is.

Each says in one line what a structure means; where its fields matter as well, they follow.
"""
from __future__ import annotations

import stat
from collections.abc import Callable, Iterator

import gdb
import gdb.printing

from debugger.inside import kernel
from debugger.inside.bootinfo import MEMORY_TYPES, owner_name
from debugger.inside.reader import Memory, Note, c_text, enumerators
from debugger.inside.text import plural, printable, span

MAX_RECORD_BYTES = 1024     # of a log record, shown


def spinlock(memory: Memory, value: gdb.Value) -> str:
    lock = kernel.lock(memory, value)
    if lock.taken_at is None:
        return f"{lock.name}: {'held' if lock.locked else 'free'}, never taken"
    if lock.locked:
        return f"{lock.name}: held by cpu{lock.owner} since {lock.taken_at}"
    return f"{lock.name}: free, last taken in {lock.taken_at}"


def place(memory: Memory, value: gdb.Value) -> str:
    return (f"{kernel.name(memory, value['function'])} "
            f"({kernel.name(memory, value['file'])}:{int(value['line'])})")


def cpu(memory: Memory, value: gdb.Value) -> str:
    state = kernel.cpu(memory, value)
    if state.waits_for is None:
        return f"cpu{state.id}, waits for no lock"
    return f"cpu{state.id}, waits for {state.waits_for.name} in {state.waits_at or '?'}"


def dentry(memory: Memory, value: gdb.Value) -> str:
    if int(value["name"]) == 0:
        return "empty slot"
    return (f"{memory.text(int(value['name']))}: {stat.filemode(int(value['mode']))}, "
            f"{int(value['nr_bytes'])} bytes")


def directory(memory: Memory, value: gdb.Value) -> str:
    return f"{int(value['nr_entries'])} entries in {int(value['nr_slots'])} slots"


def size_class(memory: Memory, value: gdb.Value) -> str:
    slot_bytes = int(value["slot_bytes"])
    what = f"slots of {slot_bytes} bytes, " if slot_bytes else "large objects, "
    return f"{what}{int(value['nr_slots'])} a slab"


def slab(memory: Memory, value: gdb.Value) -> str:
    nr_slots = int(value["nr_slots"])
    return (f"slab: {nr_slots - int(value['nr_free'])} of {plural(nr_slots, 'slot')} of "
            f"{int(value['slot_bytes'])} bytes live, {plural(int(value['nr_pages']), 'page')}")


def free_run(memory: Memory, value: gdb.Value) -> str:
    return f"free run: {plural(int(value['nr_pages']), 'page')}"


def record(memory: Memory, value: gdb.Value) -> str:
    if value.address is None:
        return f"log record: {int(value['nr_bytes'])} bytes"
    text = memory.read(int(value.address) + value.type.sizeof,
                       min(int(value["nr_bytes"]), MAX_RECORD_BYTES))
    return f"log record: {printable(text.rstrip(chr(10).encode()))}"


def memmap_range(memory: Memory, value: gdb.Value) -> str:
    return f"{span(int(value['base']), int(value['end']))}  {owner_name(value['owner'])}"


def bootinfo_range(memory: Memory, value: gdb.Value) -> str:
    base, kind = int(value["base"]), int(value["type"])
    if int(value["bytes"]) == 0:
        return "unused"
    return f"{span(base, base + int(value['bytes']))}  {MEMORY_TYPES.get(kind, f'type {kind}')}"


def bootinfo_module(memory: Memory, value: gdb.Value) -> str:
    start, end = int(value["start"]), int(value["end"])
    return f"{span(start, end)}  {c_text(value['name'])}" if end else "unused"


def trap_frame(memory: Memory, value: gdb.Value) -> str:
    place = value["rip"].cast(gdb.lookup_type("void").pointer())
    return f"vector {int(value['vector'])}, error {int(value['error']):#x}, at {place}"


def panic_record(memory: Memory, value: gdb.Value) -> str:
    kinds = enumerators(gdb.lookup_type("enum panic_kind"))
    kind = int(value["kind"])
    return f"{kinds.get(kind, f'kind {kind:#x}')}: {c_text(value['message']) or 'nothing yet'}"


# What a structure's printer is, and whether its fields follow.
PRINTERS: dict[str, tuple[Callable[[Memory, gdb.Value], str], bool]] = {
    "spinlock": (spinlock, False), "place": (place, False), "cpu": (cpu, False),
    "dentry": (dentry, True), "directory": (directory, True),
    "size_class": (size_class, True), "slab": (slab, True), "free_run": (free_run, True),
    "record": (record, False), "memmap_range": (memmap_range, False),
    "bootinfo_range": (bootinfo_range, False), "bootinfo_module": (bootinfo_module, False),
    "panic_record": (panic_record, False), "trap_frame": (trap_frame, True),
}


class Printer:
    """What GDB asks: the line, which never fails, and the fields if they matter."""

    def __init__(self, describe: Callable[[Memory, gdb.Value], str], value: gdb.Value) -> None:
        self._describe, self._value = describe, value

    def to_string(self) -> str:
        try:
            return self._describe(Memory(), self._value)
        except (Note, gdb.error) as error:
            return f"({str(error).rstrip('.')})"


class PrinterWithFields(Printer):
    def children(self) -> Iterator[tuple[str, gdb.Value]]:
        return ((field.name, self._value[field]) for field in self._value.type.fields())


def _printer(describe: Callable[[Memory, gdb.Value], str],
             has_fields: bool) -> Callable[[gdb.Value], Printer]:
    return lambda value: (PrinterWithFields if has_fields else Printer)(describe, value)


def register() -> None:
    """For the kernel that GDB has now, and for no other file."""
    collection = gdb.printing.RegexpCollectionPrettyPrinter("ouroboros")
    for name, (describe, has_fields) in PRINTERS.items():
        collection.add_printer(name, f"^{name}$", _printer(describe, has_fields))
    for objfile in gdb.objfiles():
        if objfile.lookup_global_symbol("kmain"):
            gdb.printing.register_pretty_printer(objfile, collection, replace=True)
