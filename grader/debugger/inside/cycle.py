# SPDX-License-Identifier: MIT
"""The command `cycle`: who waits for whom, and the calls that lead from the one to the other."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

import gdb

from debugger.inside import kernel, stack
from debugger.inside.command import Command
from debugger.inside.locks import held_locks, this_cpu
from debugger.inside.reader import Memory
from debugger.inside.stack import Frame, Lock

UNICODE = ("┌─► ", "│   ", "└── ")
ASCII = ("+-> ", "|   ", "+-- ")


def _drawing(calls: Sequence[Frame], lock: Lock) -> Iterator[str]:
    """The calls from the taker to who waits, with GDB's numbers and a line back up."""
    top, middle, bottom = UNICODE if gdb.host_charset().upper() == "UTF-8" else ASCII
    width = max(len(call.function) for call in calls)
    place = max(len(call.where) for call in calls)
    for call in calls:
        line, mark = middle, ""
        if call is calls[0]:
            line, mark = top, f"  holds {lock.name}"
        elif call is calls[-1]:
            line, mark = bottom, "  waits for it"
        yield f"  {line}#{call.number:<3} {call.function:{width}}  {call.where:{place}}{mark}".rstrip()


class Cycle(Command):
    """Show the wait cycle: who waits for which lock, held by whom, along which calls.

    Usage: cycle

    The numbers are GDB's: `frame 14` selects the call that has #14 in front."""
    name = "cycle"

    def lines(self, argument: str) -> Iterator[str]:
        memory = Memory()
        cpu = this_cpu(memory)
        who, lock = f"cpu{cpu.id}", cpu.waits_for
        if lock is None:
            yield f"No cycle: {who} waits for no lock."
            yield from held_locks(memory)
            return
        waits = f"{who} waits for {lock.name} in {cpu.waits_at or '?'}"
        if not lock.locked:
            yield f"No cycle: {waits}, which nobody holds now."
            return
        if lock.owner != cpu.id:
            yield f"No cycle: {waits}, which cpu{lock.owner} holds since {lock.taken_at or '?'}."
            return
        yield f"{waits}, which {who} itself holds since {lock.taken_at or '?'}."
        calls = stack.interrupted(kernel.backtrace())[::-1]
        if way := stack.cycle(calls, lock):
            yield ""
            yield from _drawing(way, lock)
        elif lock.taken_at:
            yield (f"No cycle on this stack: {lock.taken_at.function} has returned and left "
                   f"{lock.name} locked.")
