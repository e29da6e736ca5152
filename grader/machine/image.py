# SPDX-License-Identifier: MIT
"""What the kernel's ELF file says: symbols, sections, the entry point; and what its variables
hold in the memory of a machine.

Evidence is read from variables of the project's own files. A submission that defines one of
the same name wants to be mistaken for it: find() refuses to choose.
"""
from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from machine.abi import KERNEL_BASE
from machine.machine import Machine

_SYMBOL = struct.Struct("<IBxHQQ")      # Elf64_Sym: its iterator in pyelftools takes 80 ms a kernel
STT_FILE, STB_LOCAL = 4, 0
TEST_PREFIX, OUTCOME_PREFIX = "ktest_entry_", "ktest_outcome_"      # KTEST(), kernel/ktest.h


def section_flags(section: Section) -> str:
    """A section's flags W, A and X, as readelf prints them."""
    letters = {"W": SH_FLAGS.SHF_WRITE, "A": SH_FLAGS.SHF_ALLOC, "X": SH_FLAGS.SHF_EXECINSTR}
    return "".join(letter for letter, bit in letters.items() if section["sh_flags"] & bit)


class Impostor(Exception):
    """Two variables claim to be the same one of the kernel's."""


@dataclass(frozen=True)
class Symbol:
    name: str
    file: str               # the source file of one that is private to it, else ""
    address: int
    nr_bytes: int


class Image:
    """One linked kernel, read when first asked."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def entry(self) -> int:
        with self.path.open("rb") as file:
            return ELFFile(file)["e_entry"]

    @cached_property
    def sources(self) -> list[str]:
        """The names of the files that it was compiled from, by the debugging information."""
        names = []
        with self.path.open("rb") as file, contextlib.suppress(ELFError, DWARFError):
            for unit in ELFFile(file).get_dwarf_info().iter_CUs():
                name = unit.get_top_DIE().attributes.get("DW_AT_name")
                names += [name.value.decode(errors="replace")] if name else []
        return names

    @cached_property
    def _table(self) -> list[Symbol]:
        """Every named symbol. What is private to a file follows the name of that file."""
        found, source = [], ""
        with self.path.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            entries, names = table.data(), table.stringtable.data()
        for name_at, info, _, address, nr_bytes in _SYMBOL.iter_unpack(entries):
            name = names[name_at:names.index(b"\0", name_at)].decode(errors="replace")
            if info & 15 == STT_FILE:
                source = name
            elif name:
                found.append(Symbol(name, source if info >> 4 == STB_LOCAL else "", address, nr_bytes))
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[Symbol]]:
        found: dict[str, list[Symbol]] = {}
        for symbol in self._table:
            found.setdefault(symbol.name, []).append(symbol)
        return found

    @cached_property
    def symbols(self) -> dict[str, int]:
        """The address of every named symbol, file-private ones included."""
        return {symbol.name: symbol.address for symbol in self._table}

    def find(self, name: str, file: str | None = None) -> Symbol:
        """
        The one symbol of that name: in any file, private to `file`, or global if that is "".
        Raises KeyError or Impostor.
        """
        found = [symbol for symbol in self._by_name.get(name, ()) if file in (None, symbol.file)]
        if not found:
            raise KeyError(name)
        if len(found) > 1:
            raise Impostor(name)
        return found[0]

    @cached_property
    def sections(self) -> dict[str, dict[str, int | str]]:
        """Address, size and flags (W, A, X as readelf prints them) by name without its dot."""
        with self.path.open("rb") as file:
            return {section.name.removeprefix("."): {
                        "address": section["sh_addr"], "size": section["sh_size"],
                        "flags": section_flags(section)}
                    for section in ELFFile(file).iter_sections()}

    @cached_property
    def ktests(self) -> list[str]:
        """The in-kernel tests, as suite_test, in the order in which they run."""
        entries = sorted((symbol.address, symbol.name) for symbol in self._table
                         if symbol.name.startswith(TEST_PREFIX))
        return [name.removeprefix(TEST_PREFIX) for _, name in entries]

    def physical(self, symbol: str) -> int:
        """Where a global symbol lies in the machine's memory. Raises KeyError."""
        return self.find(symbol, "").address - KERNEL_BASE


class Memory:
    """The kernel's variables as they lie in the memory of a stopped machine."""

    def __init__(self, image: Image, data: bytes):
        """`data` is what lies from data_start to data_end (boot/kernel.ld.in)."""
        self.image = image
        self._data = data

    @classmethod
    async def of(cls, guest: Machine, image: Image) -> Memory:
        start, end = image.physical("data_start"), image.physical("data_end")
        return cls(image, await guest.read_memory(start, end - start))

    def bytes(self, name: str, file: str | None = None) -> bytes:
        """What a variable holds, which is named as for Image.find()."""
        symbol = self.image.find(name, file)
        start = symbol.address - self.image.find("data_start", "").address
        return self._data[start:start + symbol.nr_bytes]

    def text(self) -> str:
        """All variables of the kernel but its stacks, as text: a byte a character."""
        nr_bytes = self.image.find("bss_end", "").address - self.image.find("data_start", "").address
        return self._data[:nr_bytes].decode("latin-1")

    def number(self, name: str, file: str | None = None) -> int:
        """What an integer variable holds."""
        return int.from_bytes(self.bytes(name, file), "little")
