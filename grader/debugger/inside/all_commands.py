# SPDX-License-Identifier: MIT
"""Defines every command, and `ouroboros`, which lists them."""
from __future__ import annotations

import gdb

from debugger.inside.bootinfo import Bootinfo
from debugger.inside.command import Command
from debugger.inside.cycle import Cycle
from debugger.inside.dentries import Dentries
from debugger.inside.dmesg import Dmesg
from debugger.inside.frames import Frames
from debugger.inside.heap import Heap
from debugger.inside.keyboard import Type
from debugger.inside.locks import Locks
from debugger.inside.slab import SlabAt
from debugger.inside.store import Store

COMMANDS: tuple[type[Command], ...] = (
    Cycle, Locks, Frames, Heap, SlabAt, Dmesg, Dentries, Store, Bootinfo, Type)


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
