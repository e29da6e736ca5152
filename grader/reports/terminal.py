# SPDX-License-Identifier: MIT
"""A result for a person at a terminal: a table, every failure explained."""
from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from course.lab import Question
from judging.result import LabScore, Score
from judging.verdict import Verdict
from reports.causes import together

CONSOLE_LINES = 8           # of a failure's console, unless more are asked for
MIN_ABOUT = 24              # columns
MAX_NAMES = 3               # of tests that failed for the same reason
SAME = attrgetter("finding.same")
MAX_FILES = 8               # of a submission that are ignored or missing

_STYLES = {Verdict.PASS: "green", Verdict.NOT_IMPLEMENTED: "yellow", Verdict.INFRA: "magenta"}


def _style(score: Score) -> str:
    return _STYLES.get(score.finding.verdict, "red")


def _verdict(score: Score) -> str:
    """The verdict that counts, and beside it one that does not."""
    if score.own:
        return f"{score.finding.verdict} (own labs: {score.own.verdict})"
    if score.reference:
        return f"{score.finding.verdict} (reference labs: {score.reference.verdict})"
    return score.finding.verdict


def _print_line(console: Console, line: Text) -> None:
    """Prints one line as one line, however narrow the terminal is: nothing of it gets lost."""
    console.print(line, soft_wrap=True)


def heading(graded: LabScore) -> Text:
    """The lab and its points in one line."""
    colour = "green" if graded.points == graded.max else "red"
    infra = any(score.finding.verdict is Verdict.INFRA for score in graded.scores)
    return Text.assemble((f"Lab {graded.lab.number} · {graded.lab.title}", "bold"), "  ",
                         (f"{graded.points}/{graded.max}", f"bold {colour}"),
                         ("  not final: grade again", "magenta") if infra else "")


def _table(graded: LabScore, width: int) -> list[Text]:
    """One line a test. What it is about is left out where there is no room for it."""
    rows = [(f"{score.points}/{score.test.points}", _verdict(score), score.test.name)
            for score in graded.scores]
    points, verdict, name = (max(len(row[column]) for row in rows) for column in range(3))
    room = width - len("  " * 4) - points - verdict - name
    lines = []
    for row, score in zip(rows, graded.scores):
        about = Text(score.test.about, "dim")
        about.truncate(max(room, 0), overflow="ellipsis")
        lines.append(Text.assemble(f"  {row[0]:>{points}}  ", (f"{row[1]:{verdict}}", _style(score)),
                                   f"  {row[2]:{name}}  ", about if room >= MIN_ABOUT else ""))
        lines[-1].rstrip()
    return lines


def show_failure(console: Console, scores: list[Score], full: bool) -> None:
    """Prints what there is to say of one failure, or of several with the same cause."""
    first = scores[0]
    names = ", ".join(score.test.name for score in scores[:MAX_NAMES])
    if len(scores) > MAX_NAMES:
        names += f" and {len(scores) - MAX_NAMES} more"
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    if len(scores) == 1 and first.test.about:
        label = "question" if isinstance(first.test, Question) else "expected"
        grid.add_row(label, escape(first.test.about))
    grid.add_row("found", Text(first.finding.detail))
    if other := first.own or first.reference:
        whose = "this student's" if first.own else "the reference"
        grid.add_row("earlier", Text(f"on {whose} earlier labs {other.verdict}: {other.detail}"))
    if first.finding.console:
        lines = first.finding.console
        if not full and len(lines) > CONSOLE_LINES:
            lines = (*lines[:CONSOLE_LINES // 2], "…", *lines[-CONSOLE_LINES // 2:])
        grid.add_row("console", Text("\n".join(lines), style="dim"))
    _print_line(console, Text.assemble((first.finding.verdict, _style(first)), " ", (names, "bold")))
    console.print(Padding(grid, (0, 0, 0, 2)))
    for label, command in (("see it", first.run), ("debug it", first.debug)):
        if command:
            _print_line(console, Text(f"  {label}", style="dim"))
            _print_line(console, Text(f"    {command}", style="bold"))
    console.print()


def _show_submission(console: Console, submission: dict[str, Any]) -> None:
    """Prints what was and what was not taken of a submission, and what it does not have."""
    _print_line(console, Text(f"Submission {submission['name']}", "bold"))
    for what, files in (("taken", submission["taken"]), ("not graded, as no lab asks for it", submission["ignored"]),
                        ("missing", submission["missing"])):
        if files:
            more = f" and {len(files) - MAX_FILES} more" if len(files) > MAX_FILES else ""
            console.print(Text(f"  {what}: {', '.join(files[:MAX_FILES])}{more}", style="yellow"))
    if submission["trouble"]:
        console.print(Text(f"  {submission['trouble']}", style="bold red"))


def show(console: Console, labs: list[LabScore], verbose: bool,
         submission: dict[str, Any] | None = None, kept: Path | None = None) -> None:
    """
    Prints the result for a person. Several labs: those with full points as one line each. The
    scores come last, once more where they have scrolled away.
    """
    explained = False
    if submission:
        _show_submission(console, submission)
    for graded in labs:
        _print_line(console, heading(graded))
        if submission and submission["trouble"] and not verbose:
            continue
        if len(labs) == 1 or graded.failures or verbose:
            explained = True
            for line in _table(graded, console.width):
                _print_line(console, line)
        for note in graded.notes:
            console.print(Padding(Text(note, style="dim"), (0, 0, 0, 2)))
        if graded.failures:
            console.print()
        for scores in together(graded.failures, SAME):
            show_failure(console, scores, verbose)
        rescued = [replace(score, finding=score.own, own=None) for score in graded.scores
                   if score.own and score not in graded.failures]
        if rescued:
            console.print(Text("On this student's earlier labs; these do not count:", "dim"))
        for scores in together(rescued, SAME):
            show_failure(console, scores, verbose)
    if explained:
        if submission and any(score.run for lab in labs for score in lab.scores):
            where = f"are for the tree in {kept}" if kept else \
                "are for the student's own tree; --keep DIR makes one here"
            console.print(Text(f"The commands above {where}.", "dim"))
        for graded in labs:
            _print_line(console, heading(graded))
    if len(labs) > 1:
        points, most = sum(lab.points for lab in labs), sum(lab.max for lab in labs)
        console.print(Text(f"All labs  {points}/{most}",
                           style="bold green" if points == most else "bold red"))
