# SPDX-License-Identifier: MIT
"""Shows what a student wrote: each file of a submission against the one that was handed out.

    grade.py diff SUBMISSION [LAB…]

Exit status: 0, whatever differs; 2 usage, or nothing in the submission can be read.
"""
from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from course import submission
from course.archive import SubmissionError, shown
from course.lab import NoSuchLab, select, students_files
from course.table import LabError
from course.workspace import without_solutions
from machine.host import ROOT

STYLES = {"+": "green", "-": "red", "@": "cyan", "=": "bold"}


def _lines(contents: bytes) -> list[str]:
    """The lines of a file as they can be shown, whoever's editor wrote their ends."""
    return [shown(line.replace("\t", "    ")) for line in contents.decode("utf-8-sig", "replace").splitlines()]


def difference(path: str, contents: bytes) -> Iterator[str]:
    """What a student's file has that the handed-out one has not, as a unified diff. Raises LabError."""
    given = _lines(without_solutions(path)) if (ROOT / path).exists() else []
    lines = list(difflib.unified_diff(given, _lines(contents), n=3, lineterm=""))[2:]
    yield f"=== {path}" + ("" if lines else ": as it was handed out")
    yield from lines


def main(arguments: list[str]) -> int:
    """`grade.py diff`."""
    parser = argparse.ArgumentParser(prog="grade.py diff", description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().splitlines()[-1])
    parser.add_argument("submission", type=Path, metavar="SUBMISSION", help="a directory or an archive")
    parser.add_argument("labs", nargs="*", metavar="LAB", help="a lab's number or name (all)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        wanted = [path for lab in select(options.labs) for path in lab.paths]
        given = submission.read(options.submission, students_files())
        for path in wanted:
            for line in difference(path, given.files[path]) if path in given.files else [f"=== {path}: missing"]:
                console.print(Text(line, STYLES.get(line[:1], "")))
    except (NoSuchLab, SubmissionError, LabError) as error:
        print(f"grade.py diff: {error}", file=sys.stderr)
        return 2
    for name in given.taken:
        print(f"taken: {name}", file=sys.stderr)
    return 0
