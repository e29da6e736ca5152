# SPDX-License-Identifier: MIT
"""A terminal that shows a Console, and types at it."""
from __future__ import annotations

import os
import select
import socket
import sys
import termios
import tty
from pathlib import Path

PIECE_BYTES = 4096


def view(path: Path) -> int:
    """Connects this terminal to a Console until the machine ends, or somebody types Ctrl-A x."""
    with socket.socket(socket.AF_UNIX) as console:
        console.connect(str(path))
        if not sys.stdin.isatty():
            return _pass_on(console, b"")
        print("Ctrl-A x closes this view; the machine goes on.\r", flush=True)
        before = termios.tcgetattr(sys.stdin)
        tty.setraw(sys.stdin)
        try:
            return _pass_on(console, b"\x01")
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
            print()


def _pass_on(console: socket.socket, escape: bytes) -> int:
    """Shows what comes from the console, and sends what is typed; `escape` x ends that."""
    keys, last = sys.stdin.fileno(), b""
    sources: list[socket.socket | int] = [console, keys]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if console in ready:
            data = console.recv(PIECE_BYTES)
            if not data:
                return 0
            os.write(sys.stdout.fileno(), data)
        if keys in ready:
            data = os.read(keys, PIECE_BYTES)
            if not data:
                sources.remove(keys)
            elif escape and (last + data).endswith(escape + b"x"):
                return 0
            elif not (escape and data == escape):
                console.sendall(data)
            last = data[-1:]
