# SPDX-License-Identifier: MIT
"""Says whether there is a result to keep, for a script that grades what has none.

    grade.py is-graded RESULT.json

Exit status: 0 it is whole, and everything in it could be judged; 1 it is not there, damaged, or to be
made again; 2 usage.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from reports.results import Damaged, read


def main(arguments: list[str]) -> int:
    """`grade.py is-graded`."""
    parser = argparse.ArgumentParser(prog="grade.py is-graded", description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().partition("Exit")[2])
    parser.add_argument("result", type=Path, metavar="RESULT")
    try:
        return 1 if read(parser.parse_args(arguments).result).again else 0
    except Damaged:
        return 1
