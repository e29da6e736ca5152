# SPDX-License-Identifier: MIT
"""The command `dentries`: the directory that the initramfs was unpacked into."""
from __future__ import annotations

import fnmatch
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import gdb

from debugger.inside import kernel
from debugger.inside.command import Command
from debugger.inside.reader import INITRAMFS, Memory, Note, Ram
from debugger.inside.text import some_notes

MAX_SLOTS = 1 << 16
MAX_SHOWN = 20
MAX_FLAWS = 3
ADDS = "directory_add"          # kernel/directory.h


@dataclass(frozen=True, order=True)
class Entry:
    name: str
    nr_bytes: int
    mode: int

    def __str__(self) -> str:
        return f"{stat.filemode(self.mode)}  {self.nr_bytes:>8,}  {self.name}"


def _entry(memory: Memory, ram: Ram, dentry: gdb.Value) -> Entry:
    """A dentry that is in use. Raises a Note if its name cannot be right."""
    pointer = int(dentry["name"])
    ram.check("name", pointer, 1, align=1)
    name = memory.text(pointer)
    if "\\x" not in name and len(name) != int(dentry["name_bytes"]):
        raise Note(f"the name at {pointer:#x} has {len(name)} bytes, "
                   f"but name_bytes is {int(dentry['name_bytes'])}")
    return Entry(name, int(dentry["nr_bytes"]), int(dentry["mode"]))


class Dentries(Command):
    """Show the initramfs directory: how full it is, and its files with mode and size.

    Usage: dentries [GLOB]

    Shows the first 20 by name, or all that GLOB matches. Its * stands for any text, / included."""
    name = "dentries"
    has_argument = True

    def lines(self, argument: str) -> Iterator[str]:
        directory = INITRAMFS.variable("initramfs")
        slots, nr_slots, nr_entries = (int(directory[field])
                                       for field in ("slots", "nr_slots", "nr_entries"))
        if slots == 0:
            yield "The directory is empty: initramfs_init() has not run yet, or nothing came of it."
            return
        if nr_slots & (nr_slots - 1) or not 0 < nr_slots <= MAX_SLOTS:
            raise Note(f"initramfs.nr_slots is {nr_slots:#x}, which is no size of the table")
        entries, flaws = self._entries(directory, nr_slots)
        yield f"{nr_entries:,} entries in {nr_slots:,} slots: {nr_entries / nr_slots:.0%} full."
        if len(entries) + len(flaws) != nr_entries:
            flaws.append(f"{len(entries) + len(flaws)} slots are in use, but nr_entries is "
                         f"{nr_entries:#x}")
        shown = sorted(entries)
        if argument:
            shown = [entry for entry in shown if fnmatch.fnmatchcase(entry.name, argument)]
            if not shown:
                yield f"None of them matches {argument}."
        nr_shown = len(shown) if argument else MAX_SHOWN
        for entry in shown[:nr_shown]:
            yield str(entry)
        if len(shown) > nr_shown:
            yield f"and {len(shown) - nr_shown:,} more. Try: dentries usr/*doc/*"
        if flaws and ADDS in [frame.name() for frame in kernel.frames()]:
            yield f"{ADDS}() is at work: a change may be half done."
        yield from map(self.note, some_notes(flaws, MAX_FLAWS))

    @staticmethod
    def _entries(directory: gdb.Value, nr_slots: int) -> tuple[list[Entry], list[str]]:
        """The entries in the table, and what is wrong with those that cannot be right."""
        memory, ram = Memory(), Ram()
        start, kind = int(directory["slots"]), directory["slots"].type.target()
        ram.check("initramfs.slots", start, nr_slots * kind.sizeof)
        try:
            data = memory.read(start, nr_slots * kind.sizeof)
        except Note:
            raise Note(f"the {nr_slots:#x} slots at {start:#x} cannot be read: "
                       "initramfs.slots or initramfs.nr_slots is wrong") from None
        entries, flaws = [], []
        for index in range(nr_slots):
            dentry = gdb.Value(data[index * kind.sizeof:(index + 1) * kind.sizeof], kind)
            if int(dentry["name"]) == 0:
                continue
            try:
                entries.append(_entry(memory, ram, dentry))
            except Note as error:
                flaws.append(f"slot {index}, at {start + index * kind.sizeof:#x}: {error}")
        return entries, flaws
