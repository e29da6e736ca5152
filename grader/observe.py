# SPDX-License-Identifier: MIT
"""Boots a machine, and takes from it all that a verdict may rest on."""
from __future__ import annotations

import facts
import judge
from findings import Autopsy, dissect
from image import Image
from judge import Record
from lab import Boot
from machine import BROKEN, Cause, Config, Machine, PanicKind

PANIC_RECORD_BYTES = 256    # struct panic_record, kernel/panic.h


async def observe(config: Config, image: Image, boot: Boot, wanted: list[str]) -> Record:
    """Boots a machine, types the boot's input, waits for the end and looks at what is left."""
    async with Machine(config) as machine:
        ending = await machine.wait()
        for line in boot.input:
            if ending.cause is Cause.PROMPT:
                ending = await machine.wait(machine.type_line(line))
        record = Record(ending, machine.console)
        if ending.cause in (Cause.EXIT, Cause.REBOOT, *BROKEN):
            return record
        if not record.console:
            record.screen = await machine.screen()
        if ending.cause is Cause.PANIC:
            record.panic = await _read_panic(machine, image)
        if ending.cause is not Cause.PROMPT or wanted:
            record.autopsy = await dissect(machine, image.path, facts.expressions(wanted))
        if wanted and judge.ended_as(record) == boot.expect:
            evidence = facts.Evidence(image, machine, record.autopsy or Autopsy())
            record.facts = {name: await facts.measure(name, evidence) for name in wanted}
        return record


async def _read_panic(machine: Machine, image: Image) -> judge.Panic:
    """The kernel's panic_record, from outside."""
    data = await machine.read_memory(image.physical("panic_record"), PANIC_RECORD_BYTES)
    kind = int.from_bytes(data[:4], "little")
    message = data[4:].partition(b"\0")[0].decode(errors="replace")
    known = kind in PanicKind._value2member_map_
    return judge.Panic(PanicKind(kind) if known else PanicKind.NONE, message)
