# SPDX-License-Identifier: MIT
"""Has each submission of a class graded by a command of its own, and keeps the results.

A command that fails, or does not end within LIMIT, is repeated once after all others; if that does
not help either, its result says why.
"""
from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from classroom.intake import Candidate, Refused
from classroom.progress import ClassProgress
from course import submission
from course.archive import SubmissionError, shown
from course.lab import students_files
from judging.result import as_dict
from machine.host import ROOT, parent_guard
from reports import formats
from reports.results import Damaged, Result, read

GRADER = (sys.executable, str(ROOT / "grader" / "grade.py"))
ATTEMPTS = 2
LIMIT = 600                 # seconds of the host's time for one submission: a backstop
GRACE = 10                  # seconds for grade.py to end its machines when told to


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends a command and whatever it has left behind."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):      # nobody is left
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


class Classroom:
    """One class's results, and how to get them."""

    def __init__(self, out: Path, labs: list[str], grader: Sequence[str] = GRADER,
                 limit: float = LIMIT):
        self.labs = labs                    # their names
        self.results = out / "results"
        self.new = out / "new"              # what is not yet to stand among the results
        self.attempts = out / "attempts"    # of students the best of whose attempts counts
        self.logs = out / "logs"
        self._grader = grader
        self._limit = limit
        for directory in (self.results, self.new, self.attempts, self.logs):
            directory.mkdir(parents=True, exist_ok=True)

    def result_file(self, candidate: Candidate) -> Path:
        return (self.attempts if candidate.attempt else self.results) / f"{candidate.key}.json"

    def settle(self, candidates: list[Candidate]) -> list[Result]:
        """
        Puts the best of a student's attempts among the results; the last of those with as many points.
        One that could not be judged could be the best: it stands there until another has full points.
        Return: the result of each student.
        """
        of: dict[str, list[Candidate]] = {}
        for candidate in candidates:
            of.setdefault(candidate.name, []).append(candidate)
        for name, attempts in of.items():
            if attempts[0].attempt:
                judged = {candidate: read(self.result_file(candidate)) for candidate in attempts}
                best = max(attempts, key=lambda each: (
                    not judged[each].again and judged[each].points == judged[each].max,
                    judged[each].again, judged[each].points, each.attempt))
                formats.replace(self.results / f"{name}.json", self.result_file(best).read_text(encoding="utf-8"))
                print(f"{shown(name)}: attempt {best.attempt} of {len(attempts)} counts, {shown(str(best.path))}")
        return [read(self.results / f"{name}.json") for name in of]

    def check_labs(self) -> None:
        """Raises Refused if there are results for other labs: they would be lost."""
        for file in self.results.glob("*.json"):
            with contextlib.suppress(Damaged):
                labs = [lab.name for lab in read(file).labs]
                if labs and labs != self.labs:
                    raise Refused(f"{file} is for {', '.join(labs)}. Give other labs another --out, "
                                  "or --again to grade all anew")

    def is_graded(self, candidate: Candidate, version: dict[str, str]) -> bool:
        """Is there a result to keep? `version`: what it must have been judged by."""
        try:
            result = read(self.result_file(candidate))
        except Damaged:
            return False
        if result.again or result.version != version:
            return False
        try:
            return result.digest == submission.read(candidate.path, students_files()).digest
        except SubmissionError:
            return result.digest == ""      # as grade.py has it for what it cannot read

    async def grade(self, candidates: list[Candidate], jobs: int, watcher: ClassProgress) -> None:
        """Grades `jobs` at a time; those that failed once more, after all others."""
        slots = asyncio.Semaphore(jobs)
        failed: list[Candidate] = []

        async def attempt(candidate: Candidate, number: int) -> None:
            async with slots:
                result = await self._attempt(candidate, number)
            final = not result.again or number == ATTEMPTS
            watcher.attempted(result, final)
            if not final:
                failed.append(candidate)

        for number in range(1, ATTEMPTS + 1):
            waiting, failed = failed or candidates, []
            async with asyncio.TaskGroup() as group:
                for candidate in waiting:
                    group.create_task(attempt(candidate, number))
            if not failed:
                break

    async def _attempt(self, candidate: Candidate, number: int) -> Result:
        """
        Runs the command once. An earlier result stays until there is one that can be kept, or
        nothing is left to try.
        """
        new, log = self.new / f"{candidate.key}.json", self.logs / f"{candidate.key}.txt"
        new.unlink(missing_ok=True)
        with log.open("wb" if number == 1 else "ab") as output:
            ending = await self._run(candidate, new, output)
        try:
            result = read(new)
        except Damaged:
            last = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
            formats.write("json", new, as_dict([], error=f"the grader's command {ending}: "
                                                         f"{last or 'it said nothing'}"))
            result = read(new)
        if number == ATTEMPTS or not result.again:
            new.replace(self.result_file(candidate))
        return result

    async def _run(self, candidate: Candidate, file: Path, output: object) -> str:
        """Runs the command once. Return: how it ended, for a sentence."""
        process = await asyncio.create_subprocess_exec(
            *self._grader, f"--tree={candidate.path.absolute()}", f"--json={file.resolve()}",
            "--jobs=1", *self.labs, stdin=asyncio.subprocess.DEVNULL, stdout=output,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True,
            preexec_fn=parent_guard(signal.SIGTERM))
        try:
            async with asyncio.timeout(self._limit):
                return f"ended with status {await process.wait()} and no result"
        except TimeoutError:
            return f"did not end within {self._limit:g} s"
        finally:
            await _end(process)
