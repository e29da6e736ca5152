# SPDX-License-Identifier: MIT
"""The words on a command line that say which machine, and what is for GDB or the monitor."""
from __future__ import annotations

import argparse
from pathlib import Path

from machine.qemu import MIN_MEMORY, Config, memory_bytes


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say which machine."""
    parser.add_argument("--iso", type=Path)
    parser.add_argument("--elf", type=Path)
    parser.add_argument("--mem", default=Config.mem)
    parser.add_argument("--accel", choices=["tcg", "kvm"], default=Config.accel)
    parser.add_argument("--firmware", choices=["bios", "uefi"], default=Config.firmware)


def machine_of(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Config:
    """The machine that add_machine()'s arguments describe; ends with a message if there is none."""
    for name in ("iso", "elf"):
        file = getattr(given, name)
        if file is None:
            parser.error(f"needs --iso and --elf, or something else: see {parser.prog} --help")
        if not file.is_file():
            parser.error(f"--{name} {file}: no such file")
    least = MIN_MEMORY[given.firmware]
    if memory_bytes(given.mem) < least:
        parser.error(f"{given.mem!r} is not a size of memory like 64M or 6G, and of at least "
                     f"{least >> 20}M{' with UEFI' if given.firmware == 'uefi' else ''}")
    return Config(given.iso, given.mem, given.accel, given.firmware)


def words_for_gdb(words: list[str]) -> tuple[list[str], list[str]]:
    """The command line in two: ours, and what follows --, for GDB."""
    end = words.index("--") if "--" in words else len(words)
    return words[:end], words[end + 1:]


def lines_of(text: str) -> list[str]:
    """The lines that TYPE='a; b' asks for."""
    return [line.strip() for line in text.split(";") if line.strip()]
