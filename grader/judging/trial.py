# SPDX-License-Identifier: MIT
"""Tries the tools on a stage of ours that is known to be good: builds it, boots it, looks into it.

To record and go back it starts rewind.py. Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from judging.findings import dissect
from machine.ending import Cause
from machine.host import ROOT, MachineError
from machine.machine import Machine
from machine.qemu import Config
from machine.tools import Trouble, Worth, output

STAGE = 0                   # of ours, known to be good
BOOT_LIMIT = 60             # seconds, under TCG
KVM_LIMIT = 5               # seconds; TCG takes less than one
KVM = "/dev/kvm"


class Boots:
    """The checks that boot an image."""

    def __init__(self, private: Path):
        self.iso = private / "known-good.iso"
        self.elf = ROOT

    def check_build(self) -> str:
        """Can an image be built?"""
        made = output("make", "-s", "iso", "print-ELF", f"LAB={STAGE}", f"ISO={self.iso}",
                      "CMDLINE=log=info", fix=f"make iso LAB={STAGE}   # and read what it says")
        self.elf = ROOT / made.splitlines()[-1]
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
