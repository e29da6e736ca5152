# SPDX-License-Identifier: MIT
"""The host: where this tree lies on it, how it fails us, and how what we start ends with us.

Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]

ROOM_BYTES = 32 << 20       # for temporary files: some boot images, what is compiled, a recording
PREFIX = "ouroboros."       # of temporary directories that are locked while somebody has them
ENDINGS = (signal.SIGTERM, signal.SIGHUP)       # signals after which a program of ours cleans up


def without_private_paths(text: str) -> str:
    """A message without the paths of our temporary directories: others every time, and nobody's business."""
    places = {tempfile.gettempdir(), os.path.realpath(tempfile.gettempdir())}
    return re.sub(rf"(?:{'|'.join(map(re.escape, places))})/{re.escape(PREFIX)}\w+/?", "", text)


class MachineError(Exception):
    """QEMU or the host failed; the guest is not to blame. Its message shows no temporary directory."""

    def __init__(self, message: str):
        super().__init__(without_private_paths(message))


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
    """
    A directory that is removed whenever we are told to end. If we are killed, it stays; the next
    program of ours that makes one in the same place removes it, with what still runs on its files.
    """
    clear_away(place or tempfile.gettempdir())
    cleanup = contextlib.ExitStack()
    with undisturbed():
        directory, lock = _new_directory(place)
        cleanup.callback(os.close, lock)
        cleanup.callback(shutil.rmtree, directory, ignore_errors=True)
        atexit.register(cleanup.close)      # a signal may come before `try`, or instead of `with`
    try:
        yield directory
    finally:
        with undisturbed():
            cleanup.close()
            atexit.unregister(cleanup.close)


def _new_directory(place: str | None) -> tuple[str, int]:
    """A new directory, and a descriptor that keeps it locked for as long as we live."""
    while True:
        directory = tempfile.mkdtemp(prefix=PREFIX, dir=place)
        with contextlib.suppress(FileNotFoundError):    # another took it for one that nobody has
            lock = os.open(directory, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if os.path.exists(directory):
                return directory, lock
            os.close(lock)


@functools.cache
def clear_away(place: str) -> None:
    """
    Removes what programs of ours have left in a directory that were killed, once: their temporary
    directories, which nobody has locked any more, and the processes that have a file in one on their
    command line. Those end with us, but for a bwrap whose other half was killed before it was told
    to go on: it waits for ever.
    """
    for directory in Path(place).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.getuid():
                continue
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for process in _started_with(os.fsencode(directory)):
                    os.kill(process, signal.SIGKILL)
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(lock)


def _started_with(path: bytes) -> Iterator[int]:
    """Our user's processes that have that directory, or a file in it, on their command line."""
    for entry in filter(str.isdecimal, os.listdir("/proc") if os.path.isdir("/proc") else ()):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{entry}").st_uid == os.getuid():
                words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
                if any(word == path or word.startswith(path + b"/") for word in words):
                    yield int(entry)
