# SPDX-License-Identifier: MIT
"""GDB and the QEMU that it is attached to."""
from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any, Iterator

from debugger.foreground import call_in_foreground
from debugger.place import DEBUGGED, ELF, GDB, locked, running
from machine.host import ROOT, MachineError, gdb
from machine.qemu import qemu_guard

COMMANDS = ROOT / "grader/debugger/ouroboros.py"
STAY_STOPPED = "python gdb.events.gdb_exiting.connect(lambda _: gdb.execute('disconnect'))"


@contextlib.contextmanager
def qemu_running(command: list[str], inherited: list[socket.socket], **how: Any
                 ) -> Iterator[subprocess.Popen[bytes]]:
    """
    Starts QEMU, as subprocess.Popen would, and kills it on the way out. The sockets that it
    inherits are closed here, so that their other ends notice when it ends.
    """
    with contextlib.ExitStack() as ours:
        descriptors = [ours.enter_context(end).fileno() for end in inherited]
        qemu = subprocess.Popen(command, pass_fds=descriptors, preexec_fn=qemu_guard(), **how)
    try:
        yield qemu
    finally:
        qemu.kill()
        qemu.wait()


def gdb_flags(listener: socket.socket) -> list[str]:
    """Has QEMU wait for GDB at a socket of ours: who connects before QEMU is there must wait."""
    return ["-chardev", f"socket,id=gdb,fd={listener.fileno()},server=on,wait=off",
            "-gdb", "chardev:gdb"]


def _that_reads_paths() -> list[str]:
    """Has GDB 16 find our scripts, whose path may not be ASCII, where the locale is no UTF-8."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    is_utf8 = re.search("utf-?8", next(filter(None, names), "C"), re.I)
    return [] if is_utf8 or str(ROOT).isascii() else ["env", "LC_ALL=C.UTF-8"]


def gdb_command(elf: Path, address: Path, arguments: list[str]) -> list[str]:
    """The command that attaches GDB, with our commands, to the machine that runs an ELF."""
    return [*_that_reads_paths(), gdb(), "-q", "-iex", "set debuginfod enabled off", str(elf), "-ex", "set confirm off",
            "-ex", "set pagination off",                # a question would swallow what is typed next
            "-ex", "set breakpoint pending off",        # there is no library to come
            "-ex", f"target remote {address}", "-ex", f"source {COMMANDS}", *arguments]


def attach(elf: Path | None, arguments: list[str]) -> int:
    """Attaches GDB to a machine that runs. When GDB ends, the machine goes on."""
    address = running(elf, GDB)
    with locked(address.with_name(DEBUGGED)) as is_ours:
        if not is_ours:
            raise MachineError("somebody debugs that machine already")
        return call_in_foreground(gdb_command(
            address.with_name(ELF), address, ["-ex", "python beginnings.say()", *arguments]))
