# SPDX-License-Identifier: MIT
"""What a grade depends on besides the submission, as digests: the labs and the grader as they are.

Pages in Markdown, hints, reports, the grader's own tests, and what tools leave behind decide about
no grade, so they do not count. Nor does the date of any file.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from course.lab import Lab, available
from machine.host import ROOT

_GRADER = ("machine", "debugger", "course", "judging", "heaps", "mutants", "classroom/one.py")
_STAGE = ("Makefile", "boot", "kernel")
_COUNTS = re.compile(r"[^.]+|(?!hints\.).*\.(c|h|S|awk|in|toml|txt|patch|py|o)")


def _files(places: Iterable[Path]) -> Iterator[Path]:
    """The files there that count, in a fixed order."""
    for place in places:
        for file in sorted([place, *place.rglob("*")]):
            if file.is_file() and _COUNTS.fullmatch(file.name) and "__pycache__" not in file.parts:
                yield file


def _digest(root: Path, places: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in _files(places):
        contents = file.read_bytes()
        digest.update(f"{file.relative_to(root)}\0{len(contents)}\0".encode() + contents)
    return digest.hexdigest()


def of(labs: Iterable[Lab], root: Path = ROOT) -> dict[str, str]:
    """
    The digest of the grader under "grader", and that of each of these labs under its name: all that
    its stage is made of, and how it is judged. A later lab is no part of it.
    """
    beside = [path for path in sorted(root.glob("labs/*")) if path.is_file()]
    found = {"grader": _digest(root, (root / "grader" / name for name in _GRADER))}
    for lab in labs:
        stage = [path for number, path in available(root).items() if number <= lab.number]
        found[lab.name] = _digest(root, [*(root / name for name in _STAGE), *beside,
                                         root / "labs/objects", *stage])
    return found
