# SPDX-License-Identifier: MIT
"""What the project asks of QEMU: its command lines, and how its process is guarded.

Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, NamedTuple

from machine.host import MachineError, parent_guard

QEMU = "qemu-system-x86_64"
MIN_MEMORY = {"bios": 5 << 20, "uefi": 84 << 20}    # GRUB does not load every stage in less
AT_POWER_ON = "init"        # the snapshot that every tape begins with

# Firmware that starts what QEMU has loaded and does nothing else: it takes half as long as SeaBIOS, with
# which it goes as well. Source: https://github.com/bonzini/qboot, README.
QBOOT = "/usr/share/qemu/qboot.rom"

# Firmware for FIRMWARE=uefi: whole images for -bios, code alone for a flash drive.
UEFI_IMAGES = ("/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd",
               "/usr/share/edk2-ovmf/x64/OVMF.fd", "/usr/share/edk2/x64/OVMF.4m.fd")
UEFI_CODE = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/edk2/ovmf/OVMF_CODE.fd",
             "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/qemu/edk2-x86_64-code.fd",
             "/opt/homebrew/share/qemu/edk2-x86_64-code.fd",
             "/usr/local/share/qemu/edk2-x86_64-code.fd")


@dataclass(frozen=True)
class Config:
    """What a machine is made of."""
    iso: Path                   # or what direct.py makes
    mem: str = "64M"
    accel: str = "tcg"
    firmware: str = "bios"
    is_direct: bool = False     # QEMU starts the kernel, and not GRUB


class Tape(NamedTuple):
    """Where QEMU records all that reaches a machine from outside, or replays it from."""
    mode: str                   # "record" or "replay"
    log: Path                   # the record, by instruction
    snapshots: Path             # a qcow2 image that holds the machine at some instructions


def memory_bytes(text: str) -> int:
    """A size as QEMU takes it for -m, in bytes; 0 if it is none."""
    match = re.fullmatch(r"([1-9][0-9]*)([KMG]?)", text)
    return int(match[1]) << {"K": 10, "G": 30}.get(match[2], 20) if match else 0


def firmware_flags(firmware: str) -> list[str]:
    """The flags that select BIOS (QEMU's default) or UEFI."""
    if firmware == "bios":
        return []
    for image in filter(os.path.exists, UEFI_IMAGES):
        return ["-bios", image]
    for code in filter(os.path.exists, UEFI_CODE):
        return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"]
    raise MachineError("no UEFI firmware (OVMF) is installed. Try: make setup")


def escaped(path: Path) -> str:
    """A file's name as QEMU takes it in a list of options."""
    return str(path).replace(",", ",,")


def _boot_image(config: Config, tape: Tape | None) -> list[str]:
    """The boot image, mostly in a CD-ROM drive. What that reads, and when, is taped too."""
    if config.is_direct:
        return ["-kernel", str(config.iso), *(["-bios", QBOOT] if os.path.exists(QBOOT) else [])]
    if tape is None:
        return ["-cdrom", str(config.iso)]
    return ["-drive", f"if=none,id=image,format=raw,readonly=on,file={escaped(config.iso)}",
            "-drive", "if=none,id=cdrom,driver=blkreplay,image=image,readonly=on",
            "-device", "ide-cd,drive=cdrom",
            "-drive", f"if=none,id=snapshots,format=qcow2,file={escaped(tape.snapshots)}",
            # with it, QEMU 7.2 deadlocks in going back to a snapshot
            "-global", "apic-common.vapic=off"]


def base_command(config: Config, panic: str, tape: Tape | None = None) -> list[str]:
    """QEMU's command line as far as all uses share it; `panic` is what follows a panic."""
    if shutil.which(QEMU) is None:
        raise MachineError(f"{QEMU} is not installed. Try: make setup")
    return [
        QEMU, "-machine", "pc", "-accel", config.accel, "-m", config.mem,
        "-nodefaults", "-vga", "std", "-display", "none", "-no-reboot",
        "-device", "pvpanic", "-device", "ib700",
        "-action", f"watchdog=inject-nmi,panic={panic}",
        *_boot_image(config, tape), "-boot", "d", *firmware_flags(config.firmware),
    ]


def virtual_time(tape: Tape | None = None) -> list[str]:
    """
    Guest instructions are time, and a halted CPU skips ahead to its next timer. On tape it does
    not skip: QEMU 7.2 cannot record that.
    """
    how = "sleep=off"
    if tape:
        how = f"rr={tape.mode},rrfile={escaped(tape.log)},rrsnapshot={AT_POWER_ON}"
    return ["-icount", f"shift=7,{how}", "-rtc", "base=2026-01-01,clock=vm"]


# How machine_exit() ends QEMU with a status. Not the grader's: whoever ends, its memory stays.
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]

# System calls that QEMU never needs once it runs, and whoever breaks out of the guest might.
SECCOMP = ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]


def no_huge_pages() -> None:
    """
    For preexec_fn. A guest that writes to one page in every 4 MiB would otherwise have the host
    clear half of its memory, which takes seconds for 6 GiB.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)         # PR_SET_THP_DISABLE


def qemu_guard() -> Callable[[], None]:
    """For preexec_fn of a QEMU that no sandbox ends."""
    dies_with_us = parent_guard(signal.SIGKILL)

    def guard() -> None:
        no_huge_pages()
        dies_with_us()
    return guard
