# SPDX-License-Identifier: MIT
"""What students get: the tree without solutions, as a directory and as a .tar.gz.

    handout.py --into DIRECTORY [--labs 0-N] [--given]

course/handout.py says what is in it, and why.
Exit status: 0 made, 1 something is missing or wrong, 2 usage.
"""
from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from course.handout import NAME, first_labs, make
from course.table import LabError
from machine.host import MachineError
from machine.start import prepare


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="handout.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, required=True, metavar="DIRECTORY")
    parser.add_argument("--labs", metavar="0-N", help="only the first labs (all)")
    parser.add_argument("--given", action="store_true",
                        help="with the reference's frames and heap as objects, for HEAP=given")
    arguments = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))   # tidies up
    try:
        labs = first_labs(arguments.labs)
        make(arguments.into, labs, arguments.given)
    except (LabError, MachineError, OSError) as error:
        print(f"handout: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.into / NAME}: labs {', '.join(str(given.number) for given in labs)}; "
          f"packed: {arguments.into / NAME}.tar.gz")
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
