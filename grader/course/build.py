# SPDX-License-Identifier: MIT
"""Has `make` build stages and boot images, one make at a time.

The Makefile knows how to build; this file knows what can go wrong, and whose fault that is. A
complaint of the compiler or linker is the student's (BuildFailure). So is a thing that their file
must not do (Misconduct). All else is our fault (MachineError).
"""
from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import random
import re
import secrets
import shutil
import signal
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import AsyncIterator, Callable

from course.lab import students_sources
from course.student import REFERENCE, name_of
from machine import direct, sandbox
from machine.choices import chosen, environment_for_make, for_make
from machine.host import ROOT, MachineError, lack_of_room, without_private_paths
from machine.image import Image
from machine.qemu import Config, memory_bytes

LOCK_RETRY = 0.02           # seconds
MAKE_LIMIT = 120            # seconds of the host's time
MAX_ERRORS = 5              # lines shown of a compiler's output
MAX_LETTERS = 500           # of each
MAX_OUTPUT_BYTES = 1 << 20  # looked at, from the beginning and from the end
GIVEN, GIVEN_FROM = "given", 3      # HEAP=given in the Makefile, and the first lab that it is for
OBJECTS = "labs/objects"    # in a tree that does not make them itself, as HEAP/FILE.c.o
PROBE = "build/stage-0/kernel.elf"      # in which nobody has a file of their own

# A command line to be filled in, which nothing else in a boot image is like. BOOTINFO_MAX_STRING is 512.
BLANK_LINE = secrets.token_hex(250).encode()

# An error at a line of a source file, or a symbol that the linker misses or has twice: what
# there is to show of a build that failed.
_COMPLAINT = re.compile(r"^\S+\.[chsS]:\d+(?::\d+)?: (?:fatal )?[Ee]rror: "
                        r"|undefined reference to|multiple definition of|relocation truncated to fit")

# make's own word on which object or kernel it could not make.
_BROKEN = re.compile(r"^make: \*\*\* \[.*: (build/(?:obj/\S+\.[os]|stage-\S+/kernel\.elf))\] ", re.M)


# The compiler's or make's word on a program that somebody killed; and so no program of the student's.
_KILLED = re.compile(r"fatal error: Killed signal terminated program|^make: \*\*\* \[.*\] Killed$", re.M)


class BuildFailure(Exception):
    """The sources do not compile or link. The message holds the compiler's first errors."""


class Misconduct(Exception):
    """A student's file does what it has no business to. The message says what."""


# Looks into what was made of a file: its assembly language OBJECT.s with the dependency file beside
# it, OBJECT.s.d; its object; or, if it does not compile, the list of what it includes. The second
# argument is the path of the source. Gives a sentence for each thing that the file has no business
# to do. judging/conduct.py has the one that counts.
Inspect = Callable[[Path, str], list[str]]


@dataclass(frozen=True)
class Stage:
    """What to build: a lab's stage, perhaps changed by a patch."""
    lab: int
    patch: Path | None = None
    heap: str = ""              # objects in the place of sources: HEAP in the Makefile
    without: tuple[str, ...] = ()       # file names of sources that are left out

    @property
    def arguments(self) -> list[str]:
        return [f"LAB={self.lab}", *([for_make("PATCH", self.patch)] if self.patch else []),
                *([f"HEAP={self.heap}"] if self.heap else []),
                *([f"WITHOUT={' '.join(self.without)}"] if self.without else [])]


@dataclass(frozen=True)
class Tree:
    """Sources and what was built from them."""
    root: Path = ROOT
    foreign: bool = False       # holds what somebody else wrote: make runs in the sandbox

    @property
    def initramfs(self) -> str:
        """Where make puts it: a tree with reference answers is graded on the reference's machine."""
        is_reference = (self.root / REFERENCE).is_file() and not name_of(self.root)
        return f"build/{'reference' if is_reference else 'initramfs'}.cpio"

    def make(self, private: Path, *arguments: str) -> list[str]:
        """The command that runs make here, with `private` for what it needs meanwhile."""
        command = ["make", "--silent", "--no-print-directory", *arguments]
        if not self.foreign:
            return command
        return sandbox.wrap(command, writable=[self.root, private], directory=self.root)

    def environment(self, private: Path) -> dict[str, str]:
        """The variables for make. What is interrupted goes with the private directory."""
        if self.foreign:            # ccache asks for a home, but must not keep anything
            return sandbox.environment(TMPDIR=str(private), HOME=str(private), CCACHE_DISABLE="1",
                                       **chosen())
        return environment_for_make() | {"TMPDIR": str(private)}

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[int]:
        """
        Waits until no other grader in this tree runs make. Gives the lock's descriptor: make
        inherits it, so that the tree stays locked until make ends, whatever happens to us.
        """
        path = self.root / "build" / ".grader.lock"
        try:
            path.parent.mkdir(exist_ok=True)
            lock = path.open("w")
        except OSError as error:
            raise MachineError(f"{path}: {error.strerror}; grading builds in this tree") from None
        with lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(LOCK_RETRY)
            yield lock.fileno()


async def _run_make(tree: Tree, lock: int, private: Path, arguments: tuple[str, ...]
                    ) -> tuple[int, str]:
    """Runs make to its end, or ends it. Return: its exit status, and what it printed, within limits."""
    with tempfile.TemporaryFile(dir=private) as output:     # a file has a limit, unlike a pipe
        try:
            process = await asyncio.create_subprocess_exec(
                *tree.make(private, *arguments), cwd=tree.root, env=tree.environment(private),
                pass_fds=(lock,), start_new_session=True, stdin=asyncio.subprocess.DEVNULL,
                stdout=output, stderr=output,
                preexec_fn=sandbox.COMPILE.apply if tree.foreign else None)
        except FileNotFoundError:
            raise MachineError("make is not installed. Try: sh grader/setup.sh") from None
        try:
            async with asyncio.timeout(MAKE_LIMIT):
                status = await process.wait()
        except TimeoutError:
            raise MachineError(f"make did not end within {MAKE_LIMIT} s") from None
        finally:
            if process.returncode is None:      # SIGTERM lets it remove what is half done
                os.killpg(process.pid, signal.SIGTERM)
                await process.wait()
        size = output.seek(0, os.SEEK_END)
        output.seek(0)
        printed = output.read(MAX_OUTPUT_BYTES)
        if size > 2 * MAX_OUTPUT_BYTES:
            output.seek(-MAX_OUTPUT_BYTES, os.SEEK_END)
            printed += b"\n" + output.read()
    text = printed.decode(errors="replace")
    for root in (tree.root, tree.root.resolve(), ROOT):
        text = text.replace(f"{root}/", "")
    return status, without_private_paths(text)


async def _make(tree: Tree, lock: int, private: Path, *arguments: str) -> list[str]:
    """Runs make; the lines that it printed. Raises BuildFailure or MachineError."""
    status, text = await _run_make(tree, lock, private, arguments)
    lines = text.splitlines()
    if status == 0:
        return lines
    if lack := lack_of_room():          # no compiler's complaint counts then
        raise MachineError(lack)
    if _KILLED.search(text):            # for want of memory, as our own limits give other signals
        raise MachineError("the host has killed a compiler: it may lack memory")
    complaints = [line[:MAX_LETTERS] for line in lines if _COMPLAINT.search(line)]
    if complaints:
        raise BuildFailure("\n".join(complaints[:MAX_ERRORS]))
    shown = "\n".join(line[:MAX_LETTERS] for line in lines[-MAX_ERRORS:])
    if tree.foreign and _BROKEN.search(text) and await _can_build(tree, lock, private):
        raise BuildFailure(shown)       # for whatever reason: it is not the host's fault
    raise MachineError(f"make failed: {shown}")


async def _can_build(tree: Tree, lock: int, private: Path) -> bool:
    """Can a file that nobody has changed be compiled there now, and a kernel linked?"""
    status, _ = await _run_make(tree, lock, private, ("-W", "kernel/string.c", PROBE))
    return status == 0


async def build_all(private: Path) -> None:
    """Builds everything in our own tree. Raises MachineError: nobody's submission is in it."""
    async with Tree().alone() as lock:
        try:
            await _make(Tree(), lock, private, "all", "build/initramfs.cpio", "build/reference.cpio")
        except BuildFailure as failure:
            raise MachineError(f"the pristine tree does not build: {failure}") from None


async def bring_objects(private: Path, into: Path, *words: str) -> None:
    """Has our own tree make the objects that HEAP names, and copies them into another tree."""
    async with Tree().alone() as lock:
        try:
            await _make(Tree(), lock, private, f"-j{os.cpu_count()}", "objects", *words)
            paths, = await _make(Tree(), lock, private, "print-stand_ins_made", *words)
        except BuildFailure as failure:
            raise MachineError(f"an object of ours does not build: {failure}") from None
    for name in paths.split():                      # …/HEAP/FILE.c.o
        target = into / OBJECTS / Path(*Path(name).parts[-2:])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


@dataclass(frozen=True)
class Built:
    """A stage's kernel as it was when first asked for: its sources may change while we grade."""
    stage: Stage
    image: Image


def with_command_line(iso: bytes, command_line: str) -> bytes:
    """
    A boot image with that command line in place of BLANK_LINE. Making one anew takes half as long as
    a boot.
    """
    line = command_line.encode().ljust(len(BLANK_LINE))
    if len(line) > len(BLANK_LINE) or re.search(rb"['\"\\\\${};]", line):
        raise MachineError(f"not a command line for GRUB: {command_line}")
    return iso.replace(BLANK_LINE, line)


class Builder:
    """
    Builds into a private directory, so that a later make takes nothing from under us. `inspect`
    looks into each object that was made of a student's file.
    """

    def __init__(self, private: Path, inspect: Inspect, tree: Tree = Tree()):
        self.private = private
        self._inspect = inspect
        self.tree = tree
        self._built: dict[Stage, Built | BuildFailure | Misconduct] = {}
        self._isos: dict[Stage, Path] = {}      # with BLANK_LINE for their command line
        self._seeds: dict[Stage, int] = {}
        self._orders: dict[Stage, list[str]] = {}
        self._nr_files = 0

    def new_file(self, suffix: str) -> Path:
        """A path in the private directory that nobody uses."""
        self._nr_files += 1
        return self.private / f"{self._nr_files}{suffix}"

    async def build(self, stage: Stage) -> Built:
        """
        Builds a stage, once. If a student's own tests are at fault, it leaves them out: nothing else
        needs them. Raises BuildFailure, Misconduct or MachineError.
        """
        try:
            return await self._build_once(stage)
        except (BuildFailure, Misconduct) as failure:
            tests = tuple(name for name in map(os.path.basename, students_sources(stage.lab))
                          if name.endswith("_test.c"))
            if not tests:
                raise
            try:
                return await self._build_once(replace(stage, without=tests))
            except (BuildFailure, Misconduct):
                raise failure from None

    async def _build_once(self, stage: Stage) -> Built:
        """The same with all that is in the stage."""
        async with self.tree.alone() as lock:
            if stage not in self._built:
                try:
                    self._built[stage] = await self._build(lock, stage)
                except (BuildFailure, Misconduct) as failure:
                    self._built[stage] = failure
        if isinstance(built := self._built[stage], Exception):
            raise built
        return built

    async def _build(self, lock: int, stage: Stage) -> Built:
        if stage.heap:
            await self._bring_objects(stage.arguments)
        # Asked apart from building: what a compiler prints can be the student's words.
        elf, *sources = await _make(self.tree, lock, self.private, "print-ELF", "files",
                                    *stage.arguments)
        names = {Path(file).name for file in students_sources(stage.lab)}
        theirs = [source for source in sources if Path(source).name in names]
        self._orders[stage] = self._order(stage, [Path(source).name for source in sources])
        await self._compile(lock, stage, theirs)
        await self._make(lock, "elf", self.tree.initramfs, *stage.arguments, *self._orders[stage])
        await asyncio.to_thread(self._inspect_all, "o", theirs)
        return Built(stage, Image(shutil.copyfile(self.tree.root / elf, self.new_file(".elf"))))

    async def objects(self, stage: Stage) -> tuple[list[Path], str]:
        """
        The objects that a stage without its tests is made of, built, and the program that shows them.
        Raises what build() does.
        """
        await self.build(stage)
        async with self.tree.alone() as lock:
            names, objdump = await _make(self.tree, lock, self.private, "print-proof_objects", "print-OBJDUMP",
                                         *stage.arguments)
        return [self.tree.root / name for name in names.split()], objdump

    async def config(self, built: Built, command_line: str, mem: str, by_grub: bool) -> Config:
        """
        A machine to boot a stage, from a file that nobody else uses: from a boot image, or, where
        GRUB may be left out and the kernel fits, without it. Raises MachineError.
        """
        if not by_grub and direct.fits(built.image.path, memory_bytes(mem)):
            file = self.new_file(".direct")
            module = b"" if "initramfs=off" in command_line.split() else \
                (self.tree.root / self.tree.initramfs).read_bytes()
            file.write_bytes(direct.make(built.image.path, command_line, memory_bytes(mem), module))
        else:
            file = self.new_file(".iso")
            file.write_bytes(with_command_line((await self._iso(built)).read_bytes(), command_line))
        return Config(file, mem=mem, is_direct=file.suffix == ".direct")

    async def _iso(self, built: Built) -> Path:
        """The boot image of a stage, made when it is first asked for."""
        async with self.tree.alone() as lock:
            if built.stage not in self._isos:
                iso = self.new_file(".iso")
                await self._make(lock, "iso", for_make("ISO", iso), for_make("KERNEL", built.image.path),
                                 f"CMDLINE={BLANK_LINE.decode()}", f"INITRAMFS={self.tree.initramfs}",
                                 *built.stage.arguments)
                self._isos[built.stage] = iso
        return self._isos[built.stage]

    async def _make(self, lock: int, *arguments: str) -> None:
        """Runs make; once more after what is the host's fault, as it may do better."""
        try:
            await _make(self.tree, lock, self.private, *arguments)
        except MachineError:
            await _make(self.tree, lock, self.private, *arguments)

    async def _compile(self, lock: int, stage: Stage, sources: list[str]) -> None:
        """
        Makes assembly language of a student's files, and has it looked into before anything is
        assembled. Of a file that does not compile nothing is shown before it is known what went
        into it: a complaint can quote that.
        """
        def paths(kind: str) -> list[str]:
            return [f"build/obj/{source}.{kind}" for source in sources]

        if not sources:
            return
        try:
            await self._make(lock, *paths("s"), *stage.arguments)
        except (BuildFailure, MachineError):
            await self._make(lock, *paths("includes"), *stage.arguments)
            await asyncio.to_thread(self._inspect_all, "includes", sources)
            raise
        await asyncio.to_thread(self._inspect_all, "s", sources)

    async def kernels(self, stage: Stage, heaps: list[str], bare: bool = False) -> dict[str, Image]:
        """
        The kernel of a stage with each of these heaps, by the heap: made side by side, and without
        boot images. `bare`: of which nobody looks at a backtrace. The student's files have been compiled before an object comes into their
        tree, so none of them can have an object in it. Raises what build() does.
        """
        await self._build_once(stage)
        words = [*stage.arguments, *self._orders[stage], f"HEAP={' '.join(heaps)}",
                 *(["BARE=yes"] if bare else [])]
        async with self.tree.alone() as lock:
            await self._bring_objects(words)
            await self._make(lock, f"-j{os.cpu_count()}", "elf", *words)
            elfs, = await _make(self.tree, lock, self.private, "print-ELF", *words)
            return {heap: Image(shutil.copyfile(self.tree.root / elf, self.new_file(".elf")))
                    for heap, elf in zip(heaps, elfs.split(), strict=True)}

    async def _bring_objects(self, words: list[str]) -> None:
        """Brings the objects that HEAP names from our own tree, unless this is it."""
        if self.tree.root != ROOT:
            await bring_objects(self.private, self.tree.root, *words)

    def _inspect_all(self, kind: str, sources: list[str]) -> None:
        """Raises Misconduct for what a student's file has no business to do."""
        offences = [offence for source in sources for offence in self._inspect(
            self.tree.root / "build" / "obj" / f"{source}.{kind}", source)]
        if offences:
            raise Misconduct("; ".join(offences[:MAX_ERRORS]))

    def seed(self, stage: Stage) -> int:
        """
        The seed for the stage's tests, a 32-bit number: the same for the same sources, but
        not to be known by them, as it is made of them when first asked for.
        """
        if stage not in self._seeds:
            digest = hashlib.sha256()
            for file in [self.tree.root / name for name in students_sources(stage.lab)] + \
                    ([stage.patch] if stage.patch else []):
                digest.update(file.read_bytes() if file.is_file() else b"")
            self._seeds[stage] = int.from_bytes(digest.digest()[:4])
        return self._seeds[stage]

    def _order(self, stage: Stage, files: list[str]) -> list[str]:
        """
        Has make link what a student handed in in an order of its own: the same each time, but not to be
        known without our solutions. An address that is written as a number leads nowhere then. Tests
        keep their order, which is that in which they run.
        """
        if not self.tree.foreign:
            return []
        secret = hashlib.sha256(self.seed(stage).to_bytes(4))
        for file in filter(Path.is_file, map(ROOT.joinpath, students_sources())):
            secret.update(file.read_bytes())
        shuffled = random.Random(secret.digest()).sample(files, len(files))
        tests = iter([name for name in files if name.endswith("_test.c")])
        return ["ORDER=" + " ".join(next(tests) if name.endswith("_test.c") else name
                                    for name in shuffled)]

    async def combine(self, *patches: Path) -> Path:
        """One patch that does what several do, one after the other."""
        combined = self.private / ("+".join(patch.stem for patch in patches) + ".patch")
        combined.write_text("".join(patch.read_text() for patch in patches))
        return combined
