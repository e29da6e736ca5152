# SPDX-License-Identifier: MIT
"""Grades a class: every submission by one independent command, so many at a time.

    grade.py class DIR_OR_ARCHIVES… [-j N] --out REPORT/ [--lab N …] [--again] [--attempts best]

A directory stands for the submissions in it: whatever it holds (intake.py). One that has a labs/
is itself a submission.

    REPORT/results/NAME.json    what `grade.py --tree … --json` wrote (judging/result.py)
    REPORT/attempts/NAME.N.json the same of each attempt, where the best one is to count
    REPORT/logs/NAME.txt        what it printed
    REPORT/index.html, grades.csv, …        made of all results (report.py)

The results are all the state there is. One is kept, and its submission not graded again, if it
is trustworthy, and for the same files, labs and grader by their digests. Thus the same command,
given again, resumes. A command that fails, or does not end within LIMIT, is
repeated once after all others; if that does not help either, its result says why.

Exit status: 0 all are graded, 1 all are, but of some nothing could be read, 2 usage, 3 some are to
be graded again, or were not reached.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from classroom import report
from classroom.grading import GRADER, LIMIT, Classroom
from classroom.intake import ATTEMPTS, Candidate, Refused, find
from classroom.progress import ClassProgress
from course import version
from course.archive import shown
from course.lab import NoSuchLab, select
from course.table import LabError
from machine import sandbox
from reports.results import Result


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Lets nobody else grade into `out` meanwhile. Raises Refused."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{out}: another grade.py class is at work in it") from None
        yield


async def _grade(classroom: Classroom, candidates: list[Candidate], jobs: int, watcher: ClassProgress
                 ) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    await classroom.grade(candidates, jobs, watcher)


def _summary(results: list[Result]) -> str:
    again = [result.name for result in results if result.again]
    full = sum(1 for result in results if not result.again and result.points == result.max)
    text = f"{len(results)} submissions: {full} with full points, " \
           f"{len(results) - full - len(again)} lost points"
    for what, names in (("to be graded again", again), ("with nothing to grade", [
            result.name for result in results if result.trouble])):
        text += f", {len(names)} {what}: {', '.join(map(shown, names))}" if names else ""
    return text


def _run(options: argparse.Namespace, grader: Sequence[str], limit: float) -> int:
    """Does what the command line asks for. Raises Refused, LabError or NoSuchLab."""
    candidates, others = find(options.submissions, options.out, options.attempts)
    labs = select(options.lab)
    try:
        beside = report.beside(options)
    except LabError as error:           # said now, and not after an hour of grading
        raise Refused(str(error)) from None
    console = Console(highlight=False, markup=False)
    for other in others:
        print(f"grade.py class: not graded, as it is nobody's: {shown(str(other))}",
              file=sys.stderr)
    with _alone(options.out):
        classroom = Classroom(options.out, [lab.name for lab in labs], grader, limit)
        if not options.again:
            classroom.check_labs()
        judged_by = version.of(labs)
        waiting = [candidate for candidate in candidates
                   if options.again or not classroom.is_graded(candidate, judged_by)]
        if kept := len(candidates) - len(waiting):
            console.print(f"{kept} of {len(candidates)} were graded before")
        with ClassProgress(console, len(waiting)) as watcher:
            try:
                asyncio.run(_grade(classroom, waiting, options.jobs, watcher))
            except (KeyboardInterrupt, asyncio.CancelledError):
                print(f"grade.py class: interrupted; {kept + watcher.nr_done} of {len(candidates)} "
                      "are graded. The same command goes on with the others.", file=sys.stderr)
                return 3
        results = classroom.settle(candidates)
        console.print(_summary(results), soft_wrap=True)
        complete = report.make(report.find([classroom.results]), options.out, beside)
        if not complete or any(result.again for result in results):
            return 3
        return 1 if any(result.trouble for result in results) else 0


def main(arguments: list[str], grader: Sequence[str] = GRADER, limit: float = LIMIT) -> int:
    """`grade.py class`; `grader` is the command that grades one submission."""
    parser = argparse.ArgumentParser(prog="grade.py class", description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().splitlines()[-1])
    parser.add_argument("submissions", nargs="+", type=Path, metavar="DIR_OR_ARCHIVE",
                        help="a directory of submissions, or a submission")
    report.add_options(parser)
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="submissions at a time (%(default)s)")
    parser.add_argument("--lab", action="append", default=[], metavar="N",
                        help="a lab's number or name; may be given several times (all)")
    parser.add_argument("--again", action="store_true",
                        help="grade also what was graded before and has not changed")
    parser.add_argument("--attempts", choices=ATTEMPTS, default="",
                        help="which of a student's submissions counts; the newest is in the directory "
                             "named last, or has the latest date in one")
    sandbox.add_option(parser)
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    insist = () if options.sandbox == sandbox.AUTO else ("--sandbox", options.sandbox)
    try:
        return _run(options, (*grader, *insist), limit)
    except (Refused, NoSuchLab) as error:
        print(f"grade.py class: {error}", file=sys.stderr)
        return 2
    except LabError as error:
        print(f"grade.py class: {error}", file=sys.stderr)
        return 3
