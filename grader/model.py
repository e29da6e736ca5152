# SPDX-License-Identifier: MIT
"""`make model`: has SPIN check the model of a lab, and draws what goes wrong in one of its protocols.

    model.py --lab N [--protocol NAME [--cpus 2] --out FILE]

Without --protocol it shows what the model finds in each protocol that is known. The exit status is 1
if the model cannot be checked, 2 for usage, 3 if something here does not work.
"""
from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from course import lab as labs
from course.table import LabError
from debugger.foreground import clean_up_when_told_to_end
from machine.host import MachineError
from machine.start import prepare
from proof.show import draw, show_all
from proof.spin import BadModel


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="model.py", description=__doc__.splitlines()[0])
    parser.add_argument("--lab", required=True)
    parser.add_argument("--protocol", default="", metavar="NAME")
    parser.add_argument("--cpus", type=int, default=1, metavar="N")
    parser.add_argument("--out", type=Path, default=Path("model.svg"))
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        lab, = labs.select([given.lab])
        if given.protocol:
            return asyncio.run(draw(lab, given.protocol, given.cpus, given.out))
        return asyncio.run(show_all(lab))
    except BadModel as error:
        print(f"model.py: {error}", file=sys.stderr)
        return 1
    except (labs.NoSuchLab, LabError) as error:
        print(f"model.py: {error}", file=sys.stderr)
        return 2
    except (MachineError, OSError) as error:
        print(f"model.py: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
