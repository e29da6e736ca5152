# SPDX-License-Identifier: MIT
"""The tools that the grader needs: are they here, and young enough?

Standard library only, so that it can say which package is missing.
"""
from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from machine import sandbox
from machine.choices import binutils_prefixes, environment_for_make, words_of
from machine.host import ROOT, MachineError, gdb_names
from machine.qemu import QEMU, firmware_flags

SETUP = "make setup"


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
    is_binutil: bool = False    # the grader's own, but with the prefix of the Makefile's


TOOLS = [
    Tool("make", (4, 2)), Tool("gcc", (12, 0), "CC"), Tool("nm", (2, 35), "NM"),
    Tool("objdump", (2, 35), is_binutil=True), Tool("addr2line", (2, 35), is_binutil=True),
    Tool("gdb", (12, 0)), Tool(QEMU, (7, 2)), Tool("qemu-img", (7, 2)),
    Tool("grub-mkrescue", (2, 4), "GRUB_MKRESCUE"), Tool("xorriso", (1, 4)), Tool("patch", (2, 7)),
    Tool("mformat", (4, 0)),
]
PACKAGES = {"rich": "python3-rich", "elftools": "python3-pyelftools", "pytest": "python3-pytest"}


def binutil(name: str) -> str:
    """A program of binutils, with the prefix that the Makefile prefers. Raises MachineError."""
    for prefix in binutils_prefixes():
        if shutil.which(prefix + name):
            return prefix + name
    raise MachineError(f"{name} is not installed. Try: {SETUP}")


def output(*command: str, fix: str = SETUP) -> str:
    """What a command prints. Raises Trouble if it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False,
                              env=environment_for_make())
    except OSError as error:
        raise Trouble(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        if refusal := re.fullmatch(r"Makefile:\d+: \*\*\* (.*)\.  Stop\.", lines[-1] if lines else ""):
            raise Trouble(refusal[1], fix)
        raise Trouble(f"{' '.join(command[:3])} … failed: {' / '.join(lines[-3:])}", fix)
    return done.stdout


def check_tool(tool: Tool) -> str:
    """Is it there, and young enough?"""
    command = [tool.name]
    if tool.name == "gdb":
        command = [next(filter(shutil.which, gdb_names()), tool.name)]
    elif tool.variable:
        command = words_of(output("make", "-s", f"print-{tool.variable}"))
    elif tool.is_binutil:
        command = [binutil(tool.name)]
    program = " ".join(command)
    if shutil.which(command[0]) is None:
        raise Trouble(f"{command[0]} is not installed")
    text = output(*command, "--version")
    version = re.search(r"(\d+)\.(\d+)[\w.]*", text)
    if version is None:
        raise Worth(f"{program} does not tell its version")
    if (int(version[1]), int(version[2])) < tool.minimum:
        raise Trouble(f"{program} is {version[0]}, but {tool.minimum[0]}.{tool.minimum[1]} is needed",
                      "upgrade your distribution, or put a newer one first on the PATH")
    if tool.variable == "CC":           # whether it compiles the kernel, make knows
        output("make", "-s", "print-CC_INCLUDE")
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
    """Is there a sandbox?"""
    if why := sandbox.trouble():
        raise Worth(f"{why}; a submission is compiled and run without a sandbox: the compiler and "
                    "QEMU can read all that you can, solutions and other submissions among it")
    return f"{sandbox.kind()} works: student code is compiled and run in a sandbox"
