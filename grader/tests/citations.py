#!/usr/bin/env python3
"""Citations in docs/instructor/answers.md: `FILE:LINE` and then `PART OF THAT LINE`.

Run as a program, it writes the lines' numbers anew.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/instructor/answers.md"
CITATION = re.compile(r"`((?:boot|kernel|labs)/[\w./-]+):(\d+)` `([^`]+)`")


def lines_with(file, part):
    """The numbers of the lines of a file that have this text."""
    return [number for number, line in enumerate((ROOT / file).read_text().splitlines(), 1) if part in line]


def nearest(match):
    """The citation, with the line that has the text and is nearest to the one that was cited."""
    file, number, part = match[1], int(match[2]), match[3]
    found = lines_with(file, part)
    if not found:
        sys.exit(f"{PAGE.name}: no line of {file} has: {part}")
    return f"`{file}:{min(found, key=lambda line: abs(line - number))}` `{part}`"


if __name__ == "__main__":
    PAGE.write_text(CITATION.sub(nearest, PAGE.read_text()))
