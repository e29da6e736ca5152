# SPDX-License-Identifier: MIT
"""What the kernel's ELF file says: symbols, sections, the entry point."""
from __future__ import annotations

from functools import cached_property
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

import machine


class Image:
    """One linked kernel, read when first asked."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def entry(self) -> int:
        with self.path.open("rb") as file:
            return ELFFile(file)["e_entry"]

    @cached_property
    def symbols(self) -> dict[str, int]:
        """The address of every named symbol, file-private ones included."""
        with self.path.open("rb") as file:
            return {symbol.name: symbol["st_value"]
                    for section in ELFFile(file).iter_sections()
                    if isinstance(section, SymbolTableSection)
                    for symbol in section.iter_symbols() if symbol.name}

    @cached_property
    def sections(self) -> dict[str, dict[str, int | str]]:
        """Address, size and flags (W, A, X as readelf prints them) by name without its dot."""
        letters = {"W": SH_FLAGS.SHF_WRITE, "A": SH_FLAGS.SHF_ALLOC, "X": SH_FLAGS.SHF_EXECINSTR}
        with self.path.open("rb") as file:
            return {section.name.removeprefix("."): {
                        "address": section["sh_addr"], "size": section["sh_size"],
                        "flags": "".join(letter for letter, bit in letters.items()
                                         if section["sh_flags"] & bit)}
                    for section in ELFFile(file).iter_sections()}

    @property
    def ktests(self) -> set[str]:
        """The in-kernel tests, as suite_test."""
        prefix = "ktest_entry_"         # KTEST(), kernel/ktest.h
        return {name.removeprefix(prefix) for name in self.symbols if name.startswith(prefix)}

    def physical(self, symbol: str) -> int:
        """Where a symbol lies in the machine's memory. KeyError if there is none."""
        return self.symbols[symbol] - machine.KERNEL_BASE
