# SPDX-License-Identifier: MIT
"""What the commands have in common: a name, a help text, and that they never end in a traceback."""
from __future__ import annotations

import inspect
from collections.abc import Iterator

import gdb

from debugger.inside.reader import Note, check_kernel


class Command(gdb.Command):
    """A command of GDB's that prints lines(). The first line of its docstring is its summary."""
    name = ""
    needs_kernel = True             # in the machine's memory
    has_argument = False

    def __init__(self) -> None:
        self.__doc__ = inspect.getdoc(type(self)) or ""
        self.summary = self.__doc__.partition("\n")[0]
        super().__init__(self.name, gdb.COMMAND_DATA)

    def lines(self, argument: str) -> Iterator[str]:
        """What to print. Raises a Note, or what GDB raises, where it cannot go on."""
        raise NotImplementedError

    def note(self, text: object) -> str:
        """The line that says what is wrong."""
        return f"{self.name}: {text}"

    def invoke(self, argument: str, from_tty: bool) -> None:
        self.dont_repeat()
        for line in self.answer(argument.strip(), self.needs_kernel):
            print(line)

    def answer(self, argument: str, check: bool) -> Iterator[str]:
        """lines(), with a note in the place of an error; `check`: whether the kernel is there."""
        try:
            if argument and not self.has_argument:
                raise Note("takes no argument")
            if check:
                check_kernel()
            yield from self.lines(argument)
        except (Note, gdb.error) as error:
            yield self.note(f"{str(error).rstrip('.')}.")
        except Exception as error:      # a student's structures may be anything
            yield self.note(f"this stage's structures are not those known here "
                            f"({type(error).__name__}: {error}).")
