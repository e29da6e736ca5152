# SPDX-License-Identifier: MIT
"""Grades known-bad submissions: shows whether each gets the verdict that it deserves.

    mutants.py [LAB…]

classroom/mutants.py says what they are. The reference solutions are graded beside the mutants and
must get full points.

Exit status: 0 all is as it should be, 1 it is not, 2 usage.
"""
from __future__ import annotations

import argparse
import asyncio
import os
import sys

from rich.console import Console
from rich.progress import Progress

from classroom.mutants import grade, patches, summary, table
from course.lab import NoSuchLab, select
from machine.start import prepare

PIPE_WIDTH = 240            # columns of a table that goes to a file: a row is a line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().splitlines()[-1])
    parser.add_argument("labs", nargs="*", metavar="LAB", help="a lab's number or name (all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="machines at a time (%(default)s)")
    arguments = parser.parse_args()
    try:
        chosen = select(arguments.labs)
    except NoSuchLab as error:
        parser.error(str(error))
    found = patches([lab.number for lab in chosen])
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("mutants", total=len(found) + len(chosen))
        mutants, references = asyncio.run(grade(found, chosen, arguments.jobs,
                                                lambda: progress.advance(task)))
    console.print(table(mutants))
    for line in summary(mutants, references):
        console.print(line, markup=False, soft_wrap=True)
    good = all(mutant.is_caught for mutant in mutants) and not any(r.failures for r in references)
    return 0 if good else 1


if __name__ == "__main__":
    prepare()
    sys.exit(main())
