# SPDX-License-Identifier: MIT
"""Checks the tools by using them: `make doctor`.

Each failure comes with the line that fixes it. What is only nice to have (KVM, UEFI, a
sandbox) is a note. Exit status: 0 all is well, 1 something must be fixed. Standard library only, so
that it can say which package is missing.
"""
from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import sandbox
from findings import dissect
from machine import Cause, Machine
from qemu import QEMU, Config, MachineError, firmware_flags

ROOT = Path(__file__).resolve().parent.parent
SETUP = "make setup"
STAGE = 0                   # of ours, known to be good
BOOT_LIMIT = 60             # seconds, under TCG
KVM_LIMIT = 5               # seconds; TCG takes less than one
KVM = "/dev/kvm"


class Trouble(Exception):
    """A check failed. `fix` is what to do about it."""

    def __init__(self, message: str, fix: str = SETUP):
        super().__init__(message)
        self.fix = fix


class Worth(Exception):
    """Not a failure, but worth knowing."""


@dataclass(frozen=True)
class Tool:
    """A program, how it says its version, and the oldest that will do."""
    name: str
    minimum: tuple[int, int]
    variable: str = ""      # the Makefile's, if it chooses the program


TOOLS = [
    Tool("make", (4, 2)), Tool("gcc", (11, 0), "CC"), Tool("nm", (2, 35), "NM"),
    Tool("gdb", (12, 0)), Tool(QEMU, (7, 2)), Tool("qemu-img", (7, 2)),
    Tool("grub-mkrescue", (2, 4), "GRUB_MKRESCUE"), Tool("xorriso", (1, 4)), Tool("patch", (2, 7)),
    Tool("cpio", (2, 11)), Tool("mformat", (4, 0)),
]
PACKAGES = {"rich": "python3-rich", "elftools": "python3-pyelftools", "pytest": "python3-pytest"}


def _output(*command: str, fix: str = SETUP) -> str:
    """What a command prints. Raises Trouble if it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    except OSError as error:
        raise Trouble(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Trouble(f"{' '.join(command[:3])} … failed: {' / '.join(lines[-3:])}", fix)
    return done.stdout


def check_tool(tool: Tool) -> str:
    """Is it there, and young enough?"""
    program = tool.name
    if tool.variable:
        program = _output("make", "-s", f"print-{tool.variable}").strip()
    if shutil.which(program) is None:
        raise Trouble(f"{program} is not installed")
    text = _output(program, "--version")
    version = re.search(r"(\d+)\.(\d+)[\w.]*", text)
    if version is None:
        raise Worth(f"{program} does not tell its version")
    if (int(version[1]), int(version[2])) < tool.minimum:
        raise Trouble(f"{program} is {version[0]}, but {tool.minimum[0]}.{tool.minimum[1]} is needed",
                      "upgrade your distribution, or put a newer one first on the PATH")
    return f"{program} {version[0]}"


def check_python() -> str:
    """Is this Python young enough, and does it have our packages?"""
    if sys.version_info < (3, 11):
        raise Trouble(f"{sys.executable} is Python {sys.version.split()[0]}, but 3.11 is needed")
    for module, package in PACKAGES.items():
        if subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True,
                          check=False).returncode != 0:
            raise Trouble(f"{sys.executable} has no {module}", f"{SETUP}   # installs {package}")
    return f"python {sys.version.split()[0]} ({sys.executable}) with {', '.join(PACKAGES)}"


def check_uefi() -> str:
    """Is there UEFI firmware?"""
    try:
        return f"UEFI firmware: {firmware_flags('uefi')[-1]}"
    except MachineError as error:
        raise Worth(f"{error}; FIRMWARE=uefi will not work") from None


def check_sandbox() -> str:
    """Does bubblewrap work?"""
    if why := sandbox.trouble():
        raise Worth(f"{why}; student code is compiled and run without a sandbox")
    return "bwrap works: student code is compiled and run in a sandbox"


class Boots:
    """The checks that boot an image."""

    def __init__(self, private: Path):
        self.iso = private / "known-good.iso"
        self.elf = ROOT

    def check_build(self) -> str:
        """Can an image be built?"""
        output = _output("make", "-s", "iso", "print-ELF", f"LAB={STAGE}", f"ISO={self.iso}",
                         "CMDLINE=log=info", fix=f"make iso LAB={STAGE}   # and read what it says")
        self.elf = ROOT / output.splitlines()[-1]
        return f"builds stage {STAGE} and a boot image of it"

    async def _boot(self, accel: str, limit: float, look: bool) -> tuple[float, list[str]]:
        """Boots to the monitor. Return: the seconds it took, and GDB's backtrace if wanted."""
        if not self.iso.exists():
            raise Trouble("there is no image to boot", "see above")
        start = time.monotonic()
        async with asyncio.timeout(limit), Machine(Config(self.iso, accel=accel)) as machine:
            ending = await machine.wait()
            if ending.cause is not Cause.PROMPT:
                raise Trouble(f"stage {STAGE} does not reach its monitor: {ending.cause.value} "
                              f"{ending.detail}", "git status   # have you changed kernel/?")
            seconds = time.monotonic() - start
            return seconds, (await dissect(machine, self.elf)).functions if look else []

    def check_tcg(self) -> str:
        """Does it boot?"""
        try:
            seconds, _ = asyncio.run(self._boot("tcg", BOOT_LIMIT, look=False))
        except TimeoutError:
            raise Trouble(f"no boot within {BOOT_LIMIT} s under TCG",
                          "uptime   # is this machine overloaded?") from None
        return f"boots it under TCG in {seconds:.1f} s"

    def check_gdb(self) -> str:
        """Does GDB find its way in a stopped machine?"""
        _, functions = asyncio.run(self._boot("tcg", BOOT_LIMIT, look=True))
        if "kmain" not in functions:
            raise Trouble(f"GDB sees no kmain in {functions}")
        return f"GDB attached to it finds {' → '.join(functions[:4])}"

    def check_rewind(self) -> str:
        """Can a boot be recorded, and its replay go back?"""
        command = [sys.executable, ROOT / "grader/rewind.py", "--iso", self.iso, "--elf", self.elf,
                   "--", "-batch", "-ex", "reverse-stepi", "-ex", "now"]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True, check=False,
                                  capture_output=True, timeout=BOOT_LIMIT)
        except subprocess.TimeoutExpired:
            raise Worth(f"no replay within {BOOT_LIMIT} s; make rewind will not work") from None
        position = re.search(r"^Instruction ([0-9,]+), in ", done.stdout, re.MULTILINE)
        if not position:
            reason = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
            raise Worth(f"replay does not work: {reason[-1]}; make rewind will not either")
        return f"records it, and goes back from instruction {position[1]}"

    def check_kvm(self) -> str:
        """Does it boot under KVM, and in time? /dev/kvm alone proves nothing."""
        advice = "leave ACCEL at its default, tcg"
        try:
            os.close(os.open(KVM, os.O_RDWR))
        except OSError as error:
            raise Worth(f"no KVM here ({KVM}: {error.strerror}); {advice}") from None
        try:
            seconds, _ = asyncio.run(self._boot("kvm", KVM_LIMIT, look=False))
        except TimeoutError:
            raise Worth(f"KVM did not boot it within {KVM_LIMIT} s; {advice}") from None
        except (MachineError, Trouble) as error:
            raise Worth(f"KVM does not work: {error}; {advice}") from None
        return f"boots it under KVM in {seconds:.1f} s; you may use ACCEL=kvm"


def report(check: Callable[[], str]) -> bool:
    """Carries out one check and prints its line. Return: whether all is well."""
    try:
        print(f"  ok    {check()}", flush=True)
    except Worth as note:
        print(f"  note  {note}", flush=True)
    except (Trouble, MachineError) as trouble:
        print(f"  FAIL  {trouble}\n        fix: {getattr(trouble, 'fix', SETUP)}", flush=True)
        return False
    return True


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ouroboros-") as private:
        boots = Boots(Path(private))
        checks = [*(lambda tool=tool: check_tool(tool) for tool in TOOLS), check_python, check_uefi,
                  check_sandbox, boots.check_build, boots.check_tcg, boots.check_gdb,
                  boots.check_rewind, boots.check_kvm]
        well = [report(check) for check in checks]
    print("All is well." if all(well) else "Something must be fixed, see above.")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
