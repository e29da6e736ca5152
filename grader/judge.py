# SPDX-License-Identifier: MIT
"""From what a boot showed to verdicts. Pure functions on a Record; nothing here boots anything.

The machine has the first word: how it ended, what its memory and its stack say. The result of
an in-kernel test is in memory; the console only explains it. Of a boot that must end in a
certain way, and did, the console decides between PASS and WRONG.
"""
from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import facts
import ktap
import replay
from findings import Autopsy, cause_of, describe_deadlock, describe_place, describe_recursion
from lab import Question, Test, students_sources
from machine import BROKEN, Cause, CpuException, Ending, Outcome, PanicKind
from recording import Recording


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


@dataclass(frozen=True)
class Results:
    """What the kernel's variables say of its tests. Outcomes are in the order of running."""
    whole: Outcome = Outcome.NOT_RUN        # PASSED or FAILED once all have run
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    traces: dict[str, replay.Trace] = field(default_factory=dict)
    ram: replay.Ram = replay.Ram()          # by the kernel's memory map
    impostor: str = ""                      # a variable that somebody else defines as well

    @property
    def are_complete(self) -> bool:
        return self.whole in (Outcome.PASSED, Outcome.FAILED)


@dataclass
class Record:
    """All that one boot showed."""
    ending: Ending
    console: str = ""
    panic: Panic | None = None
    tests: Results = Results()
    autopsy: Autopsy | None = None
    screen: list[str] = field(default_factory=list)     # of VGA text, if the kernel never spoke
    facts: dict[str, facts.Value | facts.NoSuchThing] = field(default_factory=dict)
    recording: Recording | None = None


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
REPORT_LINES = 60           # that the kernel's own report of its end has at most
DIAGNOSTICS = 3             # of a test's "# …" lines that go into the sentence

_PANIC_VERDICTS = {
    PanicKind.BUG: Verdict.PANIC, PanicKind.TODO: Verdict.NOT_IMPLEMENTED,
    PanicKind.FAULT: Verdict.FAULT, PanicKind.STACK_OVERFLOW: Verdict.STACK_OVERFLOW,
}

_EXCEPTIONS = {     # Intel SDM volume 3A, table 6-1
    0: "divide error", 3: "breakpoint", 6: "invalid opcode", 8: "double fault", 10: "invalid TSS",
    11: "segment not present", 12: "stack fault", 13: "general protection fault", 14: "page fault",
}

_FAILURES = (Outcome.FAILED, Outcome.TODO)      # what makes all tests together fail
_STATUSES = {Outcome.FAILED: ktap.Status.FAILED, Outcome.SKIPPED: ktap.Status.SKIPPED,
             Outcome.TODO: ktap.Status.TODO}
_SAID = {Outcome.RUNNING: "was running", Outcome.PASSED: "passed", Outcome.FAILED: "failed",
         Outcome.SKIPPED: "was skipped", Outcome.TODO: "came upon an exercise"}

# What may become of a test because another one failed before it and left things in a mess.
_MAY_FOLLOW = (Verdict.WRONG, Verdict.PANIC, Verdict.FAULT, Verdict.STACK_OVERFLOW,
               Verdict.TRIPLE_FAULT, Verdict.DEADLOCK, Verdict.HANG)

_EARLY_ENDS = {Cause.OFF: "the machine switched itself off", Cause.REBOOT: "the machine reset itself",
               Cause.PROMPT: "the monitor came up"}

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


def _where(record: Record) -> str:
    return describe_place(record.autopsy) if record.autopsy else "at an unknown place"


def _judge_panic(record: Record) -> tuple[Verdict, str]:
    if record.panic is None or record.panic.kind not in _PANIC_VERDICTS:
        return Verdict.PANIC, f"the machine was told of a panic that the kernel did not record, " \
                              f"{_where(record)}"
    if record.panic.kind is PanicKind.TODO:
        return Verdict.NOT_IMPLEMENTED, record.panic.message
    recursion = describe_recursion(record.autopsy or Autopsy()) \
        if record.panic.kind is PanicKind.STACK_OVERFLOW else ""
    return (_PANIC_VERDICTS[record.panic.kind],
            "; ".join(filter(None, [record.panic.message, recursion, _where(record)])))


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
        screen = f"; the screen says: {' / '.join(record.screen[-3:])}" if record.screen else ""
        return Verdict.BOOT_FAIL, f"the kernel never said a word{screen}"
    return Verdict.HANG, f"{why}, {_where(record)}"


@functools.cache
def _students_files() -> frozenset[str]:
    return frozenset(Path(source).name for source in students_sources())


def _without_numbers(text: str) -> str:
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
    return " in ".join(filter(None, [_without_numbers(message), place]))


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
            detail = (f"{_describe_exception(record.ending.exception)}, which the CPU could not "
                      f"even report, {_where(record)}")
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


def _judge_failure(name: str, outcome: Outcome, results: list[ktap.Result]) -> Finding:
    """The verdict on a test that ended without passing, with what it printed about that."""
    printed = ktap.find(results, name, _STATUSES[outcome])
    shown = tuple(printed.output[-CONTEXT_LINES:])
    match outcome:
        case Outcome.TODO:
            return Finding(Verdict.NOT_IMPLEMENTED, f"TODO {printed.reason}", shown)
        case Outcome.SKIPPED:
            return Finding(Verdict.WRONG, f"skipped: {printed.reason}", shown)
    detail = "; ".join(printed.notes[-DIAGNOSTICS:]) or "failed"
    return Finding(Verdict.WRONG, detail, shown, cause=_without_numbers(detail))


def _judge_pass(name: str, record: Record, seed: int) -> Finding:
    """The verdict on a test that passed, by what the kernel's memory says."""
    tests = record.tests
    failed = any(outcome in _FAILURES for outcome in tests.outcomes.values())
    if tests.are_complete and failed != (tests.whole is Outcome.FAILED):
        return Finding(Verdict.WRONG, "the kernel's memory says of this test that it passed, but "
                                      f"of all together that they {tests.whole.name.lower()}",
                       last_lines(record.console))
    if name in replay.TRACED and (
            wrong := replay.complaint(name, tests.traces[name], tests.ram, seed)):
        return Finding(Verdict.WRONG, f"it passed by the kernel's word, but not when replayed: {wrong}",
                       cause=f"{name}, replayed")
    return PASSED


def _judge_early_end(record: Record) -> Finding:
    """The verdict on a boot that was over before its tests were."""
    if record.tests.are_complete:
        return Finding(Verdict.WRONG, "did not run, though all tests have by the kernel's word",
                       last_lines(record.console))
    began = record.tests.whole is not Outcome.NOT_RUN
    how = f"{_EARLY_ENDS.get(record.ending.cause, record.ending.cause.value)} before " \
          f"{'its result' if began else 'the tests began'}"
    where = f", {_where(record)}" if record.autopsy else ""
    return Finding(Verdict.WRONG if began else Verdict.BOOT_FAIL, how + where,
                   last_lines(record.console), cause=how)


def _unmask(name: str, finding: Finding, results: list[ktap.Result]) -> Finding:
    """Adds to the verdict on a test that has not passed that somebody printed that it has."""
    if not any((result.name, result.status) == (name, ktap.Status.PASSED) for result in results):
        return finding
    return replace(finding, cause=finding.cause or finding.detail, detail=
                   f"{finding.detail}; that it passed is on the console, but the kernel did not "
                   "print it")


def _judge_in_order(names: list[str], record: Record, results: list[ktap.Result], end: Finding,
                    seed: int) -> dict[str, Finding]:
    """Verdicts on tests as memory has them; `end` is that on the one that was running."""
    outcomes = record.tests.outcomes
    is_running = any(outcomes[name] is Outcome.RUNNING for name in names)
    is_its_turn = True
    found = {}
    for name in (name for name in outcomes if name in names):
        outcome = outcomes[name]
        if outcome is Outcome.NOT_RUN:
            if not is_running:          # else it can be run again
                found[name] = end
        elif not is_its_turn:
            found[name] = Finding(Verdict.WRONG, "the kernel's memory says of this test that it "
                                  f"{_SAID[outcome]}, but its turn had not come")
        elif outcome is Outcome.RUNNING:
            found[name] = end
        elif outcome is Outcome.PASSED:
            found[name] = _judge_pass(name, record, seed)
        else:
            found[name] = _judge_failure(name, outcome, results)
        is_its_turn = is_its_turn and outcome not in (Outcome.NOT_RUN, Outcome.RUNNING)
    return found


def judge_ktests(names: list[str], record: Record, seed: int) -> dict[str, Finding]:
    """
    Verdicts for the in-kernel tests that a boot was asked to run, with that seed. Without one
    are those whose turn had not come when another test ended the boot: they can be run again.
    """
    tests = record.tests
    known = [name for name in names if name in tests.outcomes]
    running = [name for name in known if tests.outcomes[name] is Outcome.RUNNING]
    results = ktap.parse(record.console)
    crash = judge_crash(record)
    end = crash or _judge_early_end(record)
    if tests.impostor:
        found = dict.fromkeys(names, Finding(
            Verdict.WRONG, f"there are two variables {tests.impostor}, of which the grader reads "
                           "the kernel's: the other one has no business there"))
    elif tests.whole is Outcome.NOT_RUN or (crash and not running):
        found = dict.fromkeys(names, end)
    else:
        missing = Finding(Verdict.WRONG, "did not run: the kernel has no test of this name")
        found = _judge_in_order(known, record, results, end, seed) \
            | {name: missing for name in names if name not in known}
    return {name: finding if tests.outcomes.get(name) is Outcome.PASSED
            else _unmask(name, finding, results) for name, finding in found.items()}


def in_doubt(found: dict[str, Finding], record: Record) -> list[str]:
    """
    The tests of one boot that may have failed only because of what went wrong before them: not
    the first that failed by the kernel's word, nor one that had the boot to itself.
    """
    first = next((name for name, outcome in record.tests.outcomes.items()
                  if name in found and outcome in (*_FAILURES, Outcome.SKIPPED)), None)
    suspects = (Verdict.WRONG,) if first is None else _MAY_FOLLOW
    return [name for name, finding in found.items()
            if finding.verdict in suspects and name != first and len(found) > 1]


# ---- boots that must end in a certain way


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
            + ("" if record.ending.cause is Cause.PROMPT else f", {_where(record)}"),
            lines)
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
    if facts.matches(answer, measured, question.contains, question.at_least):
        return PASSED
    form = facts.form(measured, question.contains)
    if not facts.has_form(answer, measured):
        return Finding(Verdict.WRONG, f"{question.key} = {answer!r} is not {form}")
    return Finding(Verdict.WRONG, f"{question.key} = {answer!r} is {form}, as it should be, "
                                  "but not the one that the machine shows")
