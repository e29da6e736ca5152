# SPDX-License-Identifier: MIT
"""Boots a machine, and takes from it all that a verdict may rest on.

The outcomes of in-kernel tests are read from the kernel's variables, from outside.
"""
from __future__ import annotations

import contextlib
import struct

from course.lab import Boot
from judging import crash, facts, places, replay
from judging.findings import Autopsy, dissect
from judging.record import Panic, Record, Results
from machine.abi import Outcome, PanicKind
from machine.ending import BROKEN, Cause, Ending
from machine.host import MachineError
from machine.image import OUTCOME_PREFIX, Image, Impostor, Memory
from machine.machine import Machine
from machine.qemu import Config
from machine.recording import Recording

PANIC_RECORD_BYTES = 256                # struct panic_record, kernel/panic.h
MEMMAP_RANGE = struct.Struct("<QQIxxxx")        # struct memmap_range, kernel/memmap.h
MEM_FREE, MEM_EARLY = 0, 5              # kernel/memmap.h


async def observe(config: Config, image: Image, boot: Boot, wanted: list[str] | None,
                  recording: Recording | None = None) -> Record:
    """
    Boots a machine, types the boot's input, waits for the end and looks at what is left. With an
    empty recording, records the boot in it. `wanted`: facts to be measured, or None where nothing
    counts but what became of in-kernel tests.
    """
    tape = recording.tape("record") if recording else None
    nmis_at = image.physical("ktest_nmis_wanted") if boot.nmis else None
    async with Machine(config, image.physical("monitor_prompts"), tape, nmis_at=nmis_at) as machine:
        ending = await machine.run(boot.input)
        record = Record(ending, machine.console)
        if ending.cause not in (*BROKEN, Cause.NOT_LOADED):     # what is in memory is the kernel's
            await _look(machine, image, boot, wanted, record)
            if recording:
                with contextlib.suppress(MachineError, OSError):    # what was seen counts anyway
                    record.recording = recording.complete(await machine.end_recording(),
                                                          ending.cause.value, machine.console)
    if ending.cause is Cause.TRIPLE_FAULT:
        record.ending = await _explained(config, image, boot)
    return record


async def _explained(config: Config, image: Image, boot: Boot) -> Ending:
    """The ending of a boot that ended in a triple fault, with the exception it began with."""
    async with Machine(config, image.physical("monitor_prompts"), logs_exceptions=True) as machine:
        ending = await machine.run(boot.input)
    return ending if ending.cause is Cause.TRIPLE_FAULT else Ending(Cause.TRIPLE_FAULT)


async def _look(machine: Machine, image: Image, boot: Boot, wanted: list[str] | None,
                record: Record) -> None:
    """Adds to the record what a machine that has ended still shows."""
    if boot.expect is None:
        record.tests = read_tests(await Memory.of(machine, image), boot)
        record.console = places.with_lines(record.console, image.path)
        if record.tests.are_complete or wanted is None:
            return
    if any(test.memory for test in boot.tests):
        record.memory = (await Memory.of(machine, image)).text()
    if not record.console:
        record.screen = await machine.screen()
    if record.ending.cause in (Cause.PANIC, Cause.LOCKUP):
        record.panic = await _read_panic(machine, image)
    if record.ending.cause is not Cause.PROMPT or wanted:
        record.autopsy = await dissect(machine, image.path, facts.expressions(wanted))
    if wanted and crash.ended_as(record) == boot.expect:
        evidence = facts.Evidence(image, machine, record.autopsy or Autopsy())
        record.facts = {name: await facts.measure(name, evidence) for name in wanted}


async def _read_panic(machine: Machine, image: Image) -> Panic:
    """The kernel's panic_record, from outside."""
    data = await machine.read_memory(image.physical("panic_record"), PANIC_RECORD_BYTES)
    kind = int.from_bytes(data[:4], "little")
    message = data[4:].partition(b"\0")[0].decode(errors="replace")
    known = kind in PanicKind._value2member_map_
    return Panic(PanicKind(kind) if known else PanicKind.NONE, message)


def read_tests(memory: Memory, boot: Boot) -> Results:
    """What the kernel's variables say of the tests of a boot."""
    names = {test.ktest.replace(".", "_"): test.ktest for test in boot.tests if test.ktest}
    try:
        outcomes = {names[name]: _outcome(memory.number(OUTCOME_PREFIX + name))
                    for name in memory.image.ktests if name in names}
        traces = {name: replay.read(memory.bytes(replay.TRACED[name][0]))
                  for name in outcomes if name in replay.TRACED}
        return Results(_outcome(memory.number("ktests_outcome", "")), outcomes, traces,
                     _ram(memory) if traces else replay.Ram())
    except Impostor as impostor:
        return Results(Outcome.NOT_RUN, impostor=str(impostor))


def _outcome(value: int) -> Outcome:
    """What somebody has overwritten with nonsense counts as not run."""
    return Outcome(value) if value in Outcome._value2member_map_ else Outcome.NOT_RUN


def _ram(memory: Memory) -> replay.Ram:
    """What memmap.c says of RAM."""
    nr_ranges = memory.number("nr_ranges", "memmap.c")
    ranges = [*MEMMAP_RANGE.iter_unpack(memory.bytes("ranges", "memmap.c"))][:nr_ranges]
    return replay.Ram([range(base, end) for base, end, owner in ranges if owner == MEM_FREE],
                      sum(end - base for base, end, owner in ranges if owner == MEM_EARLY))
