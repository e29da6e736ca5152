# SPDX-License-Identifier: MIT
"""Measures facts, to which answers.toml is compared: in the ELF file, and in a stopped machine.

course/fact_names.py has their names. For each of its patterns there is a function under
@fact(pattern); the pattern's groups become its arguments, and it returns an integer, a string,
or a list of strings.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Awaitable, Callable

from course import fact_names
from judging.findings import Autopsy
from machine.image import Image
from machine.machine import Machine

HEAP_ENTRIES = ("kmalloc", "kzalloc", "krealloc")       # kernel/heap.h

# What kernel/initramfs.c and directory.c know of the entry that is being unpacked. These files
# are given, so the same expressions hold whatever frames and heap are a student's.
ENTRY = "in read_archive: entry.name"
NAME_BYTES = "in read_archive: (long)entry.name_bytes"
OFFSET_BYTES = "in initramfs_init: error.offset_bytes"
NEXT_TABLE_BYTES = "2 * initramfs.nr_slots * sizeof(struct dentry)"

Value = int | str | list[str]
Measure = Callable[..., Awaitable[Value]]


class NoSuchThing(Exception):
    """The fact's subject (a symbol, a register …) does not exist."""


@dataclass(frozen=True)
class Evidence:
    """What facts are measured on."""
    image: Image
    machine: Machine | None = None      # stopped; None for facts that need no boot
    autopsy: Autopsy = Autopsy()


_MEASURES: dict[str, Measure] = {}      # by the pattern of the name


def fact(pattern: str) -> Callable[[Measure], Measure]:
    """Enters a function into the table."""
    def enter(function: Measure) -> Measure:
        _MEASURES[pattern] = function
        return function
    return enter


async def measure(name: str, evidence: Evidence) -> Value | NoSuchThing:
    """Measures a fact; the reason if that cannot be done. Raises fact_names.UnknownFact."""
    found = fact_names.find(name)
    try:
        return await _MEASURES[found.pattern](evidence, *found.groups)
    except NoSuchThing as error:
        return error


def expressions(names: list[str]) -> list[str]:
    """The C expressions that GDB must evaluate for these facts; see autopsy.py."""
    unpacking = [ENTRY, NAME_BYTES, OFFSET_BYTES, NEXT_TABLE_BYTES]
    return [name.removeprefix("kernel.") for name in names if name.startswith("kernel.")] \
        + (unpacking if any(name.startswith("unpacking.") for name in names) else [])


def _known(value: Any, what: str) -> Any:
    """A value that must be there."""
    if value is None:
        raise NoSuchThing(f"the machine has no {what}")
    return value


@fact(r"constant:(.+)")
async def _constant(evidence: Evidence, value: str) -> Value:
    return value


@fact(r"elf\.entry")
async def _entry(evidence: Evidence) -> Value:
    return evidence.image.entry


@fact(r"elf\.symbol\.(\w+)")
async def _symbol(evidence: Evidence, name: str) -> Value:
    if name not in evidence.image.symbols:
        raise NoSuchThing(f"the kernel has no symbol {name}")
    return evidence.image.symbols[name]


@fact(r"elf\.section\.(\w+)\.(address|size|flags)")
async def _section(evidence: Evidence, name: str, what: str) -> Value:
    if name not in evidence.image.sections:
        raise NoSuchThing(f"the kernel has no section {name}")
    return evidence.image.sections[name][what]


@fact(r"deadlock\.lock")
async def _lock(evidence: Evidence) -> Value:
    return _known(evidence.autopsy.waits_for, "lock that it waits for").name


@fact(r"deadlock\.taken_(function|file|line)")
async def _taken(evidence: Evidence, what: str) -> Value:
    lock = _known(evidence.autopsy.waits_for, "lock that it waits for")
    return getattr(_known(lock.taken_at, "place where the lock was taken"), what)


@fact(r"deadlock\.waiting_(function|file|line)")
async def _waiting(evidence: Evidence, what: str) -> Value:
    return getattr(_known(evidence.autopsy.waits_at, "place where it waits"), what)


@fact(r"deadlock\.requester")
async def _requester(evidence: Evidence) -> Value:
    """The function outside the heap whose request the heap was working on."""
    functions = evidence.autopsy.functions
    first = next((i for i, name in enumerate(functions) if name in HEAP_ENTRIES), 0)
    if first == 0:
        raise NoSuchThing("no function called the heap")
    return functions[first - 1]


@fact(r"deadlock\.cycle")
async def _cycle(evidence: Evidence) -> Value:
    """The calls from the function that holds the lock to the one that waits for it."""
    functions = evidence.autopsy.functions
    taken = evidence.autopsy.waits_for.taken_at.function
    waits = evidence.autopsy.waits_at.function
    if taken not in functions or waits not in functions:
        raise NoSuchThing("the calls do not lead from the owner to the waiter")
    return functions[functions.index(taken):len(functions) - functions[::-1].index(waits)]


@fact(r"unpacking\.(entry|offset_bytes|request_bytes)")
async def _unpacking(evidence: Evidence, what: str) -> Value:
    """Of the entry of the initramfs that is being unpacked: its number, where it is, what it asks for."""
    functions, values = evidence.autopsy.functions, evidence.autopsy.values
    if "read_archive" not in functions:
        raise NoSuchThing("the kernel is not unpacking its initramfs")
    if what == "entry":
        number = re.search(r"/0*([0-9]+)[^/]*$", str(_known(values.get(ENTRY), "entry")))
        return int(_known(number, "entry with a number")[1])
    if what == "offset_bytes":
        return _known(values.get(OFFSET_BYTES), "offset in the archive")
    if "table_grow" in functions:
        return _known(values.get(NEXT_TABLE_BYTES), "directory")
    return _known(values.get(NAME_BYTES), "entry") + 1      # directory.c, copy_name


@fact(r"machine\.(\w+)")
async def _register(evidence: Evidence, register: str) -> Value:
    return _known((await evidence.machine.registers()).get(register), f"register {register}")


@fact(r"machine\.(\w+)\.bit(\d+)")
async def _bit(evidence: Evidence, register: str, number: str) -> Value:
    return (await _register(evidence, register)) >> int(number) & 1


@fact(r"memory\.available_bytes")
async def _available(evidence: Evidence) -> Value:
    return _known(evidence.autopsy.available_bytes, "memory map")


@fact(r"memory\.u32@(0x[0-9a-f]+)")
async def _u32(evidence: Evidence, address: str) -> Value:
    return int.from_bytes(await evidence.machine.read_memory(int(address, 0), 4), "little")


@fact(r"kernel\.(.+)")
async def _expression(evidence: Evidence, expression: str) -> Value:
    return _known(evidence.autopsy.values.get(expression), expression)
