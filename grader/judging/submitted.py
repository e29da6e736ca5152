# SPDX-License-Identifier: MIT
"""Grades a submission: on its own earlier labs, and what fails there once more on ours."""
from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from course import workspace
from course.build import Builder, build_all
from course.lab import Lab, Question, available, students_files, students_sources
from course.model import ModelTest
from judging import conduct
from judging.grading import Grader, Task, Watcher
from judging.result import LabScore, Score
from judging.verdict import Verdict
from machine.host import ROOT


def _differs(files: Mapping[str, bytes], lab: Lab) -> bool:
    """Are a student's files of the labs before this one others than ours?"""
    return any(files.get(source) != (ROOT / source).read_bytes()
               for source in students_sources(lab.number - 1))


def _fall_short(graded: list[LabScore], lab: Lab) -> bool:
    """May the labs before this one be to blame? Not if all were graded, and had full points."""
    full = {score.lab.number for score in graded if not score.failures}
    return not {number for number in available() if number < lab.number} <= full


def _stands_alone(score: Score) -> bool:
    """Is it a question without an answer, or does it judge a model? No other lab could change that."""
    return isinstance(score.test, ModelTest) or (
        isinstance(score.test, Question) and score.finding.verdict is Verdict.NOT_IMPLEMENTED)


class SubmissionGrader:
    """
    Grades a submission in trees of its own: with the student's earlier labs, and what fails
    there once more with ours, so that one broken lab does not cost the points of the next.
    """

    def __init__(self, files: Mapping[str, bytes], private: Path, slots: asyncio.Semaphore,
                 watcher: Watcher, keep: Path | None = None, recordings: Path | None = None):
        """
        `keep`: where to leave a tree with the submission in it, for its reader to try.
        `recordings`: Grader's.
        """
        self.recordings = recordings
        self.files = files
        self.keep = keep
        self.private = private
        self.slots = slots
        self.watcher = watcher

    def _grader(self, name: str, files: Mapping[str, bytes], compiled: Collection[str] = (),
                recordings: Path | None = None) -> Grader:
        """A grader for a tree with these files of a student's, and objects of ours."""
        tree = workspace.make(self.private / name, students_files(), files, compiled)
        (self.private / f"{name}.built").mkdir()
        return Grader(Builder(self.private / f"{name}.built", conduct.inspect, tree), self.slots,
                      self.watcher, recordings)

    async def grade(self, tasks: list[Task]) -> list[LabScore]:
        await build_all(self.private)
        if self.keep:
            workspace.make(self.keep, students_files(), self.files)
            shutil.copytree(ROOT / "grader", self.keep / "grader",
                            ignore=shutil.ignore_patterns("mutants", "tests", "__pycache__"))
        graded = await self._grader("own", self.files, recordings=self.recordings).grade(tasks)
        async with asyncio.TaskGroup() as group:
            for score in graded:
                if score.begun and score.failures and _differs(self.files, score.lab) \
                        and _fall_short(graded, score.lab):
                    group.create_task(self._grade_again(score))
        return graded

    async def _grade_again(self, own: LabScore) -> None:
        """Adds to each failure what becomes of it on our earlier labs."""
        lab = own.lab
        earlier = students_sources(lab.number - 1)
        failed = [score.test for score in own.failures if not _stands_alone(score)]
        if not failed:
            return
        own_files = {path: text for path, text in self.files.items() if path not in earlier}
        grader = self._grader(f"reference-{lab.number}", own_files, earlier)
        again, = await grader.grade([Task(lab, failed, None)])
        better = {score.test.name: score for score in again.scores}
        for index, score in enumerate(own.scores):
            if score.test in failed:
                own.scores[index] = score.beside(better[score.test.name], lab.earlier)
        own.notes += [f"There is no {source} in the submission; kernel/{Path(source).name}, which "
                      "does nothing, stood in for it." for source in earlier
                      if source not in self.files]
        own.notes.append("What failed on this student's earlier labs was judged once more on the "
                         f"reference ones; {'that' if lab.earlier == 'reference' else 'the first'} "
                         "counts.")
