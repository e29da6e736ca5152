# SPDX-License-Identifier: MIT
"""The answers of a lab: the student's, or the reference ones where nobody has answered yet."""
from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course.lab import Lab
from machine.host import ROOT

_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def is_answered(answer: Any) -> bool:
    """Did the student write anything?"""
    return answer not in (None, "", [])


@dataclass
class Answers:
    values: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""                       # why the file cannot be graded: no answer counts
    notes: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Is there anything to grade?"""
        return bool(self.trouble) or any(map(is_answered, self.values.values()))


class Unreadable(Exception):
    """A file is there, but not in TOML, or cannot be read at all."""


def _load(path: Path) -> dict[str, Any]:
    """What a TOML file says; nothing if there is no file. Raises Unreadable."""
    place = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unreadable(f"{place}: {error.strerror}") from None
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data[:error.start].count(b"\n") + 1
        raise Unreadable(f"{place}:{line}: not UTF-8: {error.reason}") from None
    except (ValueError, RecursionError) as error:      # not only TOMLDecodeError
        message = str(error)
        position = _POSITION.search(message)
        line = position[1] if position and position[1] else len(data.splitlines())
        raise Unreadable(f"{place}:{line}: not valid TOML: {_POSITION.sub('', message)}") from None


def read(lab: Lab, tree: Path = ROOT) -> Answers:
    """
    The student's answers, in their tree. If their file is readable, or missing, and has no
    answer in it, those of the reference where we have one.
    """
    directory = tree / "labs" / lab.name
    try:
        values = _load(directory / lab.answers)
    except Unreadable as error:
        return Answers(trouble=str(error))
    keys = [question.key for question in lab.questions]
    notes = [f"{lab.answers}: no question is called {key!r}; there are: {', '.join(keys)}"
             for key in values if key not in keys]
    reference = directory / "reference" / lab.answers
    if not Answers(values).any and reference.is_file():
        notes.append(f"{lab.answers} has no answer in it: the reference answers were graded")
        values = _load(reference)
    return Answers(values, notes=notes)
