# SPDX-License-Identifier: MIT
"""What was found in a stopped machine, and how to say it in a sentence.

dissect() lets GDB look into the machine (autopsy.py); the classes hold what it saw.
"""
from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from debugger.inside import stack
from debugger.inside.stack import Frame, Lock, Place
from machine import sandbox
from machine.host import ROOT, MachineError, gdb
from machine.machine import Machine

AUTOPSY = Path(__file__).with_name("autopsy.py")
DEBUGGER = ROOT / "grader/debugger"             # what AUTOPSY imports
GDB_LIMIT = 60          # seconds of the host's time
MAX_PERIOD = 16         # functions in one turn of a recursion
MAX_STEPS = 14          # of a chain of calls in a sentence

# Where a fault shows, but is not made.
HELPERS = {"string.c", "spinlock.c", "ubsan.c"}

MIN_TURNS = 8           # of a function in a stack that it has overflowed

# How every boot and every in-kernel test begins: says nothing of what went wrong.
BEGINNINGS = {"start_high", "kmain", "ktest_run", "run_one"}


@dataclass(frozen=True)
class Autopsy:
    """One stopped CPU."""
    frames: tuple[Place, ...] = ()          # outermost first, without the kernel's own report
    cpu: int = 0
    waits_for: Lock | None = None
    waits_at: Place | None = None
    available_bytes: int | None = None      # of memory, by the boot loader's word
    values: dict[str, int | str] = field(default_factory=dict)

    @property
    def deadlock(self) -> Lock | None:
        """The lock that this CPU waits for although it holds it, or None."""
        lock = self.waits_for
        return lock if lock and lock.locked and lock.owner == self.cpu else None

    @property
    def functions(self) -> list[str]:
        return _names(self.frames)


def _names(calls: Iterable[Place]) -> list[str]:
    return [call.function for call in calls]


def _place(values: dict[str, Any] | None) -> Place | None:
    return Place(**values) if values else None


def _lock(values: dict[str, Any] | None) -> Lock | None:
    return Lock(values["name"], values["locked"], values["owner"], _place(values["taken_at"])) \
        if values else None


def read(text: str, mark: str) -> Autopsy:
    """Reads what autopsy.py printed behind its mark. ValueError, KeyError or TypeError if it is not there."""
    for line in text.splitlines():
        if line.startswith(mark):
            break
    else:
        raise ValueError("GDB printed no result")
    found = json.loads(line.removeprefix(mark))
    if not found["attached"]:
        raise ValueError("GDB is attached to no machine")
    cpu = found["cpu"] or {"id": 0, "waits_for": None, "waits_at": None}
    frames = [Frame(**frame) for frame in found["frames"]]
    return Autopsy(
        frames=tuple(reversed(stack.interrupted(frames))),
        cpu=cpu["id"],
        waits_for=_lock(cpu["waits_for"]),
        waits_at=_place(cpu["waits_at"]),
        available_bytes=found["available_bytes"],
        values=found["values"],
    )


async def dissect(machine: Machine, elf: Path, expressions: list[str] = []) -> Autopsy:
    """Stops a machine, attaches GDB to it and looks around. Raises MachineError."""
    socket = await machine.listen_for_gdb()
    mark = f"AUTOPSY {secrets.token_hex(8)} "       # which no name in the kernel can pretend to be
    command = [gdb(), "-nx", "-nh", "-batch", "-iex", "set auto-load off",
               "-ex", "set pagination off", str(elf.absolute()),
               "-ex", f"target remote {socket.name}", "-x", str(AUTOPSY)]
    try:
        process = await asyncio.create_subprocess_exec(
            *sandbox.wrap(command, [elf, AUTOPSY, DEBUGGER], [machine.private], machine.private),
            cwd=machine.private, env=sandbox.environment(
                LC_ALL="C.UTF-8",       # in C, GDB 16 finds no script whose path is not ASCII
                AUTOPSY_MARK=mark, AUTOPSY_VALUES=json.dumps(expressions), HOME=str(machine.private)),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True,
            preexec_fn=sandbox.DEBUG.apply)
    except OSError as error:
        raise MachineError(f"GDB cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(GDB_LIMIT):
            output, _ = await process.communicate()
        if process.returncode != 0:
            raise ValueError(f"GDB ended with status {process.returncode}")
        return read(output.decode(errors="replace"), mark)
    except TimeoutError:
        raise MachineError(f"GDB did not answer within {GDB_LIMIT} s") from None
    except (ValueError, KeyError, TypeError) as error:
        raise MachineError(f"GDB's result cannot be read: {error}: {output.decode(errors='replace').strip()}") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _pieces(names: list[str]) -> Iterator[tuple[list[str], int]]:
    """A chain of calls in pieces, each with its turns: 1, or those of a recursion, 3 at least."""
    start = 0
    while start < len(names):
        period, turns = 1, 1
        for length in range(1, MAX_PERIOD + 1):
            block = names[start:start + length]
            count = 1
            while names[start + count * length:start + (count + 1) * length] == block:
                count += 1
            if count >= 3 and count * length > period * turns:
                period, turns = length, count
        yield names[start:start + period], turns
        start += period * turns


def fold(names: list[str]) -> list[str]:
    """A chain of calls in which three turns or more of a recursion become one step."""
    return [block[0] if turns == 1 else f"({' → '.join(block)}) × {turns}"
            for block, turns in _pieces(names)]


def describe_recursion(autopsy: Autopsy) -> str:
    """Which functions filled the stack by calling each other, if that is what did."""
    block, turns = max(_pieces(autopsy.functions), key=lambda piece: len(piece[0]) * piece[1],
                       default=([], 0))
    return f"{' → '.join(block)} recurs without end" if turns >= MIN_TURNS else ""


def chain(names: list[str]) -> str:
    """A chain of calls, outermost first, short enough to read."""
    while len(names) > 1 and names[0] in BEGINNINGS:
        names = names[1:]
    steps = fold(names)
    if len(steps) > MAX_STEPS:
        steps = [steps[0], "…", *steps[2 - MAX_STEPS:]]
    return " → ".join(steps)


def describe_deadlock(autopsy: Autopsy, lock: Lock) -> str:
    """Who waits for what, who has it since where, and the way from there to here."""
    cpu, taken = f"cpu{autopsy.cpu}", lock.taken_at
    sentence = f"{cpu} waits in spin_lock for {lock.name}, which {cpu} itself holds"
    way = chain(_names(stack.waiting(autopsy.frames)))
    if taken is None:
        return f"{sentence}, along {way}"
    sentence += f" since {taken}"
    if cycle := stack.cycle(autopsy.frames, lock):
        return f"{sentence}, along {chain(_names(cycle))}"
    return f"{sentence}, and that call has left it held; now along {way}"


def _entries(frames: Iterable[Place]) -> list[Place]:
    """The calls from one file into another: what is the same whoever wrote the file."""
    entries, file = [], ""
    for frame in frames:
        if frame.file != file:
            entries.append(frame)
        file = frame.file
    return entries


def cause_of(autopsy: Autopsy, theirs: Collection[str]) -> str:
    """
    What is wrong, in the same words whichever test came upon it and whoever wrote the files
    `theirs`; "" if that is unknown.
    """
    if lock := autopsy.deadlock:
        cycle = _names(_entries(stack.cycle(autopsy.frames, lock)))
        return f"{lock.name} in {' → '.join(cycle) or 'a call that has returned'}"
    turns = sorted(name for name, count in Counter(autopsy.functions).items() if count >= MIN_TURNS)
    if turns:
        return f"recursion {turns}"
    entries = [frame for frame in _entries(autopsy.frames) if frame.file not in HELPERS]
    own = [frame for frame in entries if frame.file in theirs]
    return next((f"{frame.function} ({frame.file})" for frame in reversed(own or entries)), "")


def describe_place(autopsy: Autopsy) -> str:
    """Where the CPU was, and how it got there."""
    if not autopsy.frames:
        return "outside any function of the kernel"
    return f"in {autopsy.frames[-1]}, along {chain(autopsy.functions)}"
