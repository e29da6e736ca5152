# SPDX-License-Identifier: MIT
"""Before kmain() there is no stack of the kernel: says so, and shows no callers that GDB guesses."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import gdb
from gdb.FrameDecorator import FrameDecorator

from debugger.inside.reader import Note, before_kmain, check_kernel


def say() -> None:
    """Says so if the machine is not in kmain() yet."""
    with contextlib.suppress(gdb.error):
        if before_kmain():
            try:
                check_kernel()
            except Note as note:
                print(f"{note}.")


class Innermost(FrameDecorator):
    """A frame as GDB shows it without filters."""

    def function(self) -> str:
        return self.inferior_frame().name() or "??"


class OnlyTheInnermost:
    """A frame filter: before kmain() a backtrace has only the frame that is known."""
    name, priority = "ouroboros-before-kmain", 100

    @property
    def enabled(self) -> bool:
        """GDB asks before each backtrace."""
        with contextlib.suppress(gdb.error):
            return gdb.selected_inferior().pid != 0 and bool(before_kmain())
        return False

    @staticmethod
    def filter(frames: Iterator[Any]) -> Iterator[Any]:
        say()
        return map(Innermost, islice(frames, 1))


def register() -> None:
    """Makes the filter known to GDB; again is harmless."""
    gdb.frame_filters[OnlyTheInnermost.name] = OnlyTheInnermost()
