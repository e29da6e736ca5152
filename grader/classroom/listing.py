# SPDX-License-Identifier: MIT
"""Lists the submissions of a class, for a cluster that grades each by a command of its own.

    grade.py list DIR_OR_ARCHIVES… --out REPORT/ [--attempts newest]

Prints a line for each student: the name, a tab, and the path. They are those that `grade.py class`
would grade: what is nobody's is named on stderr, and single files of one student are gathered in REPORT/.

Exit status: 0, 2 usage.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from classroom.intake import NEWEST, Refused, find
from course.archive import shown


def main(arguments: list[str]) -> int:
    """`grade.py list`."""
    parser = argparse.ArgumentParser(prog="grade.py list", description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().splitlines()[-1])
    parser.add_argument("submissions", nargs="+", type=Path, metavar="DIR_OR_ARCHIVE")
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT")
    parser.add_argument("--attempts", choices=[NEWEST], default="", help="which one of several counts")
    options = parser.parse_args(arguments)
    try:
        candidates, others = find(options.submissions, options.out, options.attempts)
        if odd := [candidate for candidate in candidates if set("\t\n") & set(str(candidate.path))]:
            raise Refused(f"{shown(str(odd[0].path))}: a name with a tab or a newline fits no line")
    except Refused as error:
        print(f"grade.py list: {error}", file=sys.stderr)
        return 2
    for other in others:
        print(f"grade.py list: nobody's: {shown(str(other))}", file=sys.stderr)
    for candidate in candidates:
        print(f"{candidate.key}\t{candidate.path}")
    return 0
