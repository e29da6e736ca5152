# SPDX-License-Identifier: MIT
"""From what a boot showed to verdicts on its in-kernel tests. Pure functions on a Record.

The result of a test is in the machine's memory; the console only explains it.
"""
from __future__ import annotations

from dataclasses import replace

from judging import ktap, replay
from judging.crash import CONTEXT_LINES, judge_crash, last_lines, where, without_numbers
from judging.record import Record
from judging.verdict import PASSED, Finding, Verdict
from machine.abi import Outcome
from machine.ending import Cause

DIAGNOSTICS = 3             # of a test's "# …" lines that go into the sentence

_FAILURES = (Outcome.FAILED, Outcome.TODO)      # what makes all tests together fail
_STATUSES = {Outcome.FAILED: ktap.Status.FAILED, Outcome.SKIPPED: ktap.Status.SKIPPED,
             Outcome.TODO: ktap.Status.TODO}
_SAID = {Outcome.RUNNING: "was running", Outcome.PASSED: "passed", Outcome.FAILED: "failed",
         Outcome.SKIPPED: "was skipped", Outcome.TODO: "came upon an exercise"}

_NOT_PASSED = (Outcome.RUNNING, Outcome.SKIPPED, *_FAILURES)

# What may become of a test because others ran before it and left things in a mess, or little memory.
_MAY_FOLLOW = (Verdict.WRONG, Verdict.PANIC, Verdict.FAULT, Verdict.STACK_OVERFLOW,
               Verdict.TRIPLE_FAULT, Verdict.DEADLOCK, Verdict.HANG)

_EARLY_ENDS = {Cause.OFF: "the machine switched itself off", Cause.REBOOT: "the machine reset itself",
               Cause.PROMPT: "the monitor came up"}


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
    return Finding(Verdict.WRONG, detail, shown, cause=without_numbers(detail))


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
    place = f", {where(record)}" if record.autopsy else ""
    return Finding(Verdict.WRONG if began else Verdict.BOOT_FAIL, how + place,
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
                           "the kernel's: the other one must go"))
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
    The tests of one boot that may have failed only because of what ran before them: all but the
    first that ran. A boot that ended before its tests began would end so again.
    """
    outcomes = record.tests.outcomes
    ran = [name for name, outcome in outcomes.items() if outcome is not Outcome.NOT_RUN]

    def is_suspect(name: str, finding: Finding) -> bool:
        if outcomes.get(name) not in _NOT_PASSED:
            return finding.verdict is Verdict.WRONG
        return finding.verdict in _MAY_FOLLOW and name != ran[0]

    return [name for name, finding in found.items() if len(found) > 1 and is_suspect(name, finding)]
