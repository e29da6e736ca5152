# SPDX-License-Identifier: MIT
"""Grades one lab of this tree again on every save, and takes keys for what to do about a failure.

The test that failed last is graded first, alone: its verdict is there in about the time of one
boot. All the others follow. A save in the meantime begins anew.
"""
from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
import termios
import time
import tty
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator

from rich.console import Console
from rich.text import Text

from course import hints
from course.build import Builder
from course.lab import Lab
from debugger.foreground import call_in_foreground
from judging import conduct
from judging.grading import Grader, Task
from judging.result import LabScore, Score
from judging.verdict import Verdict
from machine.host import ROOT, MachineError, temporary_directory
from reports.progress import ProgressBars
from reports.terminal import heading, show_failure

WATCHED = ("kernel", "boot", "labs")    # the directories with all that a verdict depends on
POLL = 0.05                             # seconds between two looks: some file systems tell nobody of a save
ACTIONS = ("h", "d", "r", "t")
MAX_NAMES = 3                           # of further failures
KEYS = "h hint   d GDB   r rewind   t picture   g grade again   q quit"
LEAVE = ("q", "\x04", "")               # also Ctrl-D, and a terminal that is gone
SAVED, GRADED = "saved", "graded"       # what may happen beside a key

_Files = dict[Path, tuple[int, int, int]]


def _files() -> _Files:
    """All files that a verdict may depend on, each with what a save changes."""
    found: _Files = {}
    for file in [ROOT / "Makefile", *(file for room in WATCHED for file in (ROOT / room).rglob("*"))]:
        if file.name != hints.READ and not file.name.startswith("."):
            with contextlib.suppress(OSError):          # an editor's, which is gone again
                status = file.stat()
                found[file] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


class _Keyboard:
    """Puts each key that is pressed into `events`; "" when the terminal is gone. Without one there are no keys."""

    def __init__(self, events: asyncio.Queue[str]) -> None:
        self.is_there = sys.stdin.isatty()
        self._events = events

    def __enter__(self) -> _Keyboard:
        if self.is_there:
            self._usual = termios.tcgetattr(sys.stdin)
            self._take()
            loop = asyncio.get_running_loop()
            loop.add_reader(sys.stdin, self._read)
            loop.add_signal_handler(signal.SIGCONT, self._take)     # after Ctrl-Z and fg
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_there:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            self._give()

    def _take(self) -> None:
        tty.setcbreak(sys.stdin)

    def _give(self) -> None:
        with contextlib.suppress(termios.error):        # the terminal is gone
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._usual)

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = os.read(sys.stdin.fileno(), 1)
        if not data:
            asyncio.get_running_loop().remove_reader(sys.stdin)
        self._events.put_nowait(data.decode("latin-1"))

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Leaves the terminal as it was, for somebody else to use."""
        self._give()
        try:
            yield
        finally:
            self._take()


async def _look(events: asyncio.Queue[str]) -> None:
    """Tells of every save."""
    before = _files()
    while True:
        await asyncio.sleep(POLL)
        now = _files()
        if now != before:
            events.put_nowait(SAVED)
        before = now


class _Bars(ProgressBars):
    """Progress that tells of each failure at once."""

    def __init__(self, console: Console, tell: Callable[[Score], None]):
        super().__init__(console)
        self._tell = tell

    def graded(self, lab: Lab, score: Score) -> None:
        super().graded(lab, score)
        if score.finding.verdict is not Verdict.PASS:
            self._tell(score)


class _Watch:
    """What was found last, and what can be done about it."""

    def __init__(self, task: Task, console: Console, keyboard: _Keyboard):
        self.task = task
        self.console = console
        self.keyboard = keyboard
        self.first: Score | None = None         # the failure that was shown first
        self._shown: Score | None = None        # the same, if it was since the last save
        self._begun = 0.0

    async def _graded(self, task: Task, recordings: Path | None = None) -> LabScore:
        with temporary_directory() as directory, _Bars(self.console, self._show_first) as bars:
            builder = Builder(Path(directory), conduct.inspect)
            grader = Grader(builder, asyncio.Semaphore(os.cpu_count() or 1), bars, recordings)
            return (await grader.grade([task]))[0]

    async def grade(self) -> None:
        """Grades, and shows what comes of it. The test that failed last comes first."""
        self._begun, self._shown = time.monotonic(), None
        try:
            if self.first:
                await self._graded(replace(self.task, tests=[self.first.test]))
            self._show(await self._graded(self.task))
        except MachineError as error:
            self.console.print(str(error), markup=False)

    def _show_first(self, score: Score) -> None:
        """Shows the first failure since the last save, and no other. The points come when all is graded."""
        if not self._shown:
            self.first = self._shown = score
            self.console.print(f"{time.monotonic() - self._begun:.2f} s\n")
            show_failure(self.console, [score], full=False)

    def _show(self, graded: LabScore) -> None:
        """All that was graded: what else failed, the points, the keys."""
        failures = graded.failures
        if not failures:
            self.first = None
        elif not self._shown:                           # there was nothing to boot
            self._show_first(failures[0])
        others = [score.test.name for score in failures if score.test != self.first.test]
        if others:
            names = ", ".join(others[:MAX_NAMES]) + (" …" if len(others) > MAX_NAMES else "")
            self.console.print(f"{len(others)} more: {names}", markup=False)
        self.console.print(heading(graded), f"  {time.monotonic() - self._begun:.2f} s", soft_wrap=True)
        if self.keyboard.is_there:
            self.console.print(KEYS, style="dim", markup=False)

    async def act(self, key: str) -> None:
        """Does what a key asks for. Everything else waits meanwhile."""
        if key == "h":
            self._hint()
        elif key in "drt" and self.first is None:
            self.console.print("nothing has failed")
        elif key == "d":
            self._make(self.first.debug or self.first.run)
        elif key == "r":
            with temporary_directory() as directory:
                task = replace(self.task, tests=[self.first.test])
                graded = await self._graded(task, Path(directory))
                self._make(graded.scores[0].debug if graded.failures else "")
        elif key == "t":
            words = shlex.split(self.first.run, comments=True)
            self._make(shlex.join(["make", "trace", *words[2:]]) if words[:2] == ["make", "run"] else "")

    def _make(self, command: str) -> None:
        """Has this terminal to a command of make's, until it ends."""
        if not command:
            self.console.print("there is no machine that shows this failure")
            return
        self.console.print(command, style="bold", markup=False, soft_wrap=True)
        with self.keyboard.lent():                      # not as a make of ours, with our LAB=N
            call_in_foreground(shlex.split(command, comments=True), MAKEFLAGS="", MAKELEVEL="")
        self.console.print(KEYS, style="dim", markup=False)

    def _hint(self) -> None:
        """The next hint for the exercise that is to be done, or for one that is asked for."""
        todo = re.match(r"TODO (\d+\.\d+)", self.first.finding.detail if self.first else "")
        exercise = todo[1] if todo else self._ask(self.task.lab)
        if exercise:
            self._make(shlex.join(["make", "-s", "hint", f"EX={exercise}"]))

    def _ask(self, lab: Lab) -> str:
        names = ", ".join(hints.load(lab.path))
        if not names:
            self.console.print("this lab has no hints")
            return ""
        with self.keyboard.lent(), contextlib.suppress(EOFError):
            return input(f"for which exercise ({names})? ").strip()
        return ""


async def watch(task: Task) -> None:
    """
    Grades `task` now and on each save, until a key, Ctrl-C or the terminal's end. Raises LabError.
    """
    console = Console(highlight=False)
    events: asyncio.Queue[str] = asyncio.Queue()
    with _Keyboard(events) as keyboard:
        watched = _Watch(task, console, keyboard)
        looking = asyncio.create_task(_look(events))
        grading = _begin(watched, events)
        try:
            while (event := await events.get()) not in LEAVE:
                if event in (SAVED, "g"):
                    await _end(grading)
                    console.clear()
                    grading = _begin(watched, events)
                elif event == GRADED and grading.done() and not grading.cancelled():
                    grading.result()                    # a bug of ours is told
                elif event in ACTIONS:
                    is_over = grading.done()
                    await _end(grading)
                    await watched.act(event)
                    if not is_over:
                        grading = _begin(watched, events)
        finally:
            await _end(grading)
            await _end(looking)


def _begin(watched: _Watch, events: asyncio.Queue[str]) -> asyncio.Task[None]:
    grading = asyncio.create_task(watched.grade())
    grading.add_done_callback(lambda _: events.put_nowait(GRADED))
    return grading


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels a task, and waits until it has cleaned up."""
    task.cancel()
    await asyncio.wait([task])
