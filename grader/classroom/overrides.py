# SPDX-License-Identifier: MIT
"""What an instructor decides by hand of a submission: REPORT/overrides.toml, merged by the report.

    [ada]                               # the submission's name, as in grades.csv
    points = { 02-heap = 80 }           # instead of what was judged; a number if one lab was graded
    late_days = 2                       # shown, and subtracted from nothing
    reason = "ill, see the mail of 3 May"

Each student needs a reason, and points or late days.
"""
from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from course.table import LabError, Table
from reports.results import LabResult, Override, Result

FILE = "overrides.toml"


@dataclass(frozen=True)
class Given:
    """One table of the file. `points`: those of the only lab under "", or each lab's."""
    points: Mapping[str, int]
    late_days: int
    reason: str


def _one(name: str, values: object, place: str) -> Given:
    if not isinstance(values, dict):
        raise LabError(f"{place}: {name} must be a table, as in [{name}]")
    table = Table(values, f"{place}, [{name}]")
    single = isinstance(table.values.get("points"), int)
    points = {"": table.take("points", int)} if single else table.take("points", dict, {})
    given = Given(points, table.take("late_days", int, 0), table.take("reason", str))
    table.done()
    if not given.reason.strip():
        raise table.error("reason says nothing")
    if any(type(number) is not int or number < 0 for number in (*points.values(), given.late_days)):
        raise table.error("points and late_days are whole numbers from 0 on")
    if not points and not given.late_days:
        raise table.error("neither points nor late_days: there is nothing to override")
    return given


def read(file: Path) -> dict[str, Given]:
    """The overrides by submission; none if there is no such file. Raises LabError."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LabError(f"{file}: {error}") from None
    return {unicodedata.normalize("NFC", name): _one(name, table, str(file)) for name, table in values.items()}


def apply(result: Result, given: Given, graded: list[LabResult]) -> Result:
    """The result with an override; `graded`: one of each lab. Raises LabError."""
    points, labs = dict(given.points), [lab.name for lab in graded]
    if "" in points:
        if len(labs) != 1:
            raise LabError(f"{FILE}, [{result.name}]: points of which lab? As in "
                           f"points = {{ {labs[-1] if labs else '02-heap'} = {points['']} }}")
        points = {labs[0]: points[""]}
    if unknown := points.keys() - set(labs):
        raise LabError(f"{FILE}, [{result.name}]: {', '.join(sorted(unknown))} was not graded; "
                       f"there are: {', '.join(labs)}")
    changed = tuple(replace(lab, by_hand=points.get(lab.name)) for lab in result.labs)
    return replace(result, labs=changed, max=result.max or sum(lab.max for lab in graded), override=Override(points, given.late_days, given.reason))
