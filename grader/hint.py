# SPDX-License-Identifier: MIT
"""The next hint on an exercise: `make hint EX=2.1`.

    hint.py EXERCISE

In Chinese where the locale is. Exit status: 0 shown, 2 there is no such exercise.
"""
from __future__ import annotations

import os
import sys
import textwrap

from course import hints
from course.table import LabError
from machine.host import ROOT
from machine.start import prepare


def main(words: list[str]) -> int:
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    try:
        hint = hints.take(" ".join(words), "zh" if locale.startswith("zh") else "en", ROOT)
    except LabError as error:
        print(f"hint: {error}", file=sys.stderr)
        return 2
    print(textwrap.fill(hint, 96, break_on_hyphens=False) if hint.isascii() else hint)
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
