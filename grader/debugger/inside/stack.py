# SPDX-License-Identifier: MIT
"""A stack of calls and the locks on its way: where the cycle of a deadlock is.

Needs no GDB: shared by the grader and by the commands inside GDB.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

# How the kernel reports its own end: not part of what went wrong.
REPORTERS = {"cpu_stop", "outb", "machine_announce_panic", "report", "stop", "panic_stop", "panic",
             "todo", "lockup_report", "fail_check"}


@dataclass(frozen=True)
class Place:
    """A line of source."""
    function: str
    file: str
    line: int

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}" if self.line else "an object"

    def __str__(self) -> str:
        return f"{self.function} ({self.where})"


@dataclass(frozen=True)
class Frame(Place):
    """A call on the stack, at the line where it is."""
    number: int                 # GDB's: 0 is the innermost
    is_trap: bool               # what is above it interrupted what is below


@dataclass(frozen=True)
class Lock:
    """What a struct spinlock says."""
    name: str
    locked: bool
    owner: int                  # the CPU that holds it
    taken_at: Place | None      # last; None = never


Call = TypeVar("Call", bound=Place)


def interrupted(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The frames, innermost first, from what was going on before the kernel reported."""
    for index in reversed(range(len(frames) - 1)):      # a report may fail itself: the outermost
        if frames[index].function == "stop" and frames[index + 1].function.startswith("panic"):
            frames = frames[index + 1:]
            break
    for index, frame in enumerate(frames):
        if frame.is_trap:
            frames = frames[index + 1:]
            break
    while frames and (frames[0].function in REPORTERS or frames[0].function.startswith("__")):
        frames = frames[1:]
    return frames


def waiting(calls: Sequence[Call]) -> Sequence[Call]:
    """Of calls, outermost first, those that led to the innermost spin_lock."""
    for index in reversed(range(len(calls))):
        if calls[index].function == "spin_lock":
            return calls[:index]
    return calls


def cycle(calls: Sequence[Call], lock: Lock) -> Sequence[Call]:
    """The calls from the lock's taker to who waits for it; none if the taker has returned."""
    way = waiting(calls)
    for index in reversed(range(len(way) - 1)):
        if lock.taken_at is not None and way[index].function == lock.taken_at.function:
            return way[index:]
    return way[:0]
