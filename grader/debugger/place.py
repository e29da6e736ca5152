# SPDX-License-Identifier: MIT
"""Where a machine that runs is, so that its console and a GDB find it, and no other machine.

It has a private directory with its sockets and a copy of its ELF. A symbolic link "machine" beside
the ELF leads there. Whether it still runs, and whether somebody debugs it, is told by who has
locked a file there: a connection, even one that is closed at once, would have QEMU stop it.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Iterator

from machine.host import PREFIX, ROOT, MachineError, temporary_directory

PLACE = "machine"                       # the link
GDB, CONSOLE, LINES = "gdb", "console", "lines"         # the sockets in the directory
ELF, RUNNING, DEBUGGED = "kernel.elf", "running", "debugged"
ADDRESS_BYTES = 108                     # of a UNIX socket's name, with its NUL: unix(7)


def listen(path: Path) -> socket.socket:
    """A UNIX socket at `path`, to which clients can connect from now on."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """
    A directory of our own in which sockets can lie: its name is short, and has nothing in it that
    GDB or QEMU would take for more than a name.
    """
    usual = Path(tempfile.gettempdir(), f"{PREFIX}12345678", CONSOLE)
    is_fit = len(os.fsencode(usual)) < ADDRESS_BYTES and re.fullmatch(r"[\w./-]+", str(usual), re.A)
    with temporary_directory(None if is_fit else "/tmp") as name:
        yield Path(name)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Locks a file for as long as we live. Gives false if somebody else has locked it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextlib.contextmanager
def machines_place(elf: Path) -> Iterator[Path]:
    """A directory for one machine, to which the link beside its ELF leads for as long."""
    with private_directory() as directory, locked(directory / RUNNING):
        shutil.copy(elf, directory / ELF)
        link = elf.with_name(PLACE)
        before: Path | None = None
        with contextlib.suppress(OSError):      # there is none, or none any more
            before = Path(os.readlink(link))
        _link(link, directory)
        try:
            yield directory
        finally:
            with contextlib.suppress(OSError):
                if os.readlink(link) == str(directory):     # and not that of a later machine
                    if before and before.is_dir():          # an earlier one still runs
                        _link(link, before)
                    else:
                        link.unlink()


def _link(link: Path, target: Path) -> None:
    """Makes a symbolic link, in the place of one that may be there."""
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.symlink_to(target)
    new.replace(link)


def running(elf: Path | None, name: str) -> Path:
    """The socket `name` of the machine that runs an ELF, or of the only machine there is."""
    links = [elf.with_name(PLACE)] if elf else sorted(ROOT.glob(f"build/stage-*/{PLACE}"))
    found = []
    for link in links:
        with contextlib.suppress(OSError), locked(link / RUNNING) as is_ours:
            found += [] if is_ours else [link]
    if not found:
        raise MachineError(f"no machine {f'of {elf.parent.name} ' if elf else ''}is running here. "
                           "Start one with make run or make debug")
    if len(found) > 1:
        raise MachineError("which one? Say LAB=N; there run: "
                           f"{', '.join(link.parent.name for link in found)}")
    if not (found[0] / name).exists():
        raise MachineError("its console is in the terminal that it was started in")
    return found[0].resolve() / name
