# SPDX-License-Identifier: MIT
"""Known-bad submissions, and whether each gets the verdict that it deserves.

A mutant is a patch grader/mutants/NN/NAME.patch of lab NN, with a header of lines

    What: the mistake, in a few words
    Expect: TEST VERDICT

It is caught if each test that the header names gets just that verdict, and so loses its points.
A patch that does not apply, or whose header is not like this, is an error and not caught.
"""
from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from course import lab as labs
from course.build import Builder
from course.lab import Lab
from judging import conduct
from judging.grading import Grader, Task, Watcher
from judging.result import LabScore
from judging.verdict import Verdict
from machine.host import ROOT, temporary_directory

DIRECTORY = ROOT / "grader/mutants"
NOT_A_MISTAKE = {Verdict.PASS, Verdict.INFRA}


class BadMutant(Exception):
    """A patch's header is not as it must be."""


@dataclass
class Mutant:
    """One known-bad submission, and what became of it."""
    patch: Path
    what: str = ""
    expected: dict[str, str] = field(default_factory=dict)      # verdicts by test
    found: dict[str, str] = field(default_factory=dict)
    error: str = ""                                 # why it could not be graded

    @property
    def lab(self) -> int:
        return int(self.patch.parent.name)

    @property
    def is_caught(self) -> bool:
        return not self.error and bool(self.expected) and self.found == self.expected


def patches(numbers: list[int] | None = None) -> list[Path]:
    """All mutants, or those of some labs."""
    return [patch for patch in sorted(DIRECTORY.glob("[0-9][0-9]/*.patch"))
            if numbers is None or int(patch.parent.name) in numbers]


def header(patch: Path) -> dict[str, list[str]]:
    """The lines "Key: value" before the diff."""
    found: dict[str, list[str]] = {}
    for line in patch.read_text(encoding="utf-8").split("\n--- ")[0].splitlines():
        key, colon, value = line.partition(": ")
        if colon and key.isalpha():
            found.setdefault(key, []).append(value.strip())
    return found


def _read_header(mutant: Mutant, lab: Lab) -> None:
    """Fills in what the patch says of itself. Raises BadMutant."""
    lines = header(mutant.patch)
    if set(lines) != {"What", "Expect"} or len(lines["What"]) != 1:
        raise BadMutant('its header must be one line "What: …" and lines "Expect: TEST VERDICT"')
    mutant.what, = lines["What"]
    names = {test.name for test in lab.tests if test.points > 0}
    for line in lines["Expect"]:
        test, _, verdict = line.partition(" ")
        if test not in names:
            raise BadMutant(f"lab {lab.number} has no test {test} that is worth points")
        if verdict not in set(Verdict) - NOT_A_MISTAKE:
            raise BadMutant(f"{verdict!r} is not the verdict on a mistake")
        mutant.expected[test] = verdict


async def _grade_one(grader: Grader, mutant: Mutant) -> None:
    """Grades the tests that a mutant names."""
    lab = labs.load(labs.available()[mutant.lab])
    try:
        _read_header(mutant, lab)
    except BadMutant as error:
        mutant.error = str(error)
        return
    tests = [test for test in lab.tests if test.name in mutant.expected]
    graded, = await grader.grade([Task(lab, tests, mutant.patch)])
    mutant.found = {score.test.name: str(score.finding.verdict) for score in graded.scores}
    mutant.error = next((score.finding.detail for score in graded.scores
                         if score.finding.verdict is Verdict.INFRA), "")


async def grade(chosen: list[Path], references: list[Lab] = [], jobs: int = os.cpu_count() or 1,
                done: Callable[[], None] = lambda: None) -> tuple[list[Mutant], list[LabScore]]:
    """
    Grades mutants, and the reference solutions of some labs, with at most `jobs` machines at a
    time; calls `done` after each.
    """
    mutants = [Mutant(patch) for patch in chosen]
    places = asyncio.Semaphore(2 * jobs)        # while one boots, another is built
    with temporary_directory() as private:
        grader = Grader(Builder(Path(private), conduct.inspect), asyncio.Semaphore(jobs), Watcher())

        async def one(mutant: Mutant) -> None:
            async with places:
                await _grade_one(grader, mutant)
            done()

        async def reference(lab: Lab) -> LabScore:
            async with places:
                graded, = await grader.grade([Task(lab, lab.tests, None)])
            done()
            return graded

        async with asyncio.TaskGroup() as group:
            graded = [group.create_task(reference(lab)) for lab in references]
            for mutant in mutants:
                group.create_task(one(mutant))
    return mutants, [task.result() for task in graded]


# ---- what it shows


def table(mutants: list[Mutant]) -> Table:
    table = Table("lab", "mutant", "what", "expected", "found", "caught", box=SIMPLE_HEAD)
    for mutant in mutants:
        row = [str(mutant.lab), mutant.patch.stem, mutant.what,
               "\n".join(map(" ".join, mutant.expected.items())),
               mutant.error or "\n".join(mutant.found[test] for test in mutant.expected),
               "yes" if mutant.is_caught else "error" if mutant.error else "NO"]
        table.add_row(*map(Text, row), style="" if mutant.is_caught else "bold red")
    return table


def kill_rate(mutants: list[Mutant]) -> str:
    """As "17 of 17 caught"."""
    return f"{sum(mutant.is_caught for mutant in mutants)} of {len(mutants)} caught"


def summary(mutants: list[Mutant], references: list[LabScore]) -> list[str]:
    """The kill rates, and what became of the reference solutions."""
    lines = []
    for reference in references:
        of_lab = [mutant for mutant in mutants if mutant.lab == reference.lab.number]
        lines.append(f"lab {reference.lab.number}: {kill_rate(of_lab)}; "
                     f"the reference has {reference.points} of {reference.max} points")
        lines += [f"  the reference fails {score.test.name}: {score.finding.verdict}, "
                  f"{score.finding.detail}" for score in reference.failures]
    return [*lines, f"in total: {kill_rate(mutants)}"]
