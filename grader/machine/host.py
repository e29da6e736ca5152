# SPDX-License-Identifier: MIT
"""The host: where this tree lies on it, how it fails us, and how what we start ends with us.

Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]

ROOM_BYTES = 32 << 20       # for temporary files: some boot images, what is compiled, a recording
ENDINGS = (signal.SIGTERM, signal.SIGHUP)       # signals after which a program of ours cleans up


class MachineError(Exception):
    """QEMU or the host failed; the guest is not to blame."""


def gdb_names() -> list[str]:
    """
    What the GDB that we need may be called, which must know x86_64: gdb on an x86_64 Linux, elsewhere
    rather one for that target, such as Homebrew's x86_64-elf-gdb or Debian's gdb-multiarch.
    """
    others = ["x86_64-elf-gdb", "gdb-multiarch"]
    is_native = sys.platform == "linux" and platform.machine() == "x86_64"
    return ["gdb", *others] if is_native else [*others, "gdb"]


def gdb() -> str:
    """The GDB to start. Raises MachineError."""
    for name in filter(shutil.which, gdb_names()):
        return name
    raise MachineError("gdb is not installed. Try: make setup")


def lack_of_room() -> str:
    """Why the directory for temporary files does not take ROOM_BYTES more; "" if it does."""
    try:
        with tempfile.TemporaryFile() as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"{tempfile.gettempdir()} has less than {ROOM_BYTES >> 20} MiB to spare: " \
                   f"{error.strerror}. Make room, or set TMPDIR to another directory"
    return ""


def parent_guard(how: int) -> Callable[[], None]:
    """For preexec_fn: has Linux send the child the signal `how` if we die, even by SIGKILL."""
    parent = os.getpid()

    def guard() -> None:
        end_with_parent(how)
        if sys.platform == "linux" and os.getppid() != parent:      # we died before the call
            os.kill(os.getpid(), how)
    return guard


def end_with_parent(how: int) -> None:
    """Has Linux send us the signal `how` when our parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, how)                 # PR_SET_PDEATHSIG


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """
    A signal that would end us is taken afterwards. For what makes something that is to be cleaned
    up, and for the clean-up: halfway through either, nobody would go on with it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def temporary_directory(place: str | None = None) -> Iterator[str]:
    """A directory that is removed whenever we are told to end."""
    with undisturbed():
        directory = tempfile.TemporaryDirectory(prefix="ouroboros-", dir=place)
    try:
        yield directory.name
    finally:
        with undisturbed():
            directory.cleanup()
