# SPDX-License-Identifier: MIT
"""What a handout gives, file by file: which of it has a student changed?

A handout has a list, grader/manifest/NAME.txt: a line "DIGEST  PATH" for each file that decides
about a grade, with a - for those that students edit. Several handouts may have been unpacked over
each other: a file is unchanged if any list has it as it is. A tree without a list is not a student's.
"""
from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from machine.host import ROOT

DIRECTORY = "grader/manifest"
STUDENTS = "-"

_PARTS = ("Makefile", "boot", "kernel", "labs", "grader")
_SOURCES = ("boot/*.S", "kernel/*.[chS]", "labs/*/*.c")     # make takes all that there are


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write(tree: Path, students: Collection[str]) -> None:
    """Writes the list of a handout that is complete but for it. `students`: the files they edit."""
    paths = [str(file.relative_to(tree)) for part in _PARTS
             for file in sorted([tree / part, *(tree / part).rglob("*")])
             if file.is_file() and file.suffix != ".md"]
    text = "".join(f"{STUDENTS if path in students else _digest(tree / path)}  {path}\n" for path in paths)
    (tree / DIRECTORY).mkdir()
    name = hashlib.sha256(text.encode()).hexdigest()[:8]
    (tree / DIRECTORY / f"{name}.txt").write_text(text, encoding="utf-8")


def changed(root: Path = ROOT) -> list[str]:
    """The given files that are not as they were, or are gone, and sources that were added; as paths."""
    known = defaultdict(set)
    for file in (root / DIRECTORY).glob("*.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            digest, _, path = line.partition("  ")
            known[path].add(digest)
    if not known:
        return []
    found = {path for path, digests in known.items() if STUDENTS not in digests
             and not ((root / path).is_file() and _digest(root / path) in digests)}
    return sorted(found | {path for pattern in _SOURCES for file in root.glob(pattern)
                           if (path := str(file.relative_to(root))) not in known})


def advice(paths: list[str], root: Path = ROOT) -> str:
    """What to tell the student about files that were changed."""
    back = f"git checkout {' '.join(paths)}" if (root / ".git").exists() else \
        "unpack the handout once more, elsewhere, and copy them"
    return f"you changed {', '.join(paths)}, which you do not hand in. To have what was given back: {back}"
