#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Grades labs: builds them, boots them in QEMU, and judges each test.

    grade.py [LAB…]                     this tree
    grade.py --tree SUBMISSION [LAB…]   a student's directory, .tar.gz or .zip
    grade.py class SUBMISSIONS…         a class (class --help)
    grade.py report RESULTS…            a class's report from results (report --help)
    grade.py compare OLD NEW            whose points changed, and by which test
    grade.py list DIR --out REPORT      the class's submissions, a line each: NAME TAB PATH
    grade.py is-graded RESULT           exit status 0 if there is a result to keep
    grade.py diff SUBMISSION            what a student wrote, against the handout
    grade.py similar DIR                whose files are alike

Exit status: 0 full points, 1 points lost, 2 usage, 3 the grader or the machine failed.
"""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from machine.start import prepare

if None in map(find_spec, ("elftools", "rich")):    # not the Python that has them came first
    found = subprocess.run(["sh", Path(__file__).with_name("find-python")], text=True,
                           stdout=subprocess.PIPE, check=False).stdout.strip()
    if not found or os.environ.get("OUROBOROS_PYTHON") == found:
        print("grade.py: no Python 3.11 or later with rich and pyelftools. Try: make setup",
              file=sys.stderr)
        sys.exit(3)
    os.environ["OUROBOROS_PYTHON"] = found
    os.execv(found, [found, *sys.argv])


def main(words: list[str]) -> int:
    """Starts the module that is asked for; the others are not even read."""
    match words[:1]:
        case ["class"]:
            from classroom import many as command
        case ["report"]:
            from classroom import report as command
        case ["compare"]:
            from classroom import compare as command
        case ["list"]:
            from classroom import listing as command
        case ["is-graded"]:
            from classroom import is_graded as command
        case ["diff"]:
            from classroom import diff as command
        case ["similar"]:
            from classroom import similar as command
        case _:
            from classroom import one
            return one.main(words, __doc__)
    if words[0] != "class":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)       # whoever reads it may have seen enough
    return command.main(words[1:])


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
