# SPDX-License-Identifier: MIT
"""Which submissions there are to grade in a class.

Everything in the class's directory counts as somebody's submission, even if it turns out to be none
when it is read. So nobody is forgotten. A learning platform puts words before the name of a file, which
say whose it is (course/names.py). All files that a platform has of one student are one submission, as it
hands out the last attempt alone. So are several single files of one name elsewhere.

Several submissions of one name are attempts of one student, if the instructor says which counts.
"""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from course import names, submission
from course.archive import SUFFIXES, is_silent, shown

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
    try:
        for place, path in enumerate(paths):
            for child in _submissions(path, out, others):
                found[_name(child)][place].append(child)
    except OSError as error:
        raise Refused(f"{shown(str(error.filename))}: {error.strerror}") from None
    if not found:
        raise Refused("no submissions there, neither directories nor archives ("
                      + ", ".join(SUFFIXES) + ")")
    return [candidate for name in sorted(found) for candidate in
            _that_count(name, _attempts(name, found[name], out), attempts)], others


def _submissions(path: Path, out: Path, others: list[Path]) -> Iterator[Path]:
    """
    What a path stands for: itself, or what is in it. Adds to `others` what is none. Raises Refused
    or OSError.
    """
    if not path.exists():
        raise Refused(f"{shown(str(path))}: no such file or directory")
    if not path.is_dir() or (path / "labs").is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        if child.name.startswith((".", "__MACOSX")) or is_silent(child.name) or os.path.realpath(child) == os.path.realpath(out):
            continue
        if not child.is_dir() and _NO_STUDENT.fullmatch(child.name):
            others.append(child)
        else:
            yield child


def _name(path: Path) -> str:
    """
    Whose a submission is. Composed and decomposed letters are the same letters (NFC); of a name that
    is too long the end is left out.
    """
    name = unicodedata.normalize(
        "NFC", names.by_platform(path.name)[0] or submission.stem(path))
    data = os.fsencode(name)
    if len(data) > MAX_NAME_BYTES:
        kept = data[:MAX_NAME_BYTES - 10].decode(errors="ignore")
        name = f"{kept}…{hashlib.sha256(data).hexdigest()[:6]}"
    return name


def _attempts(name: str, places: list[list[Path]], out: Path) -> list[Path]:
    """
    A student's submissions, the oldest first: by the order of the paths that were given, and of
    one path by date. What belongs together of one path is one submission.
    """
    known: set[str] = set()
    found: list[Path] = []
    for number, paths in enumerate(places):
        distinct = {os.path.realpath(path): path for path in reversed(paths)
                    if os.path.realpath(path) not in known}
        known |= distinct.keys()
        parts = [path for path in distinct.values() if _is_part(path)]
        others = [path for path in distinct.values() if path not in parts]
        together = [_gathered(out / "gathered" / f"{number}" / name, parts)] if len(parts) > 1 else parts
        found += sorted(others + together, key=_date)
    return found


def _is_part(path: Path) -> bool:
    """May other files of this student belong to the same attempt?"""
    return bool(names.by_platform(path.name)[0]) or \
        path.is_file() and not path.name.lower().endswith(SUFFIXES)


def _date(path: Path) -> float:
    """When a submission was written, by its youngest file; in seconds since 1970."""
    youngest = 0.0
    for where, _, files in [(str(path.parent), [], [path.name]), *os.walk(path)]:
        for file in files:
            with suppress(OSError):         # reading it will say so
                status = os.stat(os.path.join(where, file))
                youngest = max(youngest, status.st_mtime if stat.S_ISREG(status.st_mode) else 0)
    return youngest


def _gathered(into: Path, parts: list[Path]) -> Path:
    """A directory with copies of these files and directories, of their dates; or what cannot be copied."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for part in sorted(parts):
        try:
            if part.is_dir():
                shutil.copytree(part, into / part.name, symlinks=True)
            else:
                shutil.copy2(part, into / part.name)
        except (OSError, shutil.Error):     # reading it will say why
            return part
    return into


def _that_count(name: str, paths: list[Path], attempts: str) -> list[Candidate]:
    """The attempts of a student that are to be graded. Raises Refused."""
    if len(paths) == 1 or attempts == NEWEST:
        return [Candidate(name, paths[-1])]
    if not attempts:
        raise Refused(f"two submissions are called {shown(name)}: {shown(str(paths[0]))} and "
                      f"{shown(str(paths[1]))}. If they are attempts: --attempts {' or '.join(ATTEMPTS)}")
    return [Candidate(name, path, number) for number, path in enumerate(paths, 1)]
