# SPDX-License-Identifier: MIT
"""Defines every command, and `ouroboros`, which lists them."""
from __future__ import annotations

import gdb

from debugger.bootinfo import Bootinfo
from debugger.command import Command
from debugger.cycle import Cycle
from debugger.dentries import Dentries
from debugger.dmesg import Dmesg
from debugger.frames import Frames
from debugger.heap import Heap
from debugger.keyboard import Type
from debugger.locks import Locks
from debugger.slab import SlabAt

COMMANDS: tuple[type[Command], ...] = (
    Cycle, Locks, Frames, Heap, SlabAt, Dmesg, Dentries, Bootinfo, Type)


class Ouroboros(gdb.Command):
    """Lists the commands for this kernel."""

    def __init__(self, commands: list[Command]) -> None:
        summaries = [f"  {command.name:10}{command.summary}" for command in commands]
        self._list = "\n".join(["Commands for the Ouroboros kernel (`help NAME` says more):",
                                "", *summaries])
        self.__doc__ = f"List the commands for the Ouroboros kernel.\n\n{self._list}"
        super().__init__("ouroboros", gdb.COMMAND_DATA)

    def invoke(self, argument: str, from_tty: bool) -> None:
        self.dont_repeat()
        print(self._list)


def define(*more: Command) -> None:
    """Makes them known to GDB, and lists `more` with them; again is harmless."""
    Ouroboros([*(command() for command in COMMANDS), *more])
