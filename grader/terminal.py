# SPDX-License-Identifier: MIT
"""A machine and the person before it: `make run`, `debug`, `gdb`, `live` and `console`.

    terminal.py run     --iso ISO --elf ELF [--stopped] [--mem 64M] [--accel tcg] [--firmware bios]
    terminal.py debug   --iso ISO --elf ELF [--break FUNCTION] [--type LINE] … [-- GDB-ARGUMENTS]
    terminal.py gdb     [--elf ELF] [-- GDB-ARGUMENTS]
    terminal.py live    [--elf ELF]
    terminal.py console [--elf ELF | SOCKET]
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from debugger import place
from debugger.arguments import add_machine, machine_of, words_for_gdb
from debugger.attach import attach
from debugger.debug import debug
from debugger.foreground import clean_up_when_told_to_end
from debugger.run import run
from debugger.viewer import view
from machine.host import MachineError
from machine.qemu import virtual_time
from machine.start import prepare


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="terminal.py", description=__doc__.splitlines()[0],
                                     epilog="What follows -- goes to GDB.")
    parser.add_argument("what", choices=["run", "debug", "gdb", "live", "console"])
    parser.add_argument("socket", type=Path, nargs="?", help="for console")
    parser.add_argument("--stopped", action="store_true", help="for run: until GDB lets it go")
    parser.add_argument("--count", action="store_true", help="time is instructions, as tests need it")
    parser.add_argument("--break", dest="stop_at", metavar="FUNCTION", help="for debug: go there")
    parser.add_argument("--type", metavar="LINE[; LINE]…", help="for debug: at the monitor")
    add_machine(parser)
    words, arguments = words_for_gdb(words)
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        if given.what == "console":
            return view(given.socket or place.running(given.elf, place.CONSOLE))
        if given.what == "gdb":
            return attach(given.elf, arguments)
        if given.what == "live":
            return attach(given.elf, ["-ex", "python from debugger.inside import live; live.show()", "-ex", "quit"])
        config = machine_of(parser, given)
        clock = virtual_time() if given.count and config.accel == "tcg" else []
        if given.what == "run":
            return run(config, given.elf, given.stopped, clock)
        first = [f"type {given.type}"] if given.type else []
        first += [f"hbreak {given.stop_at}", "continue"] if given.stop_at else []
        return debug(config, given.elf, clock, first, arguments)
    except (MachineError, OSError) as error:
        print(f"terminal.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
