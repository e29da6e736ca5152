# SPDX-License-Identifier: MIT
"""The machine code of a stage, as objdump shows its objects: functions, instructions, and what they name.

It looks at the machine code, and not at the source. A call or a jump in inline assembly is there like any
other, and so is code that the compiler has moved, joined or inlined. Debugging information gives each
instruction its line. Relies on binutils 2.36 or later (objdump --inlines), and on pyelftools.

An object's function may be entered in the middle only by itself. What a relocation names is looked up
in the symbols, so that a file-private function is found as well.
"""
from __future__ import annotations

import bisect
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

# Of a relocation for a call or a jump, the distance from where it stands to where it counts from.
_PC_BYTES = 4
_POINTER_BYTES = 8

_FORMAT = re.compile(r"(\S.*):\s+file format ")
_SECTION = re.compile(r"Disassembly of section (\S+):")
_HEAD = re.compile(r"([0-9a-f]{16}) <.*>:")
_PLACE = re.compile(r"(\S+\.[chsS]):(\d+)(?: \(discriminator \d+\))?")
_WITHIN = re.compile(r"([\w.]+)\(\):")
_INLINED = re.compile(r"inlined by (\S+):(\d+)(?: \(discriminator \d+\))? \(([\w.]+)\)")
_INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\t(?:(?:notrack|bnd|cs|ds|data16|rex\.W) )*(\S+) *([^\t]*)(.*)")
_RELOCATION = re.compile(r"\t([0-9a-f]+): (R_X86_64_\w+)\t([^\t]+)")
_LABEL = re.compile(r"([0-9a-f]+) <([^>+]+)(\+0x[0-9a-f]+)?>")


class CannotRead(Exception):
    """The objects cannot be looked into. The message says why, and what to do."""


class Place(NamedTuple):
    """A line of source, as a path in the tree."""
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Spot(NamedTuple):
    """A byte of an object."""
    section: str
    offset: int


class Instruction(NamedTuple):
    offset: int                 # in its section
    name: str
    operands: str
    names: tuple[str | Spot, ...]       # what its relocations, or a jump, name: an external symbol, or a spot
    place: Place
    written_in: str             # the function whose source it comes from, which may be inlined here

    @property
    def is_call(self) -> bool:
        return self.name.startswith("call") or self.name == "lcall"

    @property
    def is_jump(self) -> bool:
        return self.name.startswith("j") or self.name == "ljmp"

    @property
    def is_indirect(self) -> bool:
        """Does a register or memory say where it goes?"""
        return (self.is_call or self.is_jump) and self.operands.startswith("*")

    @property
    def ends_here(self) -> bool:
        """Is the next instruction never the one behind it?"""
        return self.name in ("jmp", "ljmp", "ret", "lret", "iret", "iretq", "ud2")


@dataclass
class Function:
    """A function, or the code between two labels of an assembly file."""
    name: str
    source: str                 # the file that its object is made of
    section: str
    offset: int
    is_global: bool
    closed: bool = True         # does nothing run off its end?
    code: list[Instruction] = field(default_factory=list)
    inlined: dict[str, Place] = field(default_factory=dict)     # what has become part of it, by name

    @property
    def title(self) -> str:
        return self.name if self.is_global else f"{self.source}:{self.name}"

    @property
    def plain(self) -> str:
        """Its name in the source: GCC names a part or a copy of a function NAME.part.0."""
        return self.name.partition(".")[0]

    @property
    def place(self) -> Place:
        return self.code[0].place if self.code else Place(self.source, 1)

    @property
    def is_assembly(self) -> bool:
        return self.source.endswith(".S")

    @property
    def end(self) -> int:
        return self.code[-1].offset + 1 if self.code else self.offset + 1

    def covers(self, spot: Spot) -> bool:
        return spot.section == self.section and self.offset <= spot.offset < self.end


class Pointer(NamedTuple):
    """A pointer to code, in an object's data."""
    at: Spot
    variable: str               # that it lies in, or ""
    inside: int                 # how far, in bytes
    names: str | Spot


@dataclass
class Object:
    path: Path
    source: str
    functions: list[Function] = field(default_factory=list)     # in the order of their addresses
    pointers: list[Pointer] = field(default_factory=list)
    variables: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)   # by section: offset, size, name

    def function_at(self, spot: Spot) -> Function | None:
        return next((function for function in self.functions if function.covers(spot)), None)

    def variable_at(self, spot: Spot) -> tuple[str, int]:
        """The variable that a spot lies in, and how far in it; ("", 0) if none does."""
        known = self.variables.get(spot.section, [])
        index = bisect.bisect(known, (spot.offset, 1 << 62, "")) - 1
        if index >= 0 and known[index][0] <= spot.offset < known[index][0] + max(known[index][1], 1):
            return known[index][2], spot.offset - known[index][0]
        return "", 0


class _Symbols:
    """An object's symbols and the pointers in its data."""

    def __init__(self, path: Path, made: Object) -> None:
        with path.open("rb") as file:
            elf = ELFFile(file)
            self.table = next(section for section in elf.iter_sections()
                              if isinstance(section, SymbolTableSection))
            self.sections = {index: section for index, section in enumerate(elf.iter_sections())}
            self.functions: dict[Spot, tuple[str, int, bool]] = {}
            self.in_section: dict[str, Spot] = {}
            for symbol in self.table.iter_symbols():
                self._note(symbol, made)
            for known in made.variables.values():
                known.sort()
            for section in elf.iter_sections():
                if isinstance(section, RelocationSection):
                    self._read_pointers(elf, section, made)

    def _note(self, symbol, made: Object) -> None:
        section = self.sections.get(symbol["st_shndx"])
        if section is None:
            return
        spot = Spot(section.name, symbol["st_value"])
        kind, name = symbol["st_info"]["type"], symbol.name
        is_code = bool(section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR)
        if kind == "STT_FUNC" or is_code and kind == "STT_NOTYPE" and name:
            is_global = symbol["st_info"]["bind"] != "STB_LOCAL"
            if kind == "STT_FUNC" or spot not in self.functions:
                self.functions[spot] = (name, symbol["st_size"], is_global)
        elif kind == "STT_OBJECT":
            made.variables.setdefault(section.name, []).append(
                (symbol["st_value"], symbol["st_size"], name))
        if name and kind != "STT_SECTION":
            self.in_section[name] = spot

    def _read_pointers(self, elf: ELFFile, relocations: RelocationSection, made: Object) -> None:
        """Notes what the data of one section points to, if that may be code."""
        target = elf.get_section(relocations["sh_info"])
        flags = target["sh_flags"]
        if not flags & SH_FLAGS.SHF_ALLOC or flags & SH_FLAGS.SHF_EXECINSTR or target.name.startswith(".debug"):
            return
        for relocation in relocations.iter_relocations():
            symbol = self.table.get_symbol(relocation["r_info_sym"])
            section = self.sections.get(symbol["st_shndx"])
            if section is None:
                if symbol.name:
                    names: str | Spot = symbol.name
                else:
                    continue
            elif not section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR:
                continue
            else:
                names = Spot(section.name, symbol["st_value"] + relocation["r_addend"])
            at = Spot(target.name, relocation["r_offset"])
            made.pointers.append(Pointer(at, *made.variable_at(at), names))


class _Reader:
    """Goes through what objdump prints, line by line."""

    def __init__(self, root: Path, objects: dict[str, Object], symbols: dict[str, _Symbols]) -> None:
        self.prefixes = [f"{root}/"]            # of the trees that the objects were made in
        self.objects, self.symbols = objects, symbols
        self.object: Object | None = None
        self.section = ""
        self.function: Function | None = None
        self.starts: dict[Spot, Function] = {}
        self.place, self.within = Place("", 0), ""
        self.chain: list[tuple[str, Place]] = []

    def _file(self, name: str) -> str:
        """A file's path in the tree that its object was made in: it may have been brought from another one."""
        if name.endswith(f"/{self.object.source}"):
            prefix = name.removesuffix(self.object.source)
            if prefix not in self.prefixes:
                self.prefixes.append(prefix)
        prefix = next((prefix for prefix in self.prefixes if name.startswith(prefix)), "")
        return os.path.normpath(name.removeprefix(prefix))

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            if found := _INSTRUCTION.fullmatch(line):
                self._instruction(found)
            elif (found := _RELOCATION.fullmatch(line)) and self.function and self.function.code:
                self._name_more(found)          # the second of an instruction
            elif found := _INLINED.fullmatch(line):
                self.chain.append((found[3], Place(self._file(found[1]), int(found[2]))))
            elif found := _PLACE.fullmatch(line):
                self.place = Place(self._file(found[1]), int(found[2]))
            elif found := _WITHIN.fullmatch(line):
                self.within = found[1]
            elif (found := _HEAD.fullmatch(line)) and self.object.variable_at(
                    Spot(self.section, int(found[1], 16)))[0]:
                self.function = None            # data among code
            elif found := _SECTION.fullmatch(line):
                self.section, self.function = found[1], None
            elif found := _FORMAT.fullmatch(line.partition("elf64")[0]):
                self.object, self.function = self.objects[found[1]], None
                self.starts = self._functions(self.object, self.symbols[found[1]])
                self.place, self.within = Place(self.object.source, 1), ""

    @staticmethod
    def _functions(made: Object, symbols: _Symbols) -> dict[Spot, Function]:
        """The functions of an object by where they start: labels in the midst of one are none."""
        starts: dict[Spot, Function] = {}
        inside = Spot("", 0)
        for spot, (name, size, is_global) in sorted(symbols.functions.items()):
            if spot.section == inside.section and spot.offset < inside.offset:
                continue
            starts[spot] = Function(name, made.source, *spot, is_global, closed=size > 0)
            inside = Spot(spot.section, spot.offset + size)
        made.functions = list(starts.values())
        return starts

    def _instruction(self, found: re.Match[str]) -> None:
        offset, chain = int(found[1], 16), self.chain
        self.chain = []
        spot = Spot(self.section, offset)
        self.function = self.starts.get(spot, self.function)
        if self.function is None:               # padding before the first label
            return
        operands, rest = found[3].rstrip(), found[4]
        operands, _, comment = operands.partition(" #")
        names = [self._named(kind, value) for _, kind, value in _RELOCATION.findall(rest)]
        names = [name for name in names if name is not None]
        if not names and not operands.startswith("*"):
            if label := _LABEL.search(comment if found[2].startswith("lea") else
                                      operands if found[2][0] in "cj" else ""):
                names = [Spot(self.section, int(label[1], 16))]
        self.function.code.append(Instruction(offset, found[2], operands.strip(), tuple(names), self.place,
                                              self.within or self.function.name))
        if chain:                               # innermost first; the last is the function itself
            for name, where in zip([self.within, *(name for name, _ in chain)], [where for _, where in chain]):
                self.function.inlined.setdefault(name, where)

    def _name_more(self, found: re.Match[str]) -> None:
        last = self.function.code[-1]
        if (name := self._named(found[2], found[3])) is not None:
            self.function.code[-1] = last._replace(names=(*last.names, name))

    def _named(self, kind: str, value: str) -> str | Spot | None:
        """What a relocation names: symbol, or section, and a distance."""
        found = re.fullmatch(r"(.+?)([+-]0x[0-9a-f]+)?", value)
        name, distance = found[1], int(found[2] or "0", 16)
        if kind in ("R_X86_64_PLT32", "R_X86_64_PC32"):
            distance += _PC_BYTES
        symbols = self.symbols[str(self.object.path)]
        if name in symbols.in_section:
            spot = symbols.in_section[name]
            return Spot(spot.section, spot.offset + distance)
        if name.startswith(".") or any(section.name == name for section in symbols.sections.values()):
            return Spot(name, distance)
        return f"{name}{distance:+#x}" if distance else name


def read(paths: list[Path], root: Path, objdump: str = "objdump") -> list[Object]:
    """
    Reads objects build/obj/SOURCE.o of a tree. Raises CannotRead.
    """
    objects: dict[str, Object] = {}
    symbols: dict[str, _Symbols] = {}
    for path in paths:
        source = str(path.relative_to(root / "build/obj"))[:-len(".o")]
        made = objects[str(path)] = Object(path, source)
        symbols[str(path)] = _Symbols(path, made)
    try:
        done = subprocess.run([objdump, "-drwl", "--inlines", "--no-show-raw-insn", *paths], cwd=root, text=True,
                              capture_output=True, check=True, errors="replace")
    except FileNotFoundError:
        raise CannotRead(f"{objdump} is not installed; it is part of binutils. Try: make setup") from None
    except subprocess.CalledProcessError as error:
        raise CannotRead(f"{objdump}: {error.stderr.strip()[:300]}") from None
    _Reader(root, objects, symbols).read(done.stdout.splitlines())
    return list(objects.values())


def table_at(made: Object, spot: Spot) -> Iterator[Spot]:
    """The spots that a table of addresses, a switch statement's, points to from a spot on."""
    pointers = {pointer.at: pointer.names for pointer in made.pointers}
    while isinstance(names := pointers.get(spot), Spot):
        yield names
        spot = Spot(spot.section, spot.offset + _POINTER_BYTES)
