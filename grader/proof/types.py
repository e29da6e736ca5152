# SPDX-License-Identifier: MIT
"""The types of functions and of pointers to them, from an object's debugging information.

Relies on objdump to print it, which reads an object in a fiftieth of the time that Python takes. A type is
a text here, in which typedefs are what they stand for; a pointer to void and a number are types like others.
Source: DWARF 5, chapters 3 and 5.
"""
from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_ENTRY = re.compile(r" <(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \(DW_TAG_(\w+)\)")
_ATTRIBUTE = re.compile(r"    <[0-9a-f]+>   DW_AT_(\w+)\s*: (?:\(.*?\): )?(.*)")
_SEES_THROUGH = {"typedef", "const_type", "volatile_type", "restrict_type", "atomic_type"}


@dataclass
class _Entry:
    tag: str
    values: dict[str, str] = field(default_factory=dict)
    children: list[_Entry] = field(default_factory=list)


def _number(text: str) -> int:
    return int(text.split()[0], 0)


class Types:
    """What one object says of types."""

    def __init__(self, text: str) -> None:
        self._entries: dict[str, _Entry] = {}
        path: list[_Entry] = []
        for line in text.splitlines():
            if found := _ENTRY.match(line):
                entry = self._entries[found[2]] = _Entry(found[3])
                depth = int(found[1])
                del path[depth:]
                if path:
                    path[-1].children.append(entry)
                path.append(entry)
            elif path and (found := _ATTRIBUTE.match(line)):
                path[-1].values[found[1]] = found[2].strip()

    def _type_of(self, entry: _Entry, key: str = "type") -> _Entry | None:
        found = re.search(r"<(?:0x)?([0-9a-f]+)>", entry.values.get(key, ""))
        return self._entries.get(found[1]) if found else None

    def _name(self, entry: _Entry | None) -> str:
        """A type as a text. None is void."""
        while entry and entry.tag in _SEES_THROUGH and entry.tag != "const_type":
            entry = self._type_of(entry)
        if entry is None:
            return "void"
        if entry.tag == "const_type":
            return f"const {self._name(self._type_of(entry))}"
        if entry.tag == "pointer_type":
            return f"{self._name(self._type_of(entry))}*"
        if entry.tag in ("subroutine_type", "subprogram"):
            return self._function(entry)
        name = entry.values.get("name") or f"at line {entry.values.get('decl_line')}"
        return name if entry.tag == "base_type" else f"{entry.tag.removesuffix('_type').removesuffix('ure')} {name}"

    def _function(self, entry: _Entry) -> str:
        """The type of a function: its result and its parameters. Their own const does not count."""
        parameters = []
        for child in entry.children:
            if child.tag == "formal_parameter":
                parameters.append(self._name(self._type_of(child)).removeprefix("const ")
                                  if not self._name(self._type_of(child)).endswith("*")
                                  else self._name(self._type_of(child)))
            elif child.tag == "unspecified_parameters":
                parameters.append("...")
        return f"{self._name(self._type_of(entry))} ({', '.join(parameters) or 'void'})"

    def _pointed_to(self, entry: _Entry | None) -> str:
        """The type of the function that an entry's value points to, also if it is an array of such; or ""."""
        while entry and (entry.tag in _SEES_THROUGH or entry.tag == "array_type"):
            entry = self._type_of(entry)
        target = self._type_of(entry) if entry and entry.tag == "pointer_type" else None
        while target and target.tag in _SEES_THROUGH:
            target = self._type_of(target)
        return self._function(target) if target and target.tag == "subroutine_type" else ""

    @cached_property
    def functions(self) -> dict[str, str]:
        """The types of all functions that are defined or declared, by name."""
        return {entry.values["name"]: self._function(entry) for entry in self._entries.values()
                if entry.tag == "subprogram" and "name" in entry.values}

    def pointer(self, name: str, function: str, is_member: bool) -> set[str]:
        """
        The types of the functions that a pointer can point to which is called by this name in a function:
        a member of whatever structure; or one of the function's own, or else one outside of functions.
        """
        if is_member:
            return set(self._named(name, (entry for entry in self._entries.values() if entry.tag == "member")))
        own = {kind for entry in self._entries.values()
               if entry.tag == "subprogram" and entry.values.get("name") == function
               for kind in self._named(name, entry.children)}
        return own or set(self._named(name, self._outer))

    @cached_property
    def _outer(self) -> list[_Entry]:
        return next((entry.children for entry in self._entries.values() if entry.tag == "compile_unit"), [])

    def _named(self, name: str, entries: Iterable[_Entry]) -> Iterator[str]:
        """The types of functions that variables, parameters or members of a name point to, also in blocks."""
        for entry in entries:
            if entry.tag in ("variable", "formal_parameter", "member") and entry.values.get("name") == name:
                if kind := self._pointed_to(self._type_of(entry)):
                    yield kind
            elif entry.tag == "lexical_block":
                yield from self._named(name, entry.children)

    def line_of(self, variable: str) -> int:
        """The line that defines a variable, or 1."""
        return next((_number(entry.values["decl_line"]) for entry in self._entries.values()
                     if entry.tag == "variable" and entry.values.get("name") == variable.partition(".")[0]
                     and "decl_line" in entry.values), 1)

    def at(self, variable: str, offset: int) -> set[str]:
        """The types of functions that a variable of that name can point to, so many bytes from its start."""
        return {kind for entry in self._entries.values()
                if entry.tag == "variable" and entry.values.get("name") == variable.partition(".")[0]
                for kind in self._within(self._type_of(entry), offset) if kind}

    def _within(self, entry: _Entry | None, offset: int) -> Iterator[str]:
        while entry and entry.tag in _SEES_THROUGH:
            entry = self._type_of(entry)
        if entry is None:
            return
        if entry.tag == "array_type":
            element = self._type_of(entry)
            if size := self._size(element):
                yield from self._within(element, offset % size)
        elif entry.tag in ("structure_type", "union_type"):
            for member in entry.children:
                start = _number(member.values.get("data_member_location", "0"))
                kind = self._type_of(member)
                if member.tag == "member" and start <= offset < start + self._size(kind):
                    yield from self._within(kind, offset - start)
        elif offset == 0:
            yield self._pointed_to(entry)

    def _size(self, entry: _Entry | None) -> int:
        while entry and entry.tag in _SEES_THROUGH:
            entry = self._type_of(entry)
        if entry is None:
            return 0
        if entry.tag != "array_type":
            return _number(entry.values.get("byte_size", "0"))
        count = 1
        for child in entry.children:
            bound = child.values.get("upper_bound", "")
            count *= _number(bound) + 1 if re.match(r"(0x)?[0-9a-f]+\b", bound) else 1 << 30
        return count * self._size(self._type_of(entry))


def read(paths: list[Path], objdump: str = "objdump") -> dict[Path, Types]:
    """The types of these objects."""
    text = subprocess.run([objdump, "--dwarf=info", *paths], text=True, capture_output=True, check=True,
                          errors="replace").stdout
    parts = re.split(r"^(\S.*):\s+file format elf64.*$", text, flags=re.M) if paths else []
    return {Path(name): Types(part) for name, part in zip(parts[1::2], parts[2::2])}
