# SPDX-License-Identifier: MIT
"""What the CPU does, what it waits for, and how it got there: for the commands and the grader."""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import gdb

from debugger.inside.reader import Memory, Note
from debugger.inside.stack import Frame, Lock, Place

MAX_FRAMES = 1000
UNKNOWN = (gdb.error, UnicodeDecodeError)       # what is further out is not known


@dataclass(frozen=True)
class Cpu:
    """What this_cpu says."""
    id: int
    waits_for: Lock | None
    waits_at: Place | None


def frames() -> list[gdb.Frame]:
    """All frames, innermost first, inlined ones included, as far as GDB can follow them."""
    found: list[gdb.Frame] = []
    with contextlib.suppress(*UNKNOWN):
        frame = gdb.newest_frame()
        while frame is not None and frame.name() is not None and len(found) < MAX_FRAMES:
            found.append(frame)
            frame = frame.older()
    return found


def backtrace() -> list[Frame]:
    """What frames() are, in words, as far as GDB knows that."""
    found: list[Frame] = []
    with contextlib.suppress(*UNKNOWN):
        for number, frame in enumerate(frames()):
            line = frame.find_sal()
            found.append(Frame(
                function=frame.name(), line=line.line, number=number,
                file=os.path.basename(line.symtab.filename) if line.symtab else "?",
                is_trap=frame.type() == gdb.SIGTRAMP_FRAME))
    return found


def name(memory: Memory, pointer: gdb.Value) -> str:
    """The C string at a pointer, or "?" if there is none that can be read."""
    try:
        return memory.text(int(pointer)) or "?"
    except Note:
        return "?"


def place(memory: Memory, pointer: gdb.Value, what: str) -> Place | None:
    """The struct place at a pointer; None if the pointer is NULL. Raises a Note if it is bad."""
    if int(pointer) == 0:
        return None
    try:
        value = memory.value(int(pointer), pointer.type.target())
    except Note:
        raise Note(f"{what} is {int(pointer):#x}, which is no place in the source") from None
    return Place(name(memory, value["function"]), name(memory, value["file"]), int(value["line"]))


def lock(memory: Memory, value: gdb.Value) -> Lock:
    """A struct spinlock."""
    return Lock(name(memory, value["name"]), bool(int(value["locked"])), int(value["owner"]),
                place(memory, value["taken_at"], "taken_at"))


def cpu(memory: Memory, state: gdb.Value) -> Cpu:
    """A struct cpu."""
    waits_for = state["waits_for"]
    target = memory.value(int(waits_for), waits_for.type.target()) if int(waits_for) else None
    return Cpu(int(state["id"]), lock(memory, target) if target is not None else None,
               place(memory, state["waits_at"], "waits_at"))
