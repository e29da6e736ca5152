# SPDX-License-Identifier: MIT
"""What a boot died of, and how it ended. Pure functions on a Record.

The machine has the first word: how it ended, what its memory and its stack say.
"""
from __future__ import annotations

import functools
import re
from pathlib import Path

from course.lab import students_sources
from judging.findings import (Autopsy, cause_of, describe_deadlock, describe_place,
                              describe_recursion)
from judging.record import Record
from judging.verdict import Finding, Verdict
from machine.abi import PanicKind
from machine.ending import BROKEN, Cause, CpuException

CONTEXT_LINES = 14          # of console shown with a failure
REPORT_LINES = 60           # that the kernel's own report of its end has at most

_PANIC_VERDICTS = {
    PanicKind.BUG: Verdict.PANIC, PanicKind.TODO: Verdict.NOT_IMPLEMENTED,
    PanicKind.FAULT: Verdict.FAULT, PanicKind.STACK_OVERFLOW: Verdict.STACK_OVERFLOW,
}

_EXCEPTIONS = {     # Intel SDM volume 3A, table 6-1
    0: "divide error", 3: "breakpoint", 6: "invalid opcode", 8: "double fault", 10: "invalid TSS",
    11: "segment not present", 12: "stack fault", 13: "general protection fault", 14: "page fault",
}

# Verdicts of which the kernel's own message says what happened.
_WITH_MESSAGE = (Verdict.PANIC, Verdict.FAULT)

_TITLE = re.compile(r"(PANIC|NOT IMPLEMENTED|FAULT|STACK OVERFLOW|LOCKUP): ")   # kernel/panic.c

# What lab.toml expects, and the verdict that means just that.
_EXPECTED = {
    "deadlock": Verdict.DEADLOCK, "hang": Verdict.HANG, "panic": Verdict.PANIC,
    "fault": Verdict.FAULT, "stack_overflow": Verdict.STACK_OVERFLOW,
    "triple_fault": Verdict.TRIPLE_FAULT,
}


def last_lines(console: str) -> tuple[str, ...]:
    """The end of the console, for a report; the whole of the kernel's own report of its end."""
    lines = console.rstrip().splitlines()
    start = next((index for index in range(len(lines) - 1, max(len(lines) - REPORT_LINES, 0) - 1, -1)
                  if _TITLE.match(lines[index])), len(lines) - CONTEXT_LINES)
    return tuple(lines[max(start, 0):])


def where(record: Record) -> str:
    return describe_place(record.autopsy) if record.autopsy else "at an unknown place"


def _judge_panic(record: Record) -> tuple[Verdict, str]:
    if record.panic is None or record.panic.kind not in _PANIC_VERDICTS:
        return Verdict.PANIC, f"the machine was told of a panic that the kernel did not record, " \
                              f"{where(record)}"
    if record.panic.kind is PanicKind.TODO:
        return Verdict.NOT_IMPLEMENTED, record.panic.message
    recursion = describe_recursion(record.autopsy or Autopsy()) \
        if record.panic.kind is PanicKind.STACK_OVERFLOW else ""
    return (_PANIC_VERDICTS[record.panic.kind],
            "; ".join(filter(None, [record.panic.message, recursion, where(record)])))


def _describe_exception(exception: CpuException | None) -> str:
    if exception is None:
        return "an exception"
    name = _EXCEPTIONS.get(exception.vector, f"exception {exception.vector}")
    return name if exception.address is None else f"{name} at {exception.address:#x}"


def _judge_standstill(record: Record, why: str) -> tuple[Verdict, str]:
    """A machine that got no further: DEADLOCK if it is one by what its memory says."""
    autopsy = record.autopsy
    if autopsy and (lock := autopsy.deadlock):
        return Verdict.DEADLOCK, describe_deadlock(autopsy, lock)
    if not record.console:
        screen = f"; the screen says: {' / '.join(record.screen)}" if record.screen else ""
        return Verdict.BOOT_FAIL, f"the kernel never said a word{screen}"
    return Verdict.HANG, f"{why}, {where(record)}"


@functools.cache
def _students_files() -> frozenset[str]:
    return frozenset(Path(source).name for source in students_sources())


def without_numbers(text: str) -> str:
    """What stays the same of a message when it happens again to somebody else: text, and places."""
    return re.sub(r"(?<![:\w])(0x[0-9a-f]+|\d+)\b", "…", text)


def _cause(verdict: Verdict, record: Record) -> str:
    """What makes two crashes the same."""
    if verdict in (Verdict.INFRA, Verdict.BOOT_FAIL):
        return ""
    if verdict is Verdict.NOT_IMPLEMENTED and record.panic:
        return record.panic.message
    place = cause_of(record.autopsy or Autopsy(), _students_files())
    message = record.panic.message if record.panic and verdict in _WITH_MESSAGE else ""
    return " in ".join(filter(None, [without_numbers(message), place]))


def judge_crash(record: Record) -> Finding | None:
    """What a boot died of, or None if it did not die."""
    match record.ending.cause:
        case cause if cause in BROKEN:
            verdict, detail = Verdict.INFRA, f"{cause.value}: {record.ending.detail}"
        case Cause.PANIC:
            verdict, detail = _judge_panic(record)
        case Cause.LOCKUP:
            verdict, detail = _judge_standstill(record, "no progress for 2 s")
        case Cause.DEAD_HALT | Cause.SILENCE | Cause.FLOOD as cause:
            verdict, detail = _judge_standstill(record, cause.value)
        case Cause.NOT_LOADED as cause:
            verdict, detail = Verdict.BOOT_FAIL, f"{cause.value}: {record.ending.detail}"
        case Cause.TRIPLE_FAULT:
            verdict = Verdict.TRIPLE_FAULT
            detail = (f"{_describe_exception(record.ending.exception)}, which the CPU could not "
                      f"even report, {where(record)}")
        case _:
            return None
    return Finding(verdict, detail, last_lines(record.console), _cause(verdict, record))


def ended_as(record: Record) -> str | None:
    """How the boot ended, in the words of lab.toml's `expect`; None if they do not cover it."""
    if crash := judge_crash(record):
        return next((word for word, verdict in _EXPECTED.items() if verdict is crash.verdict), None)
    return {Cause.PROMPT: "monitor", Cause.REBOOT: "reboot"}.get(record.ending.cause)
