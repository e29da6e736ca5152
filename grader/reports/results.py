# SPDX-License-Identifier: MIT
"""The results of a class: its submissions' JSON files (judging/result.py), read with suspicion.

A submission is called as its file is, so that two of one report cannot be mistaken for each
other. Failures of the same cause form a Cluster, whoever's and in whichever test they are.
"""
from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from course.table import LabError, Table
from judging.result import SCHEMA
from judging.verdict import Verdict
from reports import formats
from reports.causes import together

HEADLINE = 150              # characters of a text on one line


class Damaged(Exception):
    """A file that holds no result."""


@dataclass(frozen=True)
class Outcome:
    """One test of one submission."""
    name: str
    verdict: Verdict
    points: int
    max: int
    detail: str
    cause: str              # the same for the same failure
    console: tuple[str, ...]
    run: str
    debug: str
    beside: tuple[str, Verdict, str] | None     # on whose earlier labs it did what, uncounted

    @property
    def lost(self) -> int:
        return self.max - self.points


@dataclass(frozen=True)
class LabResult:
    """One lab of one submission."""
    number: int
    name: str
    title: str
    points: int
    max: int
    notes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    by_hand: int | None = None      # points that an instructor has given instead

    @property
    def counted(self) -> int | None:
        """The points that count; None if it could not be judged, and nobody has said what it is worth."""
        return self.by_hand if self.by_hand is not None else None if self.infra else self.points

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.verdict is not Verdict.PASS]

    @property
    def infra(self) -> bool:
        return any(outcome.verdict is Verdict.INFRA for outcome in self.outcomes)

    @property
    def verdicts(self) -> str:
        """Every verdict that is not PASS, with how often it was given; else PASS."""
        counts = Counter(outcome.verdict for outcome in self.failures)
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) or "PASS"

    @property
    def worst(self) -> Verdict:
        """The verdict that costs most; INFRA before any other."""
        if self.infra:
            return Verdict.INFRA
        lost: Counter[Verdict] = Counter()
        for outcome in self.failures:
            lost[outcome.verdict] += outcome.lost
        return lost.most_common(1)[0][0] if lost else Verdict.PASS


@dataclass(frozen=True)
class Override:
    """What an instructor has decided by hand of a submission."""
    points: dict[str, int]          # instead of the judged ones, by the lab's name
    late_days: int
    reason: str


@dataclass(frozen=True)
class Result:
    """One submission, or a student who has handed in nothing."""
    name: str
    digest: str             # of its files; "" if there are none
    student: str            # the name in it, or ""
    graded_at: float        # when its file was written
    error: str              # "" unless it could not be graded at all
    again: bool             # it is to be graded again: its points are not to be trusted
    sandbox: str
    version: dict[str, str]     # what it was judged by, as course/version.py has it
    points: int
    max: int
    labs: tuple[LabResult, ...]
    ignored: tuple[str, ...]
    taken: tuple[str, ...]
    missing: tuple[str, ...]
    trouble: str            # why nothing of it could be graded, though that is not our fault
    override: Override | None = None
    absent: bool = False    # nothing was handed in

    @property
    def counted(self) -> int | None:
        """The points that count; None if there are none yet."""
        labs = [lab.counted for lab in self.labs]
        if not labs:
            return sum(self.override.points.values()) if self.override and self.override.points else None
        return None if None in labs else sum(labs)

    def counted_in(self, name: str) -> int | None:
        """The same of one lab."""
        lab = self.lab(name)
        return lab.counted if lab else self.override.points.get(name) if self.override else None

    def lab(self, name: str) -> LabResult | None:
        return next((lab for lab in self.labs if lab.name == name), None)

    @property
    def reasons(self) -> list[str]:
        """Why it is to be graded again, or to be looked at."""
        infra = [f"{lab.name}: {outcome.detail}" for lab in self.labs for outcome in lab.outcomes
                 if outcome.verdict is Verdict.INFRA]
        return [reason for reason in (self.error, self.trouble) if reason] + list(dict.fromkeys(infra))


@dataclass
class Cluster:
    """The same failure of one or more submissions."""
    lab: LabResult
    example: Outcome
    seen_in: Result                                     # where the example is from
    hits: dict[str, list[Outcome]] = field(default_factory=dict)    # by submission

    @property
    def lost(self) -> int:
        return sum(outcome.lost for outcomes in self.hits.values() for outcome in outcomes)


def key_of(lab: LabResult, outcome: Outcome) -> tuple[str, Verdict, str]:
    """What is the same for the same failure."""
    return lab.name, outcome.verdict, outcome.cause


Clusters = dict[tuple[str, Verdict, str], Cluster]


def cluster(results: Iterable[Result]) -> Clusters:
    """All failures by their cause; those of most submissions, then most points, first."""
    failures = [(result, lab, outcome) for result in results if not result.trouble
                for lab in result.labs for outcome in lab.failures
                if outcome.verdict is not Verdict.INFRA]
    found: Clusters = {}
    for alike in together(failures, lambda failure: key_of(*failure[1:])):
        result, lab, outcome = alike[0]
        group = found[key_of(lab, outcome)] = Cluster(lab, outcome, result)
        for result, _, outcome in alike:
            group.hits.setdefault(result.name, []).append(outcome)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1].hits), -item[1].lost, item[0])))


# ---- reading


def _read_beside(table: Table) -> tuple[str, Verdict, str] | None:
    for key, whose in (("own", "the student's own"), ("reference", "the reference's")):
        if table.values.get(key) is not None:
            other = Table(table.take(key, dict), f"{table.place}, {key}")
            return whose, Verdict(other.take("verdict", str)), other.take("detail", str)
    return None


def _read_outcome(table: Table) -> Outcome:
    detail = table.take("detail", str)
    return Outcome(
        name=table.take("name", str), verdict=Verdict(table.take("verdict", str)),
        points=table.take("points", int), max=table.take("max", int), detail=detail,
        cause=table.take("cause", str, detail), console=table.strings("console"),
        run=table.take("run", str, ""), debug=table.take("debug", str, ""),
        beside=_read_beside(table))


def _read_lab(table: Table) -> LabResult:
    return LabResult(
        number=table.take("lab", int), name=table.take("name", str), title=table.take("title", str),
        points=table.take("points", int), max=table.take("max", int), notes=table.strings("notes"),
        outcomes=tuple(_read_outcome(test) for test in table.tables("tests")))


def read(path: Path) -> Result:
    """Reads the result of one submission. Raises Damaged."""
    try:
        values = formats.clean(json.loads(path.read_text(encoding="utf-8")))
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            raise Damaged(f"not a result: its schema is not {SCHEMA}")
        table = Table(values, "result")
        submission = Table(values.get("submission") or {}, "submission")
        error = table.take("error", str) if values.get("error") is not None else ""
        labs = tuple(_read_lab(lab) for lab in table.tables("labs"))
        return Result(
            name=formats.clean(path.stem), digest=submission.take("digest", str, ""),
            student=submission.take("student", str, ""), graded_at=path.stat().st_mtime, error=error, again=table.take("infra", bool) or bool(error),
            sandbox=table.take("sandbox", str, ""), version=table.take("version", dict, {}), points=table.take("points", int),
            max=table.take("max", int), labs=labs, ignored=submission.strings("ignored"),
            taken=submission.strings("taken"), missing=submission.strings("missing"), trouble=submission.take("trouble", str, ""))
    except (OSError, ValueError, TypeError, RecursionError, LabError) as error:
        raise Damaged(str(error)) from None


def absent(name: str, labs: list[LabResult]) -> Result:
    """The row of a student who has handed in nothing. A zero is not ours to give."""
    return Result(name=name, digest="", student="", graded_at=0, error="", again=False, sandbox="",
                  version={}, points=0, max=sum(lab.max for lab in labs), labs=(), ignored=(), taken=(),
                  missing=(), trouble="handed in nothing", absent=True)


def namesakes(results: list[Result]) -> list[list[Result]]:
    """The results that say the same student's name, of each name that more than one says."""
    same: dict[str, list[Result]] = {}
    for result in results:
        if result.student:
            same.setdefault(result.student, []).append(result)
    return [group for group in same.values() if len(group) > 1]


def labs_of(results: list[Result]) -> list[LabResult]:
    """One of each lab that anyone was graded for, in their order."""
    found = {lab.name: lab for result in results for lab in result.labs}
    return sorted(found.values(), key=lambda lab: (lab.number, lab.name))


def short(text: str) -> str:
    """The beginning of a text, on one line."""
    return textwrap.shorten(text, HEADLINE, placeholder=" …") if " " in text[:HEADLINE] \
        else text[:HEADLINE]
