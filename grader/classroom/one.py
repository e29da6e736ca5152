# SPDX-License-Identifier: MIT
"""`grade.py` without another word: grades this tree or one submission, and shows the result."""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import fnmatch
import os
import signal
import sys
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from course import hints, manifest
from course import lab as labs
from course import submission, version
from course.archive import SubmissionError
from course.build import Builder
from course.student import NAME_FILE, name_in
from course.table import LabError
from judging import conduct
from judging.grading import Grader, Task
from judging.result import LabScore, Score, as_dict
from judging.submitted import SubmissionGrader
from judging.verdict import Finding, Verdict
from machine import host, sandbox
from machine.host import ROOT, MachineError, temporary_directory
from reports import formats
from reports.progress import ProgressBars
from reports.terminal import show

FILE_WIDTH = 120            # columns, where the result does not go to a terminal

OK, POINTS_LOST, USAGE, FAILED = range(4)       # exit statuses


class Usage(Exception):
    """What was asked for cannot be done; the message says why."""


def _arguments(words: list[str], usage: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="grade.py", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=usage.partition("\n\nExit")[0], epilog=usage.strip().splitlines()[-1])
    parser.add_argument("labs", nargs="*", metavar="LAB", help="a lab's number or name (all)")
    parser.add_argument("--lab", dest="more", action="append", default=[], metavar="N",
                        help="the same as LAB")
    parser.add_argument("--test", default="*", metavar="GLOB[,GLOB…]",
                        help="only tests of such a name")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--tree", type=Path, metavar="PATH",
                      help="grade a submission: a directory, .tar.gz or .zip")
    what.add_argument("--variant", metavar="NAME", help="grade labs/*/variants/NAME.patch")
    parser.add_argument("--heap", choices=["given"], default="",
                        help="grade labs on the reference's frames and heap")
    what.add_argument("--patch", type=Path, metavar="FILE", help="grade the labs with this patch")
    parser.add_argument("--keep", type=Path, metavar="DIR",
                        help="leave the submission in a tree of its own, for make run and debug")
    parser.add_argument("--record", type=Path, metavar="DIR",
                        help="leave recordings of the boots that failed, for make rewind")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="machines at a time (%(default)s)")
    sandbox.add_option(parser)
    parser.add_argument("--repeat", type=int, default=1, metavar="N",
                        help="grade N times, and report verdicts that changed")
    parser.add_argument("--verbose", action="store_true",
                        help="show all tests, and more of the console")
    outputs = parser.add_argument_group("outputs for programs", "- is stdout")
    for name in formats.FORMATS:
        outputs.add_argument(f"--{name}", type=Path, metavar="FILE")
    arguments = parser.parse_args(words)
    for option in ("jobs", "repeat"):
        if getattr(arguments, option) < 1:
            parser.error(f"--{option} must be at least 1")
    for option in formats.FORMATS:
        file = getattr(arguments, option)
        if file and not file.absolute().parent.is_dir():
            parser.error(f"--{option} {file}: there is no directory {file.parent}")
    if arguments.patch and not arguments.patch.is_file():
        parser.error(f"{arguments.patch}: no such file")
    if arguments.keep and not arguments.tree:
        parser.error("--keep keeps a submission's tree: say --tree as well")
    if arguments.keep and arguments.keep.exists():
        parser.error(f"--keep {arguments.keep}: exists already")
    if arguments.tree and not os.path.lexists(arguments.tree):
        parser.error(f"{arguments.tree}: no such file or directory")
    if arguments.record:
        try:
            arguments.record.mkdir(parents=True)
        except FileExistsError:
            parser.error(f"--record {arguments.record}: exists already")
        except OSError as error:
            parser.error(f"--record {arguments.record}: {error.strerror}")
    return arguments


def _tasks(arguments: argparse.Namespace) -> list[Task]:
    """What the command line asks for. Raises Usage or LabError."""
    try:
        chosen = labs.select(arguments.labs + arguments.more)
    except labs.NoSuchLab as error:
        raise Usage(str(error)) from None
    globs = arguments.test.split(",")
    for glob in globs:
        if not any(fnmatch.fnmatchcase(test.name, glob) for lab in chosen for test in lab.tests):
            raise Usage(f"these labs have no test {glob}")
    if arguments.heap and chosen[0].number <= 2:
        raise Usage("HEAP=given stands in for labs 1 and 2, so it is for those after them: say LAB=3")
    tasks = []
    for lab in chosen:
        patch = arguments.patch.resolve() if arguments.patch else None
        if arguments.variant:
            patch = lab.path / "variants" / f"{arguments.variant}.patch"
            if not patch.is_file():
                continue
        elsewhere = [test for boot in lab.boots if boot.variant and arguments.variant
                     for test in boot.tests]        # has a variant of its own
        tests = [test for test in lab.tests if test not in elsewhere
                 and any(fnmatch.fnmatchcase(test.name, glob) for glob in globs)]
        if tests:
            tasks.append(Task(lab, tests, patch, arguments.heap))
    if not tasks:
        raise Usage(f"these labs have no variant {arguments.variant}")
    return tasks


@dataclass
class Graded:
    """What there is to say in the end, however it ended."""
    labs: list[LabScore] = field(default_factory=list)
    submission: dict | None = None
    error: str | None = None
    version: dict[str, str] = field(default_factory=dict)       # as the grading began
    notes: list[str] = field(default_factory=list)

    @property
    def verdicts(self) -> dict[tuple[int, str], Verdict]:
        return {(lab.lab.number, score.test.name): score.finding.verdict
                for lab in self.labs for score in lab.scores}

    @property
    def status(self) -> int:
        verdicts = set(self.verdicts.values())
        if self.error or Verdict.INFRA in verdicts:
            return FAILED
        return POINTS_LOST if verdicts - {Verdict.PASS} else OK


async def _grade(tasks: list[Task], files: dict[str, bytes] | None, jobs: int, console: Console,
                 keep: Path | None = None, recordings: Path | None = None) -> list[LabScore]:
    """
    Grades this tree, or a submission's files. They are left in a tree of their own in `keep`,
    and recordings of what failed in `recordings`.
    """
    current = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, current.cancel)
    slots = asyncio.Semaphore(jobs)
    with temporary_directory() as directory, \
            ProgressBars(console) as watcher:
        private = Path(directory)
        if files is None:
            grader = Grader(Builder(private, conduct.inspect), slots, watcher, recordings)
            return await grader.grade(tasks)
        return await SubmissionGrader(files, private, slots, watcher, keep, recordings).grade(tasks)


def _blame_changes(graded: Graded) -> None:
    """In a student's tree: names the given files that were changed. What failed then is not our fault."""
    if not (changed := manifest.changed()):
        return
    advice = manifest.advice(changed)
    graded.notes.append(advice)
    for lab in graded.labs:
        lab.scores = [replace(score, finding=Finding(Verdict.WRONG, f"{advice}. {score.finding.detail}"))
                      if score.finding.verdict is Verdict.INFRA else score for score in lab.scores]


def _run(arguments: argparse.Namespace, console: Console) -> Graded:
    """Grades as often as asked for."""
    graded = Graded()
    try:
        tasks = _tasks(arguments)
        graded.version = version.of(task.lab for task in tasks)
        files = None
        if arguments.tree:
            given = submission.read(arguments.tree, labs.students_files(), ROOT, hints.files())
            needed = {NAME_FILE} | {path for task in tasks for path in
                                    task.lab.paths + labs.students_sources(task.lab.number)}
            graded.submission = {
                "name": given.name, "student": name_in(given.files.get(NAME_FILE, b"")),
                "digest": given.digest, "ignored": list(given.ignored), "taken": list(given.taken),
                "missing": [file for file in given.missing if file in needed],
                "hints": {exercise: nr for text in given.besides.values()
                          for exercise, nr in hints.parse_read(text).items()},
                "trouble": "" if needed & set(given.files) else "has none of the files that count; "
                           f"it has: {', '.join(given.ignored[:5]) or 'nothing'}"}
            files = given.files
        graded.labs = asyncio.run(_grade(tasks, files, arguments.jobs, console, arguments.keep,
                                         arguments.record))
        first = graded.verdicts
        for turn in range(2, arguments.repeat + 1):
            graded.labs = asyncio.run(_grade(tasks, files, arguments.jobs, console))
            changed = [f"{name}: {first[lab, name]}, then {verdict} the {turn}. time"
                       for (lab, name), verdict in graded.verdicts.items()
                       if verdict != first[lab, name]]
            graded.notes += changed
        if arguments.repeat > 1:
            if graded.notes:
                graded.error = "verdicts changed: " + "; ".join(graded.notes)
            graded.notes.append(f"{arguments.repeat} times graded, {len(graded.notes)} verdicts "
                                "changed")
        if files is None:
            _blame_changes(graded)
    except SubmissionError as error:
        finding = Finding(Verdict.NOT_IMPLEMENTED, f"the submission cannot be graded: {error}")
        graded.labs = [LabScore(task.lab, [Score(test, finding) for test in task.tests])
                       for task in tasks]
        graded.submission = {"name": submission.stem(arguments.tree), "student": "", "digest": "",
                             "ignored": [], "taken": [], "missing": [], "hints": {},
                             "trouble": f"cannot be graded: {error}"}
    except (LabError, MachineError) as error:
        graded.error = str(error)
        if not arguments.tree and (changed := manifest.changed()):
            raise Usage(f"{error}; {manifest.advice(changed)}") from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        graded.error = "interrupted"
    except Usage:
        raise
    except Exception as error:      # a bug of ours must not look like points lost
        graded.error = host.lack_of_room()
        if not graded.error:
            with contextlib.suppress(OSError):
                traceback.print_exc()
            graded.error = host.without_private_paths(f"{type(error).__name__}: {error}")
    return graded


def _write(arguments: argparse.Namespace, graded: Graded) -> None:
    """Writes every file that was asked for."""
    sandboxed = "" if graded.submission is None else sandbox.kind() or sandbox.trouble()
    result = as_dict(graded.labs, graded.submission, sandboxed, graded.error, graded.version)
    for name in formats.FORMATS:
        if file := getattr(arguments, name):
            formats.write(name, file, result)


def _show(console: Console, graded: Graded, verbose: bool, kept: Path | None) -> None:
    """Shows the result, to as much of a reader as there is."""
    try:
        show(console, graded.labs, verbose, graded.submission, kept)
        for note in graded.notes:
            console.print(note, markup=False)
    except BrokenPipeError:     # whoever read it has seen enough
        _give_up_stdout()
    if graded.submission and sandbox.trouble():
        print(f"grade.py: without a sandbox: {sandbox.trouble()}", file=sys.stderr)
    if graded.error:
        print(f"grade.py: {graded.error}", file=sys.stderr)


def _give_up_stdout() -> None:
    """What is still to be written there goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(words: list[str], usage: str) -> int:
    """`grade.py`; `usage` is what it says of itself. Return: the exit status."""
    arguments = _arguments(words, usage)
    to_stdout = any(getattr(arguments, name) == Path("-") for name in formats.FORMATS)
    console = Console(highlight=False, stderr=to_stdout)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    try:
        graded = _run(arguments, console)
    except Usage as error:
        print(f"grade.py: {error}", file=sys.stderr)
        return USAGE
    try:
        _write(arguments, graded)
        _show(console, graded, arguments.verbose, arguments.keep)
        sys.stdout.flush()
    except Exception as error:      # must not look like points lost either
        print(f"grade.py: the result could not be written: {error}", file=sys.stderr)
        _give_up_stdout()           # or Python 3.13 ends with a status of its own
        return FAILED
    return graded.status
