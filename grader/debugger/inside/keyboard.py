# SPDX-License-Identifier: MIT
"""The command `type`: a line for the guest's console, from GDB."""
from __future__ import annotations

import os
import socket
from collections.abc import Iterator

from debugger.inside.command import Command
from debugger.inside.reader import Note


class Type(Command):
    """Type a line at the guest's console, when the monitor prompts next.

    Usage: type LINE[; LINE]...

    A guest that is stopped reads nothing: give the line first, and `continue` then."""
    name = "type"
    needs_kernel = False
    has_argument = True

    def lines(self, argument: str) -> Iterator[str]:
        if not argument:
            raise Note("type what? For example: type heap")
        address = os.environ.get("OUROBOROS_LINES")
        if not address:
            raise Note("the console is not ours: only make debug has one that GDB can type at")
        try:
            with socket.socket(socket.AF_UNIX) as lines:
                lines.connect(address)
                for line in filter(None, map(str.strip, argument.split(";"))):
                    lines.sendall(f"{line}\n".encode())
        except OSError as error:
            raise Note(f"the console is gone: {error.strerror}") from None
        yield from ()
