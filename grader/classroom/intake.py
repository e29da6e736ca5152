# SPDX-License-Identifier: MIT
"""Which submissions there are to grade in a class.

Everything in the class's directory is somebody's submission, also what turns out to be none when
it is read: so nobody is forgotten. What a learning platform puts before the name of a file says
whose it is; several files of one student become one submission.

    lovelaceada_LATE_1234_56789_lab2.zip            Canvas: who, two numbers, the file
    Ada Lovelace_1234_assignsubmission_file_        Moodle: who and a number, a directory or a file

Several submissions of one name are attempts of one student, if the instructor says which counts.
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


NEWEST, BEST = ATTEMPTS = ("newest", "best")


@dataclass(frozen=True)
class Candidate:
    """A submission that is to be graded."""
    name: str
    path: Path
    attempt: int = 0            # its number, from 1 on, if the best of several counts

    @property
    def key(self) -> str:
        """What its files are called while it is one of several."""
        return f"{self.name}.{self.attempt}" if self.attempt else self.name


def find(paths: list[Path], out: Path, attempts: str = "") -> tuple[list[Candidate], list[Path]]:
    """
    The submissions that these paths stand for, and the files beside them that are none. `out` is
    not one of them; several files of a student are gathered in there. `attempts`: which of a
    student's submissions counts, one of ATTEMPTS, or "" where there must be one. Raises Refused.
    """
    found: dict[str, list[list[Path]]] = defaultdict(lambda: [[] for _ in paths])
    others: list[Path] = []
    for place, path in enumerate(paths):
        if not path.exists():
            raise Refused(f"{shown(str(path))}: no such file or directory")
        if not path.is_dir() or (path / "labs").is_dir():
            found[_name(path)][place].append(path)
            continue
        for child in sorted(path.iterdir()):
            if child.name.startswith((".", "__MACOSX")) or child.resolve() == out.resolve():
                continue
            if not child.is_dir() and _NO_STUDENT.fullmatch(child.name):
                others.append(child)
            else:
                found[_name(child)][place].append(child)
    if not found:
        raise Refused("no submissions there, neither directories nor archives ("
                      + ", ".join(SUFFIXES) + ")")
    return [candidate for name in sorted(found) for candidate in
            _that_count(name, _attempts(name, found[name], out), attempts)], others


def _name(path: Path) -> str:
    """Whose a submission is. Composed and decomposed letters are the same letters (NFC)."""
    name = unicodedata.normalize(
        "NFC", submission.by_platform(path.name)[0] or submission.stem(path))
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        raise Refused(f"{shown(str(path))}: the name is too long")
    return name


def _attempts(name: str, places: list[list[Path]], out: Path) -> list[Path]:
    """
    A student's submissions, the oldest first: by the order of the paths that were given, and of
    one path by date. Single files of one path are one submission.
    """
    known: set[Path] = set()
    found: list[Path] = []
    for number, paths in enumerate(places):
        distinct = {path.resolve(): path for path in reversed(paths) if path.resolve() not in known}
        known |= distinct.keys()
        single = [path for path in distinct if path.is_file() and not path.name.lower().endswith(SUFFIXES)]
        others = [distinct[path] for path in distinct if path not in single]
        if len(single) > 1:
            others.append(_gathered(out / "gathered" / f"{number}" / name, single))
        found += sorted(others + [distinct[path] for path in single if len(single) == 1], key=_date)
    return found


def _date(path: Path) -> float:
    """When a submission was written, by its youngest file; in seconds since 1970."""
    return max((file.stat().st_mtime for file in (path, *path.rglob("*")) if file.is_file()), default=0)


def _gathered(into: Path, files: list[Path]) -> Path:
    """A directory with copies of these files, of their dates."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for file in sorted(files):
        shutil.copy2(file, into / file.name)
    return into


def _that_count(name: str, paths: list[Path], attempts: str) -> list[Candidate]:
    """The attempts of a student that are to be graded. Raises Refused."""
    if len(paths) == 1 or attempts == NEWEST:
        return [Candidate(name, paths[-1])]
    if not attempts:
        raise Refused(f"two submissions are called {shown(name)}: {shown(str(paths[0]))} and "
                      f"{shown(str(paths[1]))}. If they are attempts: --attempts {' or '.join(ATTEMPTS)}")
    return [Candidate(name, path, number) for number, path in enumerate(paths, 1)]
