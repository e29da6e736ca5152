# SPDX-License-Identifier: MIT
"""Hints on a lab's exercises, from a nudge to nearly the answer: labs/NN-name/hints.toml.

    ["4.1"]
    en = ["…", "…", "…"]
    zh = ["…", "…", "…"]

Which of them a student has read stands in hints-read.txt beside it, a line "4.1 2" for each
exercise. Students can change that file: it tells an instructor where they were stuck, no more.
A step of a handout that is no exercise is called "3.step2".
"""
from __future__ import annotations

import re
import tomllib
from pathlib import Path

from course.lab import available
from course.table import LabError, Table

NR_STEPS = 3
LANGUAGES = ("en", "zh")
FILE = "hints.toml"
READ = "hints-read.txt"

HEAD = "# Hints that were read. This is a part of what you hand in: it shows where a page is too hard.\n"

_LINE = re.compile(r"(\d\.(?:step)?\d{1,2}) ([1-9])")


def load(lab: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """The hints of the lab in a directory, by exercise and language. Raises LabError."""
    try:
        values = tomllib.loads((lab / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{lab.name}/{FILE}: {error}") from None
    hints = {}
    for exercise, steps in values.items():
        table = Table(steps, f"{lab.name}/{FILE}, {exercise}")
        hints[exercise] = {language: table.strings(language, ...) for language in LANGUAGES}
        table.done()
        if any(len(each) != NR_STEPS for each in hints[exercise].values()):
            raise table.error(f"there must be {NR_STEPS} steps in each language")
    return hints


def parse_read(text: bytes) -> dict[str, int]:
    """How many hints were read on each exercise. Lines that say something else do not count."""
    found = map(_LINE.fullmatch, text.decode("utf-8", "replace").splitlines())
    return {match[1]: min(int(match[2]), NR_STEPS) for match in found if match}


def files() -> list[str]:
    """Where what was read is kept, as paths in the tree."""
    return [f"labs/{path.name}/{READ}" for path in available().values()]


def take(exercise: str, language: str, root: Path) -> str:
    """The next hint on an exercise, and which it is; the last again. Raises LabError."""
    paths = available(root)
    number = exercise.partition(".")[0]
    lab = paths.get(int(number)) if number.isdecimal() else None
    hints = load(lab) if lab else {}
    if lab is None or exercise not in hints:
        known = ", ".join(name for path in paths.values() for name in load(path))
        wrong = f"there is no hint on {exercise!r}" if exercise else "on which exercise? Say make hint EX=2.1"
        raise LabError(f"{wrong}; there are hints on: {known}")
    file = lab / READ
    read = parse_read(file.read_bytes()) if file.exists() else {}
    read[exercise] = min(read.get(exercise, 0) + 1, NR_STEPS)
    file.write_text(HEAD + "".join(f"{name} {nr}\n" for name, nr in sorted(read.items())), encoding="utf-8")
    step = read[exercise]
    return f"{exercise}, {step}/{NR_STEPS}: {hints[exercise][language][step - 1]}"
