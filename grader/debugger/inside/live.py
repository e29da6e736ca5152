# SPDX-License-Identifier: MIT
"""Runs inside GDB, attached to a machine: shows what it has in memory, again and again.

For each picture the machine is stopped, read, and let go again. Between two pictures it runs.
Its clock stands still while it is read, so neither its time nor its watchdog notices.
Relies on: the commands in this room.
"""
from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import gdb

from debugger.inside.command import Command
from debugger.inside.dmesg import Dmesg
from debugger.inside.frames import Frames
from debugger.inside.heap import Heap
from debugger.inside.locks import Locks
from debugger.inside.reader import Note, check_kernel

PERIOD = 0.5                            # seconds between two pictures
CLEAR, HOME, END_OF_LINE, BELOW = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"     # ECMA-48, 8.3


def fitted(texts: list[list[str]], columns: int, rows: int) -> list[str]:
    """The texts one below the other on a screen. Of the last one the end is what matters."""
    *above, last = texts
    lines = [line for text in above for line in [*text, ""]]
    room = rows - len(lines)
    lines += last[-room:] if room > 0 else []
    return [line[:columns] for line in lines[:rows]]


def texts(commands: tuple[Command, ...]) -> Iterator[list[str]]:
    """What each command says of the machine, or why there is nothing to say."""
    try:
        check_kernel()
    except (Note, gdb.error) as error:
        yield [f"{str(error).rstrip('.')}."]
        return
    for command in commands:
        yield list(command.answer("", check=False))


def show() -> None:
    """Shows pictures of the machine that GDB is attached to until it ends, or until Ctrl-C."""
    address = gdb.selected_inferior().connection.details
    commands = (Locks(), Heap(), Frames(), Dmesg())     # from top to bottom
    print(CLEAR, end="")
    try:
        while True:
            said = list(texts(commands))
            gdb.execute("detach", to_string=True)
            size = shutil.get_terminal_size()
            lines = fitted(said, size.columns, size.lines - 1)
            print(HOME + "".join(f"{line}{END_OF_LINE}\n" for line in lines) + BELOW, end="", flush=True)
            time.sleep(PERIOD)
            gdb.execute(f"target remote {address}", to_string=True)
    except KeyboardInterrupt:
        print()
    except gdb.error:
        print("The machine has ended.")
