# SPDX-License-Identifier: MIT
"""The answers of a lab: the student's, or the reference ones where nobody has answered yet."""
from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course.lab import Lab
from machine.host import ROOT

_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_ENTRY = re.compile(r"\s*([\w-]+)\s*=")


def is_answered(answer: Any) -> bool:
    """Did the student write anything?"""
    return answer not in (None, "", [])


@dataclass
class Answers:
    values: dict[str, Any] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)    # why an entry cannot be read, by its key
    trouble: str = ""                       # why the file cannot be graded: no answer counts
    notes: list[str] = field(default_factory=list)
    are_reference: bool = False             # nobody has answered yet

    @property
    def any(self) -> bool:
        """Is there anything to grade?"""
        return bool(self.trouble or self.broken) or any(map(is_answered, self.values.values()))


def _decode(data: bytes) -> str:
    """Text, as editors save it: UTF-8 or UTF-16, perhaps with a byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def _entries(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces, each with the line where it begins: an entry, with the lines up to the next."""
    lines = text.splitlines()
    starts = [0, *(number for number, line in enumerate(lines) if number and _ENTRY.match(line))]
    for start, end in zip(starts, [*starts[1:], len(lines)]):
        yield start + 1, "\n".join(lines[start:end])


def _parse(text: str, place: str) -> Answers:
    """What a TOML file says. If it is none, each entry is read by itself."""
    try:
        return Answers(tomllib.loads(text))
    except (ValueError, RecursionError):               # not only TOMLDecodeError
        found = Answers()
    for number, piece in _entries(text):
        entry = _ENTRY.match(piece)
        key = entry[1] if entry else ""
        try:
            values = tomllib.loads(piece)
            if key in found.values or key in found.broken:
                raise ValueError("it is there twice (at line 1, column 1)")
            found.values |= values
        except (ValueError, RecursionError) as error:
            position = _POSITION.search(str(error))
            line = int(position[1]) if position and position[1] else len(piece.splitlines())
            why = f"{place}:{number + line - 1}: not valid TOML: {_POSITION.sub('', str(error))}"
            found.values.pop(key, None)
            if key:
                found.broken[key] = why
            else:
                found.notes.append(why)
    return found


def _load(path: Path) -> Answers:
    """What is in a file of answers; nothing if there is no file."""
    place = str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
    try:
        return _parse(_decode(path.read_bytes()), place)
    except FileNotFoundError:
        return Answers()
    except OSError as error:
        return Answers(trouble=f"{place}: {error.strerror}")


def read(lab: Lab, tree: Path = ROOT) -> Answers:
    """
    The student's answers, in their tree. If their file is readable, or missing, and has no
    answer in it, those of the reference where we have one.
    """
    directory = tree / "labs" / lab.name
    given = _load(directory / lab.answers)
    given.notes += [f"{lab.answers}: no question is called {key!r}; there are: {', '.join(lab.keys)}"
                    for key in given.values.keys() | given.broken.keys() if key not in lab.keys]
    reference = directory / "reference" / lab.answers
    if not given.any and reference.is_file():
        found = _load(reference)
        note = f"{lab.answers} has no answer in it: the reference answers were graded"
        return Answers(found.values, notes=[*given.notes, note], are_reference=True)
    return given
