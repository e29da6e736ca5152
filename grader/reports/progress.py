# SPDX-License-Identifier: MIT
"""How the grading of one submission goes on, on a terminal."""
from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from course.lab import Lab
from judging.grading import Watcher
from judging.result import Score
from judging.verdict import Verdict


class ProgressBars(Watcher):
    """Progress on a terminal; nothing at all elsewhere."""

    def __init__(self, console: Console):
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("[red]{task.fields[failed]}"), TimeElapsedColumn(),
            console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[int, Any] = {}

    def __enter__(self) -> ProgressBars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, lab: Lab, nr_tests: int) -> None:
        self._tasks[lab.number] = self._progress.add_task(lab.name, total=nr_tests, failed="")

    def graded(self, lab: Lab, score: Score) -> None:
        task = self._tasks[lab.number]
        self._progress.advance(task)
        if score.finding.verdict is not Verdict.PASS:
            self._progress.update(task, failed=f"{score.test.name} {score.finding.verdict}")
