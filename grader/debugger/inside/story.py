# SPDX-License-Identifier: MIT
"""GDB on a recorded boot: what was called and locked around one call of heap_rescue, as JSON.

In GDB: source grader/debugger/inside/story.py, as trace.py does, which says in OUROBOROS_STORY where to
write it to. The call is the one that the run ends in, as a hang or a panic does, or the first.
QEMU writes down the address of every instruction on the way; the calls follow from those. GDB
stops at the locks, where it can see which one it is and who of the callers is inlined.
"""
from __future__ import annotations

import contextlib
import functools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gdb

from debugger.inside import kernel
from debugger.inside.calls import CODE_BYTES, Call, follow
from debugger.inside.reader import HEAP, PAGES, Memory, Note, address_of
from debugger.inside.time_travel import (Recording, back, breakpoints, forward, only_breakpoint,
                                         position)

RESCUE = "heap_rescue"
MAX_BEFORE = 10_000                     # instructions of the story before the rescue
MAX_INSTRUCTIONS = 1_000_000            # of the whole story
MAX_TURNS = 1000                        # of going back to one function's entries
ADDRESS = re.compile(r"^Trace .*?\[[0-9a-f]+/([0-9a-f]+)/", re.MULTILINE)
NOT_CARRIED_OUT = re.compile(r"^Trace .*\n(?=Stopped execution)", re.MULTILINE)

Group = list[tuple[str, str, int]]      # function, file, line of inlined frames, then of theirs


@dataclass
class Beginning:
    """A call that is on the stack."""
    entry: int                          # the function's address
    stack: int                          # its stack pointer at its entry


@dataclass
class Event:
    """What was seen at an instruction."""
    at: int
    what: str                           # "takes", "releases" or "waits for"; "rescues"
    lock: str
    place: str                          # where it was taken; "" = at that of the last "takes"
    groups: list[Group]                 # the calls there, innermost first


def _register(name: str) -> int:
    return int(gdb.parse_and_eval(f"(unsigned long)${name}"))


def _groups() -> list[Group]:
    """The stack, by function that was really called."""
    groups: list[Group] = [[]]
    for frame, call in zip(kernel.frames(), kernel.backtrace()):
        groups[-1].append((call.function, call.file, call.line))
        if frame.type() != gdb.INLINE_FRAME:
            groups.append([])
    return groups[:-1]


def _beginning(frames: list[gdb.Frame], number: int) -> Beginning:
    """Of the call that a frame is in, which it may be inlined in."""
    while frames[number].type() == gdb.INLINE_FRAME:
        number += 1
    frame_pointer = int(frames[number].read_register("rbp"))
    function = frames[number].function()        # unknown where there is no debugging information
    entry = int(function.value().address) if function else address_of(frames[number].name())
    return Beginning(entry, frame_pointer + 8)


def _go_back_to(call: Beginning) -> None:
    with only_breakpoint(call.entry):
        for _ in range(MAX_TURNS):
            back()
            if position() == 0 or _register("rsp") == call.stack:
                return


def _go_to_the_rescue(end: int) -> bool:
    """Goes to the entry of the call that this is about. Return: false if there is none."""
    frames = kernel.frames()
    numbers = [number for number, frame in enumerate(frames) if frame.name() == RESCUE]
    if numbers:
        _go_back_to(_beginning(frames, numbers[-1]))
    else:
        with only_breakpoint(address_of("kmain")):
            back()
        with only_breakpoint(address_of(RESCUE)):
            forward(end)
    return _register("pc") == address_of(RESCUE)


def _is_heaps(frame: gdb.Frame) -> bool:
    """Is a call the heap's? Its file is not known where an object without debugging information is."""
    table = frame.find_sal().symtab
    return table is None or os.path.basename(table.filename) in (HEAP.file, PAGES.file)


def _go_to_the_beginning() -> None:
    """From a rescue to the entry of who called who wanted memory, or as near as makes a picture."""
    rescue = position()
    frames = kernel.frames()
    requester = next(number for number, frame in enumerate(frames[1:], start=1)
                     if not _is_heaps(frame))
    calls = [_beginning(frames, number) for number in (requester + 1, requester, requester - 1)]
    for call in calls:
        _go_back_to(call)
        if rescue - position() <= MAX_BEFORE:
            return
        forward(rescue)


def _one_by_one(state: str) -> None:
    for name in ("one-insn-per-tb", "singlestep"):          # since QEMU 8.1, and before
        gdb.execute(f"monitor {name} {state}", to_string=True)


@contextlib.contextmanager
def _written_down(file: Path) -> Iterator[None]:
    """QEMU logs every instruction."""
    gdb.execute(f"monitor logfile {file}", to_string=True)
    _one_by_one("on")
    gdb.execute("monitor log exec,nochain", to_string=True)
    try:
        yield
    finally:
        gdb.execute("monitor log none", to_string=True)
        _one_by_one("off")


def _event(function: str, at: int) -> Event:
    """What is about to happen to a lock, at the entry of a function of spinlock.c."""
    memory = Memory()
    lock = kernel.lock(memory, gdb.parse_and_eval("*(struct spinlock *)$rdi"))
    if function == "spin_unlock":
        return Event(at, "releases", lock.name, "", _groups())
    if lock.locked:
        return Event(at, "waits for", lock.name, str(lock.taken_at), _groups())
    place = kernel.place(memory, gdb.parse_and_eval("(struct place *)$rsi"), "spin_lock's place")
    return Event(at, "takes", lock.name, str(place), _groups())


def _watch(recording: Recording) -> tuple[list[Event], bool | None, str]:
    """
    Runs on until the function has returned whose entry we are at, or until nothing can follow.
    Return: what happened, what heap_rescue returned if it did, and how it ended.
    """
    start, top, back_at = position(), _register("rsp"), _word(_register("rsp"))
    functions = {address_of(name): name
                 for name in ("spin_lock", "spin_unlock", RESCUE)}
    last = recording.opened_at if start < recording.opened_at else recording.end
    events: list[Event] = []
    rescued = None
    rescued_at = rescue_top = None
    with contextlib.ExitStack() as stops:
        stops.enter_context(breakpoints([*functions, back_at]))
        while True:
            forward(min(start + MAX_INSTRUCTIONS, last))
            at, address = position() - start, _register("pc")
            if address == back_at and _register("rsp") == top + 8:
                return events, rescued, "returns"
            if address == rescued_at and _register("rsp") == rescue_top + 8:
                rescued = bool(_register("rax") & 0xff)
            elif functions.get(address) == RESCUE:
                events.append(Event(at, "rescues", "", "", _groups()))
                if rescued_at is None:
                    rescue_top, rescued_at = _register("rsp"), _word(_register("rsp"))
                    stops.enter_context(breakpoints([rescued_at]))
            elif address in functions:
                events.append(_event(functions[address], at))
                if events[-1].what == "waits for":
                    return events, rescued, "waits"
            elif address not in (back_at, rescued_at):
                return events, rescued, "stops" if position() == last else "cut"


def _word(address: int) -> int:
    return Memory().number(address, 8)


@functools.lru_cache(maxsize=None)
def _code(address: int) -> bytes:
    return bytes(gdb.selected_inferior().read_memory(address, CODE_BYTES))


@functools.lru_cache(maxsize=None)
def _name(address: int) -> str:
    """The function that starts there."""
    text = gdb.execute(f"info symbol {address:#x}", to_string=True)
    return text.split()[0] if " in section " in text else "?"


def _calls(file: Path, nr_instructions: int) -> list[Call]:
    """The calls that QEMU's log tells of; at its end may be an instruction that faults."""
    addresses = [int(address, 16)
                 for address in ADDRESS.findall(NOT_CARRIED_OUT.sub("", file.read_text()))]
    if len(addresses) - nr_instructions not in (0, 1):
        raise Note(f"QEMU has logged {len(addresses)} of {nr_instructions} instructions")
    return follow([*addresses[:nr_instructions], _register("pc")], _code)


def tell(recording: Recording, log: Path) -> dict[str, Any] | None:
    """The story, which takes a file for QEMU's `log`; None if the run has no call of heap_rescue."""
    with recording.travelling():
        if not _go_to_the_rescue(recording.end):
            return None
        _go_to_the_beginning()
        above = [frame.name() for frame in kernel.frames()[1:]]
        start = position()
        with _written_down(log):
            events, rescued, ending = _watch(recording)
        nr_instructions = position() - start
        calls = _calls(log, nr_instructions)
        forward(recording.end)
        return {
            "above": above, "ending": ending, "rescued": rescued,
            "nr_instructions": nr_instructions,
            "report": gdb.parse_and_eval("panic_record.message").string(),
            "events": [asdict(event) for event in events],
            "calls": [{"function": _name(call.address), "caller": call.caller,
                       "entered": call.entered, "left": call.left} for call in calls],
        }


def main() -> None:
    gdb.execute("set pagination off")
    recording = Recording(int(os.environ["OUROBOROS_INSTRUCTIONS"]))
    recording.open()
    told = Path(os.environ["OUROBOROS_STORY"])
    told.write_text(json.dumps(tell(recording, told.with_name("log"))))


if __name__ == "__main__":
    main()
