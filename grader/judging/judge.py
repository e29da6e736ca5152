# SPDX-License-Identifier: MIT
"""From what was observed to verdicts: on a build, on a boot that must end in a certain way, on an
answer. Pure functions; nothing here boots anything.

Of a boot that must end in a certain way, and did, the console decides between PASS and WRONG.
ktests.py has the verdicts on in-kernel tests, crash.py those on what a boot died of.
"""
from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from course.answers import is_answered
from course.lab import Question, Test
from judging import comparing, facts
from judging.crash import ended_as, judge_crash, last_lines, where
from judging.findings import Autopsy
from judging.record import Record
from judging.verdict import PASSED, Finding, Verdict
from machine.ending import Cause

# What the kernel's record has behind its own words if the report came upon an exercise.
TODO_IN_REPORT = "; NOT IMPLEMENTED: "


def judge_build(message: str) -> Finding:
    """
    The verdict on sources that do not build. The same mistake has the same cause on whatever line and in
    whatever directory, also where the linker finds it and names itself first, or an address for the line.
    """
    cause = re.sub(r"^(?:\S*ld(?:\.\w+)?: )?\S*?([^/\s:]+):(?:[\d:]+|\([^()\s]+\):) ", r"\1: ",
                   message.partition("\n")[0])
    return Finding(Verdict.BUILD_FAIL, message, cause=cause)


def _judge_console(test: Test, console: str) -> Finding | None:
    """A complaint about what is, or is not, on the console."""
    position = 0
    for pattern in test.console:
        match = re.compile(pattern, re.MULTILINE).search(console, position)
        if match is None:
            return Finding(Verdict.WRONG, f"the console never says /{pattern}/"
                                          + (" after what comes before it" if position else ""),
                           last_lines(console))
        position = match.end()
    for pattern in test.console_never:
        if match := re.search(pattern, console, re.MULTILINE):
            return Finding(Verdict.WRONG, f"the console says {match[0]!r}",
                           last_lines(console[:match.end()]))
    return None


def _judge_memory(test: Test, memory: str) -> Finding | None:
    """A complaint about what the kernel's variables do not hold."""
    missing = next((pattern for pattern in test.memory if not re.search(pattern, memory)), None)
    return missing and Finding(Verdict.WRONG, f"/{missing}/ is nowhere in the kernel's variables")


def _judge_stack(test: Test, record: Record) -> str | None:
    """How the stopped machine differs from the one that the test asks for."""
    autopsy = record.autopsy or Autopsy()
    if test.lock and (lock := autopsy.deadlock) and lock.name != test.lock:
        return f"a deadlock, but on {lock.name} instead of {test.lock}"
    rest = iter(autopsy.functions)
    for function in test.frames:
        if function not in rest:
            return f"not along {' → '.join(test.frames)}: {function} is missing there"
    return None


def judge_end(test: Test, record: Record) -> Finding:
    """The verdict on a boot that must end as test.expect says."""
    crash = judge_crash(record)
    lines = last_lines(record.console)
    if ended_as(record) != test.expect:
        return crash or Finding(
            Verdict.WRONG if record.ending.cause in (Cause.PROMPT, Cause.FALSE_PROMPT)
            else Verdict.BOOT_FAIL,
            f"no {test.expect}, but {record.ending.cause.value}"
            + ("" if record.ending.cause is Cause.PROMPT else f", {where(record)}"),
            lines)
    if crash and (difference := _judge_stack(test, record)):
        return Finding(crash.verdict, f"{difference}; {crash.detail}", lines)
    complaint = _judge_console(test, record.console) or _judge_memory(test, record.memory)
    if complaint and record.panic and TODO_IN_REPORT in record.panic.message:
        return replace(complaint, verdict=Verdict.NOT_IMPLEMENTED,
                       detail=record.panic.message.partition(TODO_IN_REPORT)[2])
    return complaint or PASSED


def judge_answer(question: Question, answer: Any,
                 measured: facts.Value | facts.NoSuchThing | Finding) -> Finding:
    """The verdict on one answer. `measured` may be the reason why its fact was not measured."""
    if not is_answered(answer):
        return Finding(Verdict.NOT_IMPLEMENTED, "not answered yet")
    if isinstance(measured, facts.NoSuchThing):
        return Finding(Verdict.INFRA, str(measured))
    if isinstance(measured, Finding):
        return Finding(measured.verdict, f"nothing to compare it to: {measured.detail}",
                       cause=measured.cause or measured.detail)
    if comparing.matches(answer, measured, question.contains, question.at_least):
        return PASSED
    form = comparing.form(measured)
    if not comparing.has_form(answer, measured):
        return Finding(Verdict.WRONG, f"{question.key} = {answer!r} is not {form}")
    return Finding(Verdict.WRONG, f"{question.key} = {answer!r} is {form}, as it should be, "
                                  "but not the one that the machine shows")
