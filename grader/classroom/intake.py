# SPDX-License-Identifier: MIT
"""Which submissions there are to grade in a class."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from course import submission
from course.archive import SUFFIXES, shown

MAX_NAME_BYTES = 240        # so that there can be a NAME.json.part


class Refused(Exception):
    """The submissions cannot be told apart, or are not there."""


@dataclass(frozen=True)
class Candidate:
    """A submission that is to be graded."""
    name: str
    path: Path


def find(paths: list[Path], out: Path) -> tuple[list[Candidate], list[Path]]:
    """
    The submissions that these paths stand for, and the files beside them that are none.
    `out` is not one of them. Raises Refused.
    """
    found: dict[str, Candidate] = {}
    others: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Refused(f"{shown(str(path))}: no such file or directory")
        candidates = [path]
        if path.is_dir() and not (path / "labs").is_dir():
            inside = sorted(child for child in path.iterdir()
                            if not child.name.startswith((".", "__MACOSX"))
                            and child.resolve() != out.resolve())
            candidates = [child for child in inside if child.is_dir()
                          or child.name.lower().endswith(SUFFIXES)]
            others += [child for child in inside if child not in candidates]
        for candidate in candidates:
            _add(found, Candidate(submission.stem(candidate), candidate))
    if not found:
        raise Refused("no submissions there, neither directories nor archives ("
                      + ", ".join(SUFFIXES) + ")")
    return sorted(found.values(), key=lambda candidate: candidate.name), others


def _add(found: dict[str, Candidate], candidate: Candidate) -> None:
    first = found.setdefault(candidate.name, candidate)
    if first.path.resolve() != candidate.path.resolve():
        raise Refused(f"two submissions are called {shown(candidate.name)}: "
                      f"{shown(str(first.path))} and {shown(str(candidate.path))}")
    if len(os.fsencode(candidate.name)) > MAX_NAME_BYTES:
        raise Refused(f"{shown(str(candidate.path))}: the name is too long")
