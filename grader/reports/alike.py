# SPDX-License-Identifier: MIT
"""Pairs of submissions whose files are alike: REPORT/similar.json, for the class page to link.

    {"schema": "ouroboros-similar/1", "pairs": [{"first", "second": submissions, or YEAR/NAME,
     "file": a path in the project, or "" for all of them, "percent": 0 to 100, "by": who found it}]}
"""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from course.table import LabError, Table
from reports import formats

FILE = "similar.json"
SCHEMA = "ouroboros-similar/1"


@dataclass(frozen=True)
class Pair:
    """Two submissions with something alike."""
    first: str
    second: str
    file: str
    percent: int
    by: str


def write(file: Path, pairs: list[Pair]) -> None:
    values = {"schema": SCHEMA, "pairs": [asdict(pair) for pair in pairs]}
    formats.replace(file, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read(file: Path) -> list[Pair]:
    """The pairs; none if there is no such file. Raises LabError."""
    try:
        values = formats.clean(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise LabError(f"{file}: {error}") from None
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise LabError(f"{file}: its schema is not {SCHEMA}")
    return [Pair(table.take("first", str), table.take("second", str), table.take("file", str),
                 table.take("percent", int), table.take("by", str))
            for table in Table(values, str(file)).tables("pairs")]
