# SPDX-License-Identifier: MIT
"""Which submissions there are to grade in a class.

Everything in the class's directory is somebody's submission, also what turns out to be none when
it is read: so nobody is forgotten. What a learning platform puts before the name of a file says
whose it is; several files of one student become one submission.

    lovelaceada_LATE_1234_56789_lab2.zip            Canvas: who, two numbers, the file
    Ada Lovelace_1234_assignsubmission_file_        Moodle: who and a number, a directory or a file
"""
from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from course import submission
from course.archive import SUFFIXES, shown

MAX_NAME_BYTES = 240        # so that there can be a NAME.json.part

# What an instructor or a platform keeps beside the submissions.
_NO_STUDENT = re.compile(r"(?:notes|readme)(?:\..*)?|index\.html|.*\.csv", re.IGNORECASE)


class Refused(Exception):
    """The submissions cannot be told apart, or are not there."""


@dataclass(frozen=True)
class Candidate:
    """A submission that is to be graded."""
    name: str
    path: Path


def find(paths: list[Path], out: Path) -> tuple[list[Candidate], list[Path]]:
    """
    The submissions that these paths stand for, and the files beside them that are none. `out` is
    not one of them; several files of a student are gathered in there. Raises Refused.
    """
    found: dict[str, list[Path]] = defaultdict(list)
    others: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Refused(f"{shown(str(path))}: no such file or directory")
        if not path.is_dir() or (path / "labs").is_dir():
            found[_name(path)].append(path)
            continue
        for child in sorted(path.iterdir()):
            if child.name.startswith((".", "__MACOSX")) or child.resolve() == out.resolve():
                continue
            if not child.is_dir() and _NO_STUDENT.fullmatch(child.name):
                others.append(child)
            else:
                found[_name(child)].append(child)
    if not found:
        raise Refused("no submissions there, neither directories nor archives ("
                      + ", ".join(SUFFIXES) + ")")
    return [Candidate(name, _one(name, found[name], out)) for name in sorted(found)], others


def _name(path: Path) -> str:
    """Whose a submission is. Composed and decomposed letters are the same letters (NFC)."""
    name = unicodedata.normalize(
        "NFC", submission.by_platform(path.name)[0] or submission.stem(path))
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise Refused(f"{shown(str(path))}: the name is too long")
    return name


def _one(name: str, paths: list[Path], out: Path) -> Path:
    """A student's submission, of all that they have handed in. Raises Refused."""
    distinct: dict[Path, Path] = {}
    for path in paths:                  # one may have been given twice: as it was named first
        distinct.setdefault(path.resolve(), path)
    first, *more = distinct.values()
    if not more:
        return first
    if not all(path.is_file() and not path.name.lower().endswith(SUFFIXES) for path in distinct.values()):
        raise Refused(f"two submissions are called {shown(name)}: {shown(str(first))} and "
                      f"{shown(str(more[0]))}")
    gathered = out / "gathered" / name
    shutil.rmtree(gathered, ignore_errors=True)
    gathered.mkdir(parents=True)
    for path in distinct.values():
        shutil.copy2(path, gathered / path.name)
    return gathered
