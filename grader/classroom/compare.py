# SPDX-License-Identifier: MIT
"""Says whose points changed between two gradings, by which test, and from what to what.

    grade.py compare OLD NEW

Each is a result's JSON file, a directory of them, or a class's REPORT. A test that had full points
before and after is not named, nor is a student with the same points in each test.

Exit status: 0 nobody's points changed, 1 somebody's did, 2 usage, 3 some file is damaged.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from classroom.report import find
from course.archive import shown
from reports.results import Damaged, Outcome, Result, read

FULL_LINE = 120             # characters of a test's line


def _results(path: Path) -> tuple[dict[str, Result], bool]:
    """The results there by name, and whether all can be read. Raises what report.find() does."""
    inside = path / "results"
    found, whole = {}, True
    for file in find([inside if inside.is_dir() else path]):
        try:
            found[file.stem] = read(file)
        except Damaged as error:
            whole = False
            print(f"grade.py compare: {shown(str(file))} is damaged: {shown(str(error))}", file=sys.stderr)
    return found, whole


def _total(result: Result) -> str:
    return "not judged" if result.again else f"{result.points} of {result.max}"


def _state(outcome: Outcome | None) -> str:
    return "not there" if outcome is None else f"{outcome.points} of {outcome.max} {outcome.verdict}"


def _outcomes(result: Result) -> dict[tuple[str, str], Outcome]:
    return {(lab.name, outcome.name): outcome for lab in result.labs for outcome in lab.outcomes}


def changes(old: Result, new: Result) -> Iterator[str]:
    """A line for each test whose points or most points changed, or that could not be judged once."""
    before, after = _outcomes(old), _outcomes(new)
    for key in dict.fromkeys([*before, *after]):
        then, now = before.get(key), after.get(key)
        if then is None or now is None or (then.points, then.max) != (now.points, now.max) \
                or ("INFRA" in (then.verdict, now.verdict) and then.verdict != now.verdict):
            line = f"{key[0]} {key[1]}: {_state(then)} → {_state(now)}"
            detail = now.detail if now else ""
            yield shown(f"{line}: {detail}" if detail else line)[:FULL_LINE]


def _why(old: Result, new: Result) -> str:
    """What is another than before, of what a grade depends on."""
    other = ["files"] if old.digest != new.digest else []
    if old.version and new.version:
        other += ["grader" if name == "grader" else f"lab {name}"
                  for name in dict.fromkeys([*old.version, *new.version])
                  if old.version.get(name) != new.version.get(name)]
    return f" (other: {', '.join(other)})" if other else ""


def compare(old: dict[str, Result], new: dict[str, Result]) -> tuple[list[str], int]:
    """The lines of the comparison, and how many students' points changed."""
    lines, nr_changed, gained, lost = [], 0, 0, 0
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            there = after or before
            lines.append(f"{shown(name)}: only in the {'new' if after else 'old'} one, {_total(there)}")
            nr_changed += 1
        elif found := list(changes(before, after)):
            lines.append(f"{shown(name)}: {_total(before)} → {_total(after)}{_why(before, after)}")
            lines += [f"    {line}" for line in found]
            nr_changed += 1
            judged = not (before.again or after.again)
            gained += judged and after.points > before.points
            lost += judged and after.points < before.points
    lines.append(f"{nr_changed} of {len(old.keys() | new.keys())} changed: {gained} with more points, "
                 f"{lost} with fewer")
    return lines, nr_changed


def main(arguments: list[str]) -> int:
    """`grade.py compare`."""
    parser = argparse.ArgumentParser(prog="grade.py compare", description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().splitlines()[-1])
    for name in ("old", "new"):
        parser.add_argument(name, type=Path, metavar=name.upper(),
                            help="a result, a directory of results, or a class's report")
    options = parser.parse_args(arguments)
    try:
        (old, whole), (new, also_whole) = _results(options.old), _results(options.new)
        if options.old.is_file() and options.new.is_file():     # one result each, called as one likes
            old = dict(zip(new, old.values()))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if not old or not new:
        parser.error(f"there is no result in {options.new if old else options.old}")
    lines, nr_changed = compare(old, new)
    print("\n".join(lines))
    if not whole or not also_whole:
        return 3
    return 1 if nr_changed else 0
