# SPDX-License-Identifier: MIT
"""From what a boot showed to verdicts. Pure functions on a Record; nothing here boots anything.

The machine has the first word: how it ended, what its memory and its stack say. The console
decides only between PASS and WRONG, where the machine reports no failure.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import facts
import ktap
from findings import Autopsy, cause_of, describe_deadlock, describe_place
from lab import Question, Test
from machine import BROKEN, EXIT_FAILED, EXIT_PASSED, Cause, Ending, PanicKind


class Verdict(StrEnum):
    """Stable names: they appear in every output."""
    PASS = "PASS"
    WRONG = "WRONG"                         # a check failed
    PANIC = "PANIC"
    FAULT = "FAULT"
    STACK_OVERFLOW = "STACK_OVERFLOW"
    TRIPLE_FAULT = "TRIPLE_FAULT"
    DEADLOCK = "DEADLOCK"                   # a CPU waits for a lock that it holds
    HANG = "HANG"                           # no lock involved
    BOOT_FAIL = "BOOT_FAIL"                 # never got to where a test could run
    BUILD_FAIL = "BUILD_FAIL"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"     # an exercise or an answer that is not there yet
    INFRA = "INFRA"                         # our fault, or the host's


@dataclass(frozen=True)
class Panic:
    """The kernel's panic_record, read from the machine's memory."""
    kind: PanicKind
    message: str


@dataclass
class Record:
    """All that one boot showed."""
    ending: Ending
    console: str = ""
    panic: Panic | None = None
    autopsy: Autopsy | None = None
    screen: list[str] = field(default_factory=list)     # of VGA text, if the kernel never spoke
    facts: dict[str, facts.Value | facts.NoSuchThing] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """A verdict and the reason for it."""
    verdict: Verdict
    detail: str = ""
    console: tuple[str, ...] = ()           # the lines that show it
    cause: str = ""                         # if others' details may differ though it is the same

    def like(self, other: Finding) -> bool:
        """Is it the same failure, for all that we can tell?"""
        return (self.verdict, self.cause or self.detail) == \
            (other.verdict, other.cause or other.detail)


PASSED = Finding(Verdict.PASS)
CONTEXT_LINES = 14          # of console shown with a failure
DIAGNOSTICS = 3             # of a test's "# …" lines that go into the sentence

_PANIC_VERDICTS = {
    PanicKind.BUG: Verdict.PANIC, PanicKind.TODO: Verdict.NOT_IMPLEMENTED,
    PanicKind.FAULT: Verdict.FAULT, PanicKind.STACK_OVERFLOW: Verdict.STACK_OVERFLOW,
}

# What lab.toml expects, and the verdict that means just that.
_EXPECTED = {
    "deadlock": Verdict.DEADLOCK, "hang": Verdict.HANG, "panic": Verdict.PANIC,
    "fault": Verdict.FAULT, "stack_overflow": Verdict.STACK_OVERFLOW,
    "triple_fault": Verdict.TRIPLE_FAULT,
}


def last_lines(console: str) -> tuple[str, ...]:
    """The end of the console, for a report."""
    return tuple(console.rstrip().splitlines()[-CONTEXT_LINES:])


def _where(record: Record) -> str:
    return describe_place(record.autopsy) if record.autopsy else "at an unknown place"


def _judge_panic(record: Record) -> tuple[Verdict, str]:
    if record.panic is None or record.panic.kind not in _PANIC_VERDICTS:
        return Verdict.PANIC, f"the machine was told of a panic that the kernel did not record, " \
                              f"{_where(record)}"
    return (_PANIC_VERDICTS[record.panic.kind],
            f"{record.panic.message}; {_where(record)}")


def _judge_standstill(record: Record, why: str) -> tuple[Verdict, str]:
    """A machine that got no further: DEADLOCK if it is one by what its memory says."""
    autopsy = record.autopsy
    if autopsy and (lock := autopsy.deadlock):
        return Verdict.DEADLOCK, describe_deadlock(autopsy, lock)
    if not record.console:
        screen = f"; the screen says: {' / '.join(record.screen[-3:])}" if record.screen else ""
        return Verdict.BOOT_FAIL, f"the kernel never said a word{screen}"
    return Verdict.HANG, f"{why}, {_where(record)}"


def _cause(verdict: Verdict, record: Record) -> str:
    """What makes two crashes the same."""
    if verdict in (Verdict.INFRA, Verdict.BOOT_FAIL):
        return ""
    if verdict is Verdict.NOT_IMPLEMENTED and record.panic:
        return record.panic.message
    return cause_of(record.autopsy or Autopsy())


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
        case Cause.TRIPLE_FAULT:
            verdict = Verdict.TRIPLE_FAULT
            detail = f"the CPU could not even report an exception, {_where(record)}"
        case _:
            return None
    return Finding(verdict, detail, last_lines(record.console), _cause(verdict, record))


def ended_as(record: Record) -> str | None:
    """How the boot ended, in the words of lab.toml's `expect`; None if they do not cover it."""
    if crash := judge_crash(record):
        return next((word for word, verdict in _EXPECTED.items() if verdict is crash.verdict), None)
    return {Cause.PROMPT: "monitor", Cause.REBOOT: "reboot"}.get(record.ending.cause)


def judge_build(message: str) -> Finding:
    """The verdict on sources that do not build. A patch may have moved the lines of a file."""
    cause = re.sub(r"^\S*?([^/\s:]+):[\d:]+ ", r"\1: ", message.partition("\n")[0])
    return Finding(Verdict.BUILD_FAIL, message, cause=cause)


# ---- in-kernel tests


def _judge_result(result: ktap.Result) -> Finding:
    notes = [line.removeprefix("# ") for line in result.output
             if line.startswith("# ") and not line.startswith("# seed ")]
    shown = tuple(result.output[-CONTEXT_LINES:])
    match result.status:
        case ktap.Status.PASSED:
            return PASSED
        case ktap.Status.TODO:
            return Finding(Verdict.NOT_IMPLEMENTED, f"TODO {result.reason}", shown)
        case ktap.Status.SKIPPED:
            return Finding(Verdict.WRONG, f"skipped: {result.reason}", shown)
    detail = "; ".join(notes[-DIAGNOSTICS:]) or "failed"
    return Finding(Verdict.WRONG, detail, shown, cause=re.sub(r"\b0x[0-9a-f]+", "0x…", detail))


def _judge_end_of_tests(record: Record, report: ktap.Report) -> Finding | None:
    """What tests that passed or did not report get from a boot that ended in its own time."""
    lines = last_lines(record.console)
    cause, status = record.ending.cause, record.ending.status
    failed = any(result.status in (ktap.Status.FAILED, ktap.Status.TODO)
                 for result in report.results.values())
    if not report.started:
        return Finding(Verdict.BOOT_FAIL, f"ended before the tests began: {cause.value}", lines)
    if cause is not Cause.EXIT or status not in (EXIT_PASSED, EXIT_FAILED):
        return Finding(Verdict.WRONG, f"did not run: {cause.value} among the tests", lines)
    if failed != (status == EXIT_FAILED):
        says = "passed" if status == EXIT_PASSED else "failed"
        return Finding(Verdict.WRONG, f"the console and the machine disagree: the machine's exit "
                                      f"status {status} says that the tests {says}", lines)
    return None


def judge_ktests(names: list[str], record: Record) -> dict[str, Finding]:
    """
    Verdicts for the in-kernel tests that a boot was asked to run. Without one are those whose
    turn had not come when another test brought the kernel down: they can be run again.
    """
    report = ktap.parse(record.console)
    results = {name: _judge_result(report.results[name])
               for name in names if name in report.results}
    missing = [name for name in names if name not in results]
    if crash := judge_crash(record):
        running = record.autopsy.test if record.autopsy else None
        if running is None:         # not one of ours was running, whatever the console says
            return dict.fromkeys(names, crash)
        return results | ({running: crash} if running in names else dict.fromkeys(missing, crash))
    end = _judge_end_of_tests(record, report)
    why = "the kernel has no test of this name"
    if report.planned is not None and report.planned > len(report.results):
        why = "the machine switched itself off before its result"
    did_not_run = Finding(Verdict.WRONG, f"did not run: {why}", last_lines(record.console))
    return ({name: end if end and result is PASSED else result for name, result in results.items()}
            | {name: end or did_not_run for name in missing})


def in_doubt(found: dict[str, Finding], record: Record) -> list[str]:
    """
    The tests of one boot that may be WRONG only because of what went wrong before them: not
    the first that the kernel itself reported, nor one that had the boot to itself.
    """
    reported = ktap.parse(record.console).results
    first = next((name for name, result in reported.items()
                  if result.status is not ktap.Status.PASSED), None)
    return [name for name, finding in found.items()
            if finding.verdict is Verdict.WRONG and name != first and len(found) > 1]


# ---- boots that must end in a certain way


def _judge_console(test: Test, console: str) -> Finding | None:
    """A complaint about what is, or is not, on the console."""
    position = 0
    for pattern in test.console:
        match = re.compile(pattern, re.MULTILINE).search(console, position)
        if match is None:
            return Finding(Verdict.WRONG, f"the console never says {pattern!r}"
                                          + (" after what comes before it" if position else ""),
                           last_lines(console))
        position = match.end()
    for pattern in test.console_never:
        if match := re.search(pattern, console, re.MULTILINE):
            return Finding(Verdict.WRONG, f"the console says {match[0]!r}",
                           last_lines(console[:match.end()]))
    return None


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
            Verdict.WRONG if record.ending.cause is Cause.PROMPT else Verdict.BOOT_FAIL,
            f"no {test.expect}, but {record.ending.cause.value}", lines)
    if crash and (difference := _judge_stack(test, record)):
        return Finding(crash.verdict, f"{difference}; {crash.detail}", lines)
    return _judge_console(test, record.console) or PASSED


# ---- questions


def judge_answer(question: Question, answer: Any,
                 measured: facts.Value | facts.NoSuchThing | Finding) -> Finding:
    """The verdict on one answer. `measured` may be the reason why its fact was not measured."""
    if not facts.is_answered(answer):
        return Finding(Verdict.NOT_IMPLEMENTED, "not answered yet")
    if isinstance(measured, facts.NoSuchThing):
        return Finding(Verdict.INFRA, str(measured))
    if isinstance(measured, Finding):
        return Finding(measured.verdict, f"nothing to compare it to: {measured.detail}",
                       cause=measured.cause or measured.detail)
    if facts.matches(answer, measured, question.contains):
        return PASSED
    form = facts.form(measured, question.contains)
    if not facts.has_form(answer, measured):
        return Finding(Verdict.WRONG, f"{question.key} = {answer!r} is not {form}")
    return Finding(Verdict.WRONG, f"{question.key} = {answer!r} is {form}, as it should be, "
                                  "but not the one that the machine shows")
