# SPDX-License-Identifier: MIT
"""Has `make` build stages and boot images, one make at a time.

The Makefile knows how; this file knows what can go wrong and whose fault that is: the
compiler's or linker's complaint is the student's (BuildFailure), all else is ours
(MachineError).
"""
from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import AsyncIterator

from lab import ROOT
from machine import MachineError

LOCK = ROOT / "build" / ".grader.lock"
LOCK_RETRY = 0.02           # seconds
MAKE_LIMIT = 120            # seconds of the host's time
MAX_ERRORS = 5              # shown of a compiler's output

# An error at a line of a source file, or a symbol that the linker misses or has twice. What
# make, the disk or a compiler that was killed has to say is nobody's submission.
_COMPLAINT = re.compile(r"^\S+\.[chsS]:\d+(?::\d+)?: (?:fatal )?[Ee]rror: "
                        r"|undefined reference to|multiple definition of")

# What a user's own make may have put into our environment, and must not reach ours.
_NOT_OURS = {"MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKEFILES",
             "LAB", "VARIANT", "PATCH", "LOG", "MEM", "FIRMWARE", "ACCEL", "TEST", "OPTIONS",
             "CMDLINE", "ISO", "INITRAMFS", "V"}


class BuildFailure(Exception):
    """The sources do not compile or link. The message holds the compiler's first errors."""


@dataclass(frozen=True)
class Stage:
    """What to build: a lab's stage, perhaps changed by a patch."""
    lab: int
    patch: Path | None = None

    @property
    def arguments(self) -> list[str]:
        return [f"LAB={self.lab}", *([f"PATCH={self.patch}"] if self.patch else [])]


@contextlib.asynccontextmanager
async def _alone() -> AsyncIterator[int]:
    """
    Waits until no other grader in this tree runs make. Gives the lock's descriptor: make
    inherits it, so that the tree stays locked until make ends, whatever happens to us.
    """
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOCK_RETRY)
        yield file.fileno()


async def _run_make(lock: int, private: Path, arguments: tuple[str, ...]
                    ) -> tuple[int, bytes, bytes]:
    """Runs make to its end, or ends it. Return: its exit status, output and errors."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    environment["TMPDIR"] = str(private)    # what is interrupted goes with our directory
    try:
        process = await asyncio.create_subprocess_exec(
            "make", "--silent", "--no-print-directory", *arguments, cwd=ROOT, env=environment,
            pass_fds=(lock,), start_new_session=True, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    except FileNotFoundError:
        raise MachineError("make is not installed. Try: sh grader/setup.sh") from None
    try:
        async with asyncio.timeout(MAKE_LIMIT):
            output, errors = await process.communicate()
    except TimeoutError:
        raise MachineError(f"make did not end within {MAKE_LIMIT} s") from None
    finally:
        if process.returncode is None:      # SIGTERM lets it remove what is half done
            os.killpg(process.pid, signal.SIGTERM)
            await process.wait()
    return process.returncode, output, errors


async def _make(lock: int, private: Path, *arguments: str) -> str:
    """Runs make; its standard output. Raises BuildFailure or MachineError."""
    status, output, errors = await _run_make(lock, private, arguments)
    if status == 0:
        return output.decode()
    lines = errors.decode(errors="replace").splitlines()
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    if complaints:
        raise BuildFailure("\n".join(complaints[:MAX_ERRORS]))
    raise MachineError("make failed: " + "\n".join(lines[-MAX_ERRORS:]))


class Builder:
    """Builds into a private directory, so that a later make takes nothing from under us."""

    def __init__(self, private: Path):
        self.private = private
        self._failures: dict[Stage, BuildFailure] = {}
        self._elfs: dict[Stage, Path] = {}
        self._nr_made = 0

    async def elf(self, stage: Stage) -> Path:
        """The stage's ELF file, as it was when first asked for."""
        if stage not in self._elfs:
            self._elfs[stage] = await self._build(stage, "elf")
        return self._elfs[stage]

    async def iso(self, stage: Stage, command_line: str) -> tuple[Path, Path]:
        """A boot image with that command line, and the ELF file in it."""
        self._nr_made += 1
        iso = self.private / f"{self._nr_made}.iso"
        return iso, await self._build(stage, "iso", f"ISO={iso}", f"CMDLINE={command_line}")

    async def _build(self, stage: Stage, *arguments: str) -> Path:
        """
        Has make build something of a stage. Return: a copy of the ELF file that went into it,
        as the sources may change while we grade. A failure is remembered.
        """
        async with _alone() as lock:
            if stage in self._failures:
                raise self._failures[stage]
            try:
                output = await _make(lock, self.private, *arguments, "print-ELF", *stage.arguments)
            except BuildFailure as failure:
                self._failures[stage] = failure
                raise
            self._nr_made += 1
            return shutil.copyfile(ROOT / output.splitlines()[-1],
                                   self.private / f"{self._nr_made}.elf")

    async def combine(self, *patches: Path) -> Path:
        """One patch that does what several do, one after the other."""
        combined = self.private / ("+".join(patch.stem for patch in patches) + ".patch")
        combined.write_text("".join(patch.read_text() for patch in patches))
        return combined
