# SPDX-License-Identifier: MIT
"""`make watch`: grades a lab again whenever one of its files is saved.

    watch.py --lab N [--heap given]

Exit status: 0 left with q or Ctrl-C, 2 usage, 3 the grader or the machine failed.
"""
from __future__ import annotations

import argparse
import asyncio
import sys

from classroom.watch import watch
from course import lab as labs
from course.table import LabError
from debugger.foreground import clean_up_when_told_to_end
from judging.grading import Task
from machine.host import MachineError
from machine.start import prepare


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="watch.py", description=__doc__.splitlines()[0])
    parser.add_argument("--lab", required=True, metavar="N", help="a lab's number or name")
    parser.add_argument("--heap", choices=["given"], default="",
                        help="on the reference's frames and heap")
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        lab, = labs.select([given.lab])
        asyncio.run(watch(Task(lab, lab.tests, None, given.heap)))
    except labs.NoSuchLab as error:
        print(f"watch.py: {error}", file=sys.stderr)
        return 2
    except (LabError, MachineError, OSError) as error:
        print(f"watch.py: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print()
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
