# SPDX-License-Identifier: MIT
"""Runs the tests that sweep, shows how far they are, and says how to stop at what they found.

A sweep lets one allocation after the other fail (kernel/fail.h), which numbers these failures from
the start of each test. So a test's name and a number name a failure, in any later run as well.
"""
from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from machine.abi import Outcome
from machine.host import ROOT
from machine.image import OUTCOME_PREFIX, Image, Memory
from machine.machine import Machine
from machine.qemu import Config

LOOK = 0.2          # seconds between two looks at the console

_SHOWN = re.compile(r"# (?!seed ).*|(?:not )?ok \d+ .*")
_FAILED = re.compile(r"not ok \d+ (\S+)")
_NUMBER = re.compile(r"# allocations that failed on purpose: (\d+);.*")


def how_to_stop(words: str, test: str, number: int) -> list[str]:
    """The commands that stop at a test's failure of that number, forwards and backwards."""
    place = f"allocation_fails if fail_number == {number}"
    return [f"    stop there:  make debug {words} TEST={test} BREAK='{place}'",
            f"    or go back:  make rewind {words} TEST={test}   and in GDB: break {place}, reverse-continue"]


def lines_about(console: str, words: str) -> Iterator[str]:
    """What is shown of a console: results, notes, and how to stop where a test has failed."""
    number = 0
    for line in console.splitlines():
        if not _SHOWN.fullmatch(line):
            continue
        if noted := _NUMBER.fullmatch(line):
            number = int(noted[1])
            continue
        yield line
        if failed := _FAILED.match(line):
            yield from how_to_stop(words, failed[1], number) if number else ()
        if not line.startswith("#"):
            number = 0


def running(memory: Memory) -> str | None:
    """The name of the test that had not ended when the kernel did."""
    names = {f"{suite}_{name}": f"{suite}.{name}" for file in ROOT.glob("*/**/*_test.c")
             for suite, name in re.findall(r"^KTEST\((\w+), (\w+)\)", file.read_text(), re.MULTILINE)}
    return next((names[name] for name in memory.image.ktests
                 if name in names and memory.number(OUTCOME_PREFIX + name) == Outcome.RUNNING.value), None)


async def _show(machine: Machine, words: str, ending: asyncio.Task) -> None:
    """Prints each line as it comes, until the machine has ended."""
    nr_shown = 0
    while True:
        is_over = ending.done()
        console = machine.console
        lines = list(lines_about(console if is_over else console[:console.rfind("\n") + 1], words))
        for line in lines[nr_shown:]:
            print(line, flush=True)
        nr_shown = len(lines)
        if is_over:
            return
        await asyncio.wait({ending}, timeout=LOOK)


async def sweep(config: Config, elf: Path, words: str) -> int:
    """Boots a kernel that runs its sweeps. Return: 0 if it bears every failure, or 1."""
    image = Image(elf)
    config = dataclasses.replace(config, iso=config.iso.resolve())     # QEMU runs elsewhere
    async with Machine(config, image.physical("monitor_prompts")) as machine:
        ending = asyncio.create_task(machine.wait())
        await _show(machine, words, ending)
        memory = await Memory.of(machine, image)
        outcome = memory.number("ktests_outcome", "")
        if outcome in (Outcome.PASSED.value, Outcome.FAILED.value):
            return int(outcome == Outcome.FAILED.value)
        test, number = running(memory), memory.number("fail_number", "")
        last = [line for line in machine.console.splitlines() if line.strip()][-12:]
        print("\n".join(last))
        print(f"the kernel has not lived to the end of {test or 'its tests'}: {ending.result().cause.value}")
        if test and number:
            print("\n".join(how_to_stop(words, test, number)))
        return 1
