# SPDX-License-Identifier: MIT
"""The command `dmesg`: the log's records, from memory: lab 3's list, lab 4's ring or lab 5's slots."""
from __future__ import annotations

import re
from collections.abc import Iterator

from debugger.inside.command import Command
from debugger.inside.reader import LOG, Memory, Note, Ram, evaluate
from debugger.inside.text import printable

MAX_RECORDS = 1000          # followed
MAX_RECORD_BYTES = 1 << 16  # believed


def _list(memory: Memory) -> Iterator[str]:
    """Lab 3's records, in a list on the heap."""
    first, nr_records = LOG.variable("oldest"), LOG.number("nr_records")
    kind, address, nr_found = first.type.target(), int(first), 0
    ram = Ram() if address else None
    seen: set[int] = set()
    while address and ram:
        which = f"record {nr_found + 1} of the list"
        ram.check(which, address, kind.sizeof)
        if address in seen:
            raise Note(f"{which} is at {address:#x}, as one before it: the list never ends")
        if nr_found == MAX_RECORDS:
            raise Note(f"the list is longer than {MAX_RECORDS} records")
        seen.add(address)
        record = memory.value(address, kind)
        nr_bytes = int(record["nr_bytes"])
        text = address + kind.sizeof
        if nr_bytes > MAX_RECORD_BYTES or not ram.holds(text, nr_bytes):
            raise Note(f"{which}, at {address:#x}: nr_bytes is {nr_bytes:#x}")
        yield printable(memory.read(text, nr_bytes).rstrip(b"\n"))
        nr_found += 1
        address = int(record["next"])
    if nr_found != nr_records:
        raise Note(f"the list has {nr_found} records, but `nr_records` is {nr_records:#x}")


def _ring() -> Iterator[str]:
    """Lab 4's records, in a static ring; log_storage is declared in log.h."""
    head, tail = LOG.number("ring_head"), LOG.number("ring_tail")
    ring = LOG.variable("log_storage")["ring"]
    size = ring.type.sizeof
    if not 0 <= head - tail <= size:
        raise Note(f"`ring_head` is {head:#x} and `ring_tail` {tail:#x}: "
                   f"that cannot be in a ring of {size} bytes")
    data = Memory().read(int(ring.address), size)
    at = tail % size
    for line in (data[at:] + data[:at])[:head - tail].splitlines():
        yield printable(line)


def _slots() -> Iterator[str]:
    """Lab 5's records, by number; what is not finished says so. Two bits of a tag are the state."""
    slots, memory = LOG.variable("slots"), Memory()
    ring = int(LOG.variable("log_storage")["ring"].address)
    whole, filling = (int(evaluate(f"'log.c'::{state}")) for state in ("WHOLE", "FILLING"))
    nr_slots = slots.type.range()[1] + 1
    record_bytes = LOG.variable("log_storage")["line"].type.sizeof
    found = []
    for index in range(nr_slots):
        number, state = divmod(int(slots[index]["tag"]), whole + 1)
        nr_bytes = int(slots[index]["text"]["nr_bytes"])
        if state not in (whole, filling):
            continue
        if nr_bytes > record_bytes:
            raise Note(f"record {number}, in slot {index}: nr_bytes is {nr_bytes:#x}")
        text = printable(memory.read(ring + index * record_bytes, nr_bytes).rstrip(b"\n"))
        found.append((number, text if state == whole else f"{text} <not finished>"))
    for _, text in sorted(found):
        yield text


class Dmesg(Command):
    """Show the log's records, oldest first, as they are in memory.

    Usage: dmesg [REGEX]

    With REGEX, only those that it matches somewhere. Knows lab 3's logger and those of the
    solutions of labs 4 and 5."""
    name = "dmesg"
    has_argument = True

    def lines(self, argument: str) -> Iterator[str]:
        try:
            wanted = re.compile(argument)
        except re.error as error:
            raise Note(f"{argument} is no regular expression: {error}") from None
        return (line for line in self._records() if wanted.search(line))

    @staticmethod
    def _records() -> Iterator[str]:
        if LOG.is_base:
            raise Note("this stage's logger keeps no records")
        if LOG.has("ring_head"):
            return _ring()
        if LOG.has("slots") and any(field.name == "tag" for field in
                                    LOG.variable("slots").type.target().fields()):
            return _slots()
        if LOG.has("oldest"):
            return _list(Memory())
        raise Note("this stage's log.c has neither `oldest` nor `ring_head`, nor `slots` with tags: known "
                   "here are lab 3's logger and the solutions of labs 4 and 5. Type dmesg at the monitor")
