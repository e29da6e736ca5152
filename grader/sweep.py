# SPDX-License-Identifier: MIT
"""`make sweep`: lets every allocation fail once, and says how to stop at the one that was not borne.

    sweep.py --iso ISO --elf ELF [--mem 64M] [--words 'LAB=6 …']

The exit status is 1 if a test has failed, or the kernel did not live to its end.
"""
from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from debugger.arguments import add_machine, machine_of
from debugger.foreground import clean_up_when_told_to_end
from debugger.sweep import sweep
from machine.host import MachineError
from machine.start import prepare


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="sweep.py", description=__doc__.splitlines()[0])
    add_machine(parser)
    parser.add_argument("--words", default="", help="of make that name the kernel, for what is shown")
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        return asyncio.run(sweep(machine_of(parser, given), given.elf, given.words))
    except (MachineError, OSError) as error:
        print(f"sweep.py: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
