# SPDX-License-Identifier: MIT
"""`make trace`: records a boot, and draws what happens around a call of heap_rescue in it.

    trace.py --iso ISO --elf ELF --lab N [--variant NAME] [--log LEVEL] [--type LINE] [--out FILE]

It is the call that a hang or a panic comes of or, in a boot that ends well, the first one. The exit
status is 1 if there is none.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from debugger.arguments import add_machine, lines_of, machine_of
from debugger.foreground import clean_up_when_told_to_end
from debugger.trace import draw
from machine.host import MachineError
from machine.start import prepare


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="trace.py", description=__doc__.splitlines()[0])
    add_machine(parser)
    parser.add_argument("--lab", required=True)
    parser.add_argument("--log", default="debug", metavar="LEVEL")
    parser.add_argument("--type", type=lines_of, default=[], metavar="LINE[; LINE]…")
    for shown in ("--variant", "--patch", "--test", "--options"):
        parser.add_argument(shown, default="")
    parser.add_argument("--out", type=Path, default=Path("trace.svg"))
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        return draw(machine_of(parser, given), given)
    except (MachineError, OSError) as error:
        print(f"trace.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
