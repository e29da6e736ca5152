# SPDX-License-Identifier: MIT
"""The command `locks`: every lock of the kernel, and who has it."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gdb

from debugger.inside import kernel
from debugger.inside.command import Command
from debugger.inside.reader import SPINLOCK, Memory, Note, address_of
from debugger.inside.stack import Lock

MAX_LOCKS = 1000


@dataclass(frozen=True)
class Found:
    """A lock, where it lies, and what is wrong with it ("" = nothing)."""
    address: int
    lock: Lock
    flaw: str


def _found(memory: Memory, address: int, kind: gdb.Type) -> Found:
    """The lock at that address, as far as it can be read."""
    value = memory.value(address, kind)
    name, taken_at = (int(value[field]) for field in ("name", "taken_at"))
    lock = Lock(kernel.name(memory, value["name"]), bool(int(value["locked"])),
                int(value["owner"]), None)
    try:
        lock = kernel.lock(memory, value)
    except Note as error:
        return Found(address, lock, str(error))
    if lock.name == "?":
        return Found(address, lock, f"name is {name:#x}, which is no string")
    if lock.taken_at and "?" in (lock.taken_at.function, lock.taken_at.file):
        return Found(address, lock, f"taken_at is {taken_at:#x}, which is no place in the source")
    if int(value["locked"]) > 1:
        return Found(address, lock, f"locked is {int(value['locked']):#x}")
    return Found(address, lock, "")


def all_locks(memory: Memory) -> list[Found]:
    """The locks between spinlocks_start and spinlocks_end."""
    kind = gdb.lookup_type("struct spinlock")
    start, end = address_of("spinlocks_start"), address_of("spinlocks_end")
    if (end - start) % kind.sizeof != 0 or (end - start) // kind.sizeof > MAX_LOCKS:
        raise Note(f"between spinlocks_start and spinlocks_end lie {end - start} bytes, "
                   "which is no array of locks")
    return [_found(memory, address, kind) for address in range(start, end, kind.sizeof)]


def this_cpu(memory: Memory) -> kernel.Cpu:
    """The CPU. Raises a Note if what it waits for is none of the locks."""
    state = SPINLOCK.variable("this_cpu")
    waits_for = int(state["waits_for"])
    if waits_for and waits_for not in [found.address for found in all_locks(memory)]:
        raise Note(f"this_cpu.waits_for is {waits_for:#x}, which is none of the locks")
    return kernel.cpu(memory, state)


def held_locks(memory: Memory) -> Iterator[str]:
    """A sentence for each lock that is held, in the words of the kernel's panic."""
    for lock in (found.lock for found in all_locks(memory)):
        if lock.locked:
            yield f"cpu{lock.owner} holds {lock.name} since {lock.taken_at or '?'}."


class Locks(Command):
    """Show all locks: held or free, by whom, where taken last, and who waits for one.

    Usage: locks"""
    name = "locks"

    def lines(self, argument: str) -> Iterator[str]:
        memory = Memory()
        locks = all_locks(memory)
        width = max([len(found.lock.name) for found in locks], default=0)
        yield f"{'lock':{width}}  state         taken last"
        for found in locks:
            lock = found.lock
            state = f"held by cpu{lock.owner}" if lock.locked else "free"
            taken = "?" if found.flaw and not lock.taken_at else lock.taken_at or "never"
            yield f"{lock.name:{width}}  {state:12}  {taken}"
        for found in locks:
            if found.flaw:
                yield self.note(f"{found.lock.name} at {found.address:#x}: {found.flaw}")
        cpu = this_cpu(memory)
        if cpu.waits_for is None:
            yield f"cpu{cpu.id} waits for no lock."
        else:
            yield f"cpu{cpu.id} waits for {cpu.waits_for.name} in {cpu.waits_at or '?'}."
