# SPDX-License-Identifier: MIT
"""Grades a class: every submission by one independent command, so many at a time.

    grade.py class DIR_OR_ARCHIVES… [-j N] --out REPORT/ [--lab N …] [--again]

A directory stands for the submissions in it: subdirectories and archives. One that has a labs/
is itself a submission.

    REPORT/results/NAME.json    what `grade.py --tree … --json` wrote (result.py)
    REPORT/logs/NAME.txt        what it printed
    REPORT/index.html, grades.csv           made of all results (class_report.py)

The results are all the state there is. One is kept, and its submission not graded again, if it
is trustworthy, for the same labs and files, and younger than the grader and the labs. Thus the
same command, given again, resumes. A command that fails, or does not end within LIMIT, is
repeated once after all others; if that does not help either, its result says why.

Exit status: 0 all are graded, 2 usage, 3 some are to be graded again, or were not reached.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn,
                           TimeRemainingColumn)

import class_report
import formats
import submission
import workspace
from class_results import Damaged, Result, read
from grading import students_files
from lab import ROOT, LabError, NoSuchLab, select
from qemu import parent_guard
from result import as_dict
from submission import SubmissionError, shown

GRADER = (sys.executable, str(ROOT / "grader" / "grade.py"))
ATTEMPTS = 2
LIMIT = 600                 # seconds of the host's time for one submission: a backstop
GRACE = 10                  # seconds for grade.py to end its machines when told to
NEWS = 10                   # seconds between two lines where there is no terminal
ESTIMATE = 300              # the last seconds, from which a terminal's estimate is made
MAX_NAME_BYTES = 240        # so that there can be a NAME.json.part


class Refused(Exception):
    """The submissions cannot be told apart, or are not there."""


@dataclass(frozen=True)
class Candidate:
    """A submission that is to be graded."""
    name: str
    path: Path


# ---- what there is to grade


def find(paths: list[Path], out: Path) -> tuple[list[Candidate], list[Path]]:
    """
    The submissions that these paths stand for, and the files beside them that are none.
    `out` is not one of them. Raises Refused.
    """
    found: dict[str, Candidate] = {}
    others: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Refused(f"{shown(str(path))}: no such file or directory")
        candidates = [path]
        if path.is_dir() and not (path / "labs").is_dir():
            inside = sorted(child for child in path.iterdir()
                            if not child.name.startswith((".", "__MACOSX"))
                            and child.resolve() != out.resolve())
            candidates = [child for child in inside if child.is_dir()
                          or child.name.lower().endswith(submission.SUFFIXES)]
            others += [child for child in inside if child not in candidates]
        for candidate in candidates:
            _add(found, Candidate(submission.stem(candidate), candidate))
    if not found:
        raise Refused("no submissions there, neither directories nor archives ("
                      + ", ".join(submission.SUFFIXES) + ")")
    return sorted(found.values(), key=lambda candidate: candidate.name), others


def _add(found: dict[str, Candidate], candidate: Candidate) -> None:
    first = found.setdefault(candidate.name, candidate)
    if first.path.resolve() != candidate.path.resolve():
        raise Refused(f"two submissions are called {shown(candidate.name)}: "
                      f"{shown(str(first.path))} and {shown(str(candidate.path))}")
    if len(os.fsencode(candidate.name)) > MAX_NAME_BYTES:
        raise Refused(f"{shown(str(candidate.path))}: the name is too long")


def tree_changed_at() -> float:
    """When the grader, the kernel or a lab was changed last, in seconds since 1970."""
    files = [*ROOT.glob("grader/*.py"), *(file for name in workspace.SOURCES
                                          for file in [ROOT / name, *(ROOT / name).rglob("*")])]
    return max(file.stat().st_mtime for file in files if file.is_file())


# ---- progress


class Watcher:
    """Progress with an estimate: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console, total: int):
        self._console = console
        self._bar = Progress(
            TextColumn("grading"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"), TimeElapsedColumn(), TextColumn("left:"),
            TimeRemainingColumn(), console=console, transient=True,
            speed_estimate_period=ESTIMATE)
        self._task = self._bar.add_task("", total=total, news="")
        self._total = total
        self._started = self._told = time.monotonic()
        self.nr_done = 0
        self._nr_lost = 0                   # submissions that lost points
        self._nr_infra = 0                  # of all attempts

    def __enter__(self) -> Watcher:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:       # elsewhere it would print an empty line
            self._bar.stop()

    def attempted(self, result: Result, final: bool) -> None:
        """A command has ended; `final`: it will not be repeated."""
        self.nr_done += final
        self._nr_lost += not result.again and result.points < result.max
        self._nr_infra += result.again
        news = f"{self._nr_lost} lost points, {self._nr_infra} INFRA"
        self._bar.update(self._task, advance=int(final), news=news)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._told >= NEWS and self.nr_done:
            self._told = now
            left = (now - self._started) / self.nr_done * (self._total - self.nr_done)
            self._console.print(f"{self.nr_done} of {self._total} graded: {news}; "
                                f"about {left / 60:.1f} min left")


# ---- grading


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
        self.logs = out / "logs"
        self._grader = grader
        self._limit = limit
        for directory in (self.results, self.logs):
            directory.mkdir(parents=True, exist_ok=True)

    def result_file(self, candidate: Candidate) -> Path:
        return self.results / f"{candidate.name}.json"

    def check_labs(self) -> None:
        """Raises Refused if there are results for other labs: they would be lost."""
        for file in self.results.glob("*.json"):
            with contextlib.suppress(Damaged):
                labs = [lab.name for lab in read(file).labs]
                if labs and labs != self.labs:
                    raise Refused(f"{file} is for {', '.join(labs)}. Give other labs another --out, "
                                  "or --again to grade all anew")

    def is_graded(self, candidate: Candidate, changed_at: float) -> bool:
        """Is there a result to keep? `changed_at`: see tree_changed_at()."""
        try:
            result = read(self.result_file(candidate))
        except Damaged:
            return False
        if result.again or result.graded_at < changed_at \
                or [lab.name for lab in result.labs] != self.labs:
            return False
        try:
            return result.digest == submission.read(candidate.path, students_files()).digest
        except SubmissionError:
            return result.digest == ""      # as grade.py has it for what it cannot read

    async def grade(self, candidates: list[Candidate], jobs: int, watcher: Watcher) -> None:
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
        """Runs the command once. Afterwards there is a result, in any case."""
        file, log = self.result_file(candidate), self.logs / f"{candidate.name}.txt"
        file.unlink(missing_ok=True)
        with log.open("wb" if number == 1 else "ab") as output:
            ending = await self._run(candidate, file, output)
        try:
            return read(file)
        except Damaged:
            last = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
            formats.write("json", file, as_dict([], error=f"the grader's command {ending}: "
                                                          f"{last or 'it said nothing'}"))
            return read(file)

    async def _run(self, candidate: Candidate, file: Path, output: object) -> str:
        """Runs the command once. Return: how it ended, for a sentence."""
        process = await asyncio.create_subprocess_exec(
            *self._grader, f"--tree={candidate.path.resolve()}", f"--json={file.resolve()}",
            "--jobs=1", *self.labs, stdin=asyncio.subprocess.DEVNULL, stdout=output,
            stderr=asyncio.subprocess.STDOUT, start_new_session=True, preexec_fn=parent_guard(signal.SIGTERM))
        try:
            async with asyncio.timeout(self._limit):
                return f"ended with status {await process.wait()} and no result"
        except TimeoutError:
            return f"did not end within {self._limit:g} s"
        finally:
            await _end(process)


# ---- the command


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


async def _grade(classroom: Classroom, candidates: list[Candidate], jobs: int, watcher: Watcher
                 ) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    await classroom.grade(candidates, jobs, watcher)


def _summary(results: list[Result]) -> str:
    again = [result.name for result in results if result.again]
    full = sum(1 for result in results if not result.again and result.points == result.max)
    text = f"{len(results)} submissions: {full} with full points, " \
           f"{len(results) - full - len(again)} lost points"
    return text + (f", {len(again)} to be graded again: {', '.join(map(shown, again))}"
                   if again else "")


def _run(options: argparse.Namespace, grader: Sequence[str], limit: float) -> int:
    """Does what the command line asks for. Raises Refused, LabError or NoSuchLab."""
    candidates, others = find(options.submissions, options.out)
    labs = [lab.name for lab in select(options.lab)]
    console = Console(highlight=False, markup=False)
    for other in others:
        print(f"grade.py class: not graded, as it is no archive: {shown(str(other))}",
              file=sys.stderr)
    with _alone(options.out):
        classroom = Classroom(options.out, labs, grader, limit)
        if not options.again:
            classroom.check_labs()
        changed_at = tree_changed_at()
        waiting = [candidate for candidate in candidates
                   if options.again or not classroom.is_graded(candidate, changed_at)]
        if kept := len(candidates) - len(waiting):
            console.print(f"{kept} of {len(candidates)} were graded before")
        with Watcher(console, len(waiting)) as watcher:
            try:
                asyncio.run(_grade(classroom, waiting, options.jobs, watcher))
            except (KeyboardInterrupt, asyncio.CancelledError):
                print(f"grade.py class: interrupted; {kept + watcher.nr_done} of {len(candidates)} "
                      "are graded. The same command goes on with the others.", file=sys.stderr)
                return 3
        results = [read(classroom.result_file(candidate)) for candidate in candidates]
        console.print(_summary(results), soft_wrap=True)
        complete = class_report.make(class_report.find([classroom.results]), options.out)
        return 0 if complete and not any(result.again for result in results) else 3


def main(arguments: list[str], grader: Sequence[str] = GRADER, limit: float = LIMIT) -> int:
    """`grade.py class`; `grader` is the command that grades one submission."""
    parser = argparse.ArgumentParser(prog="grade.py class", description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().splitlines()[-1])
    parser.add_argument("submissions", nargs="+", type=Path, metavar="DIR_OR_ARCHIVE",
                        help="a directory of submissions, or a submission")
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT",
                        help="the directory for results and report")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="submissions at a time (%(default)s)")
    parser.add_argument("--lab", action="append", default=[], metavar="N",
                        help="a lab's number or name; may be given several times (all)")
    parser.add_argument("--again", action="store_true",
                        help="grade also what was graded before and has not changed")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    try:
        return _run(options, grader, limit)
    except (Refused, NoSuchLab) as error:
        print(f"grade.py class: {error}", file=sys.stderr)
        return 2
    except LabError as error:
        print(f"grade.py class: {error}", file=sys.stderr)
        return 3
