# SPDX-License-Identifier: MIT
"""The result of grading one submission, and its form as JSON, which all other outputs start from.

The JSON object of one submission:

    schema       "ouroboros-grade/1"
    submission   null for a tree of one's own, else {"name", "student": the name in it, or "",
                 "digest", "ignored": [paths], "taken": ["NAME as PATH"], "missing": [paths],
                 "trouble": why nothing of it could be graded, or ""}
    error        null, or why the grader could not grade at all; then "labs" is empty
    infra        true if anything could not be judged: the points are not to be trusted
    sandbox      "bubblewrap", or why there is none
    version      {"grader": digest, "02-heap": digest…}: what it was judged by (course/version.py)
    points, max
    labs         [{"lab": 2, "name": "02-heap", "title", "points", "max", "notes": [text],
                   "heap": "own", or "given" for HEAP=given,
                   "tests": [{"name", "about", "verdict", "points", "max", "detail",
                              "cause": what is the same for the same failure,
                              "console": [lines], "run": command, "debug": command or "",
                              "own", "reference": null or {"verdict", "points", "detail"}}]}]

Where a test was judged twice, on the student's own earlier labs and on the reference ones,
the one of "own" and "reference" that does not count is there.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from course.lab import Lab, Question, Test
from course.model import ModelTest
from course.proving import ProofTest
from judging.verdict import Finding, Verdict

SCHEMA = "ouroboros-grade/1"


@dataclass(frozen=True)
class Score:
    """One test, graded."""
    test: Test | ProofTest | ModelTest | Question
    finding: Finding
    run: str = ""               # the command that shows it again
    debug: str = ""             # the command that shows it in GDB, stopped where it went wrong
    own: Finding | None = None          # on the student's own earlier labs, and
    reference: Finding | None = None    # on the reference ones, where `finding` is the other

    @property
    def points(self) -> int:
        share, whole = (1, 1) if self.finding.verdict is Verdict.PASS else self.finding.part
        return self.test.points * share // whole

    def beside(self, again: Score, counts: str) -> Score:
        """
        This score with that on the reference's earlier labs; `counts`: lab.EARLIER. The commands
        stay those for the student's own tree.
        """
        if counts == "own":
            return replace(self, reference=again.finding)
        return replace(self, finding=again.finding, own=self.finding)

    def _brief(self, finding: Finding | None) -> dict[str, Any] | None:
        if finding is None:
            return None
        return {"verdict": finding.verdict, "detail": finding.detail,
                "points": Score(self.test, finding).points}

    def as_dict(self) -> dict[str, Any]:
        finding = self.finding
        return {
            "name": self.test.name, "about": self.test.about,
            "verdict": finding.verdict, "points": self.points, "max": self.test.points,
            "detail": finding.detail, "cause": finding.cause or finding.detail,
            "console": list(finding.console), "run": self.run, "debug": self.debug,
            "own": self._brief(self.own), "reference": self._brief(self.reference),
        }


@dataclass
class LabScore:
    """One lab, graded."""
    lab: Lab
    scores: list[Score]
    notes: list[str] = field(default_factory=list)
    begun: bool = True          # is there anything of the student's to grade?
    heap: str = ""              # that stood in for the student's earlier labs: Task.heap

    @property
    def points(self) -> int:
        return sum(score.points for score in self.scores)

    @property
    def max(self) -> int:
        return sum(score.test.points for score in self.scores)

    @property
    def failures(self) -> list[Score]:
        return [score for score in self.scores if score.finding.verdict is not Verdict.PASS]

    def as_dict(self) -> dict[str, Any]:
        return {"lab": self.lab.number, "name": self.lab.name, "title": self.lab.title,
                "points": self.points, "max": self.max, "notes": self.notes,
                "heap": self.heap or "own",
                "tests": [score.as_dict() for score in self.scores]}


def as_dict(labs: list[LabScore], submission: dict[str, Any] | None = None, sandbox: str = "",
            error: str | None = None, version: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The result of one submission, ready for reports/formats.py."""
    return {
        "schema": SCHEMA, "submission": submission, "error": error,
        "infra": error is not None or any(score.finding.verdict is Verdict.INFRA
                                          for lab in labs for score in lab.scores),
        "sandbox": sandbox, "version": dict(version or {}),
        "points": sum(lab.points for lab in labs), "max": sum(lab.max for lab in labs),
        "labs": [lab.as_dict() for lab in labs],
    }
