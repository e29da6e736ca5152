# SPDX-License-Identifier: MIT
"""A guest's serial console, shared by everybody who wants to see it or to type at it.

Console has two sockets. A client of CONSOLE sees the guest's output, from the last 64 KiB on,
and can type. A line that is sent to LINES is typed when the kernel's monitor prompts
next, so it can be sent long before the guest listens. viewer.py connects a terminal.
"""
from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading
from collections import deque
from pathlib import Path

from debugger.place import CONSOLE, LINES, listen
from machine.prompt import ends_in_prompt

PIECE_BYTES = 4096
KEPT_BYTES = 64 << 10
PATIENCE = 5            # seconds; who takes longer to read is given up


class Console:
    """
    Passes on what a guest writes to `guest`, and what is typed, from a thread of its own until
    the guest is gone. While nobody is connected, the standard output shows it if `shown`.
    """

    def __init__(self, guest: socket.socket, place: Path, shown: bool):
        guest.settimeout(PATIENCE)              # one that is stopped reads nothing
        self._guest = guest
        self._shown = shown
        self._console = listen(place / CONSOLE)
        self._lines = listen(place / LINES)
        self._viewers: list[socket.socket] = []
        self._senders: dict[socket.socket, bytes] = {}      # with what is no whole line yet
        self._due: deque[bytes] = deque()                   # lines to be typed
        self._kept = b""                                    # the last that the guest wrote
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def until_the_end(self) -> None:
        """Waits until all is shown that a guest has written whose QEMU has ended."""
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for endless in (self._guest, self._console, self._lines):
                stack.enter_context(endless)
            while self._step():
                pass
        for client in (*self._viewers, *self._senders):
            client.close()

    def _step(self) -> bool:
        """Waits for something, and passes it on. Return: is the guest still there?"""
        ready, _, _ = select.select([self._guest, self._console, self._lines, *self._viewers,
                                     *self._senders], [], [])
        for source in ready:
            if source is self._console:
                viewer = source.accept()[0]
                viewer.settimeout(PATIENCE)
                self._viewers.append(viewer)
                self._show(viewer, self._kept)
            elif source is self._lines:
                self._senders[source.accept()[0]] = b""
            elif source is self._guest:
                data = source.recv(PIECE_BYTES)
                if not data:
                    return False
                self._show_all(data)
            elif source in self._senders:
                self._take_lines(source)
            elif source in self._viewers:
                self._take_keys(source)
        self._type()
        return True

    def _show_all(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-KEPT_BYTES:]
        if self._shown and not self._viewers:
            os.write(sys.stdout.fileno(), data)
        for viewer in [*self._viewers]:
            self._show(viewer, data)

    def _show(self, viewer: socket.socket, data: bytes) -> None:
        try:
            viewer.sendall(data)
        except OSError:
            self._viewers.remove(viewer)
            viewer.close()

    def _take_keys(self, viewer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if data := viewer.recv(PIECE_BYTES):
                self._guest.sendall(data)
                return
        self._viewers.remove(viewer)
        viewer.close()

    def _take_lines(self, sender: socket.socket) -> None:
        data = sender.recv(PIECE_BYTES)
        *lines, rest = (self._senders[sender] + data).split(b"\n")
        self._due += lines
        self._senders[sender] = rest
        if not data:
            del self._senders[sender]
            sender.close()

    def _type(self) -> None:
        """Types the next line, if the monitor waits for one."""
        if self._due and ends_in_prompt(self._kept):
            self._guest.sendall(self._due.popleft() + b"\r")
            self._kept += b"\r"         # it does not wait any more
