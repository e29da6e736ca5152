# SPDX-License-Identifier: MIT
"""`make rewind`: records a boot and opens it in GDB, where time runs both ways.

    rewind.py --iso ISO --elf ELF [--mem 64M] [--type LINE[; LINE]…] [-- GDB-ARGUMENTS]
    rewind.py RECORDING [-- GDB-ARGUMENTS]

The second form opens what `grade.py --record` has left.
"""
from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from debugger.arguments import add_machine, lines_of, machine_of, words_for_gdb
from debugger.foreground import clean_up_when_told_to_end
from debugger.rewind import open_in_gdb, record
from machine import recording as recordings
from machine.host import MachineError, temporary_directory
from machine.start import prepare


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="rewind.py", description=__doc__.splitlines()[0],
                                     epilog="What follows -- goes to GDB.")
    parser.add_argument("recording", type=Path, nargs="?")
    add_machine(parser)
    parser.add_argument("--type", type=lines_of, default=[], metavar="LINE[; LINE]…")
    words, arguments = words_for_gdb(words)
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        if given.recording:
            return open_in_gdb(recordings.load(given.recording), arguments)
        config = machine_of(parser, given)
        with temporary_directory() as directory:
            empty = recordings.new(Path(directory), config, given.elf)
            return open_in_gdb(asyncio.run(record(empty, given.type)), arguments)
    except (MachineError, OSError) as error:
        print(f"rewind.py: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
