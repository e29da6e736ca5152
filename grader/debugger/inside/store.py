# SPDX-License-Identifier: MIT
"""The command `store`: the files that were written, from memory."""
from __future__ import annotations

from collections.abc import Iterator

import gdb

from debugger.inside.command import Command
from debugger.inside.reader import STORE, Memory, Note, Ram

MAX_FILES = 1000            # followed
MAX_SHOWN = 20              # bytes of contents
FIELDS = {"next", "name", "bytes", "nr_bytes", "capacity_bytes"}


def _first() -> gdb.Value:
    """The variable that leads to the first file. Raises Note if its files are not like lab 6's solution's."""
    first = STORE.variable("files")
    kind = first.type.target() if first.type.code == gdb.TYPE_CODE_PTR else None
    if kind is None or kind.code != gdb.TYPE_CODE_STRUCT or not FIELDS <= {field.name for field in kind.fields()}:
        raise Note("this stage's `files` are not like those of lab 6's solution, which are known here. Type ls "
                   "at the monitor")
    return first


class Store(Command):
    """Show the files that were written: size, room, name, and how the contents begin.

    Usage: store

    Knows the list of lab 6's solution. The monitor's ls knows every store."""
    name = "store"

    def lines(self, argument: str) -> Iterator[str]:
        first = _first()
        memory, ram = Memory(), Ram()
        kind, address, nr_found = first.type.target(), int(first), 0
        seen: set[int] = set()
        if address == 0:
            yield "The store has no files."
        while address:
            nr_found += 1
            which = f"file {nr_found} of the list"
            if address in seen or nr_found > MAX_FILES:
                raise Note(f"{which} is at {address:#x}: the list never ends")
            seen.add(address)
            ram.check(which, address, kind.sizeof)
            file = memory.value(address, kind)
            name, contents = int(file["name"]), int(file["bytes"])
            nr_bytes, room = int(file["nr_bytes"]), int(file["capacity_bytes"])
            ram.check(f"the name of {which}", name, 1, align=1)
            if nr_bytes > room:
                raise Note(f"{which}: nr_bytes is {nr_bytes:#x}, capacity_bytes {room:#x}")
            if nr_bytes:
                ram.check(f"bytes of {which}", contents, nr_bytes, align=1)
            start = memory.read(contents, min(nr_bytes, MAX_SHOWN)) if nr_bytes else b""
            yield f"{nr_bytes:>9,} of {room:>9,}  {memory.text(name)}  {start.decode('latin-1')!r}"
            address = int(file["next"])
