# SPDX-License-Identifier: MIT
"""What becomes of a file's name on its way from a student to here, and what it was before.

Learning platforms put before it whose it is:

    lovelaceada_LATE_1234_56789_heap.c                  Canvas: who, two numbers, the file
    LATE_anon_u3x9P_56789_heap.c                        the same of somebody whose name is hidden
    lovelaceada_1234_text.html                          what was typed into Canvas, or a link
    Ada Lovelace_1234_assignsubmission_file_heap.c      Moodle: who and a number, the file
    Ada Lovelace_1234_assignsubmission_file_            a directory of Moodle's
    Ada Lovelace_1234_assignsubmission_onlinetext_…     what was typed into Moodle

Source of the forms: Canvas' lib/content_zipper.rb, Moodle's mod/assign. Browsers, editors and people
who copy add a number, a word for "copy" in their language, or a suffix.
"""
from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote

_TYPED = r"(?:\d+_(?=.)|(?=(?:text|link)\.html$))"
_PLATFORM = re.compile(rf"(?:late_)?(?P<anon>anon_[0-9a-z]+)_{_TYPED}"
                       rf"|(?P<canvas>.+?)_(?:late_)?(?P<user>\d+)_{_TYPED}"
                       r"|(?P<moodle>.+)_(?P<id>\d+)_assignsubmission_[a-z]+(?:_|$)", re.IGNORECASE)

_COPY = "copy|kopie|copie|copia|cópia|копия|コピー|복사본|副本"
_AROUND = re.compile(rf"^(?:copy of|kopie von|copie de|copia de) |^ +|^lab[ _-]*\d+[ _-]+|[ _-]+lab[ _-]*\d+(?=\.)"
                     rf"|[ _–—-]*(?:\(\d+\)|\[\d+\]|的?(?:{_COPY})(?: ?\d+)?|\d+)(?=\.)|\.txt$|[ .]+$")

# A directory that says which lab its files are of: lab3, Lab_03, 03-deadlock.
_OF_LAB = re.compile(r"(?:lab[ _-]*0*|0*)(\d+)(?:\D.*)?")

# A file's own name that does: lab3_answers.toml, answers-lab3.toml.
_FILE_OF_LAB = re.compile(r"^lab[ _-]*(\d+)[ _-]|[ _-]lab[ _-]*(\d+)\b")


def by_platform(name: str) -> tuple[str, str]:
    """Whose a file is that a learning platform has named, "" if none has; and its own name."""
    match = _PLATFORM.match(name)
    if not match:
        return "", name
    whose = match["anon"] or f"{match['canvas'] or match['moodle']}_{match['user'] or match['id']}"
    return whose, name[match.end():]


def usual(name: str) -> str:
    """A file's name as it was before a browser or the like made another of it."""
    name = by_platform(unicodedata.normalize("NFKC", unquote(posixpath.basename(name))))[1].lower()
    while (shorter := _AROUND.sub("", name)) != name:
        name = shorter
    return name


def _number(name: str) -> int | None:
    """
    Which version of a file it is, by the number that a browser or Canvas gives to another file of the same
    name in one directory: heap.c is 0, "heap (2).c" is 2, heap-1.c is 1. None if the name says something else.
    """
    own, dot, suffix = by_platform(name)[1].rpartition(".")
    match = re.fullmatch(r"(.*?)(?: ?\((\d{1,6})\)|-(\d{1,6}))?", own, re.DOTALL)
    if f"{match[1]}{dot}{suffix}".lower() != usual(name):
        return None
    return int(match[2] or match[3] or 0)


def newest(names: Sequence[str]) -> str | None:
    """The newest of several versions of one file in a flat download; None if the names do not say."""
    numbers = {_number(name): name for name in names if "/" not in name}
    if None in numbers or len(numbers) < len(names):
        return None
    return numbers[max(numbers)]


def outdated(names: Sequence[str]) -> set[str]:
    """Those of these names of which a newer version lies beside them in a flat download."""
    versions: dict[str, list[str]] = {}
    for name in names:
        if "/" not in name:
            versions.setdefault(usual(name), []).append(name)
    return {name for same in versions.values() if (best := newest(same)) for name in same if name != best}


def labs_of(name: str) -> set[int]:
    """The numbers of the labs that the directories of a path name, or the file's own name does."""
    *directories, own = name.lower().split("/")
    found = [_OF_LAB.fullmatch(part) for part in directories] + [_FILE_OF_LAB.search(by_platform(own)[1])]
    return {int(match[match.lastindex]) for match in found if match}
