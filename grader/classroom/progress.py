# SPDX-License-Identifier: MIT
"""How the grading of a class goes on."""
from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn,
                           TimeRemainingColumn)

from reports.results import Result

NEWS = 10                   # seconds between two lines where there is no terminal
ESTIMATE = 300              # the last seconds, from which a terminal's estimate is made


class ClassProgress:
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

    def __enter__(self) -> ClassProgress:
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
