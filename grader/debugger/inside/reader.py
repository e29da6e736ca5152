# SPDX-License-Identifier: MIT
"""Reads the kernel's variables and memory through GDB, and trusts neither.

A value that cannot be read, or cannot be right, is a Note: the sentence that a command then shows.
Limits: it finds variables by the names and files that the labs hand out; believes GDB's debugging
information.
"""
from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import gdb

from debugger.inside.text import printable

KERNEL_BASE = 0xffffffff80000000        # kernel/layout.h
DIRECT_MAP_BASE = 0xffff800000000000    # kernel/layout.h
MEMMAP_LIMIT = 16 << 30                 # kernel/memmap.h
PAGE_BYTES = 4096
BLOCK_BYTES = 1024                      # of the cache: what QEMU sends in one packet
READ_LIMIT = 64 << 20                   # at a time; a table of a byte for each frame has 4 MiB
TEXT_LIMIT = 1024                       # of a C string
ADDRESS_MASK = (1 << 64) - 1

CODE = re.compile(r"0x(\w+) - 0x(\w+) is \.text$", re.M)
WRITES = re.compile(r"(?<![=!<>])=(?!=)|<<=|>>=|\+\+|--")         # in a C expression


class Note(Exception):
    """Why something cannot be shown: a sentence without its full stop."""


@contextlib.contextmanager
def setting(name: str, state: str) -> Iterator[None]:
    """One of GDB's switches, turned "on" or "off" for a while."""
    before = "on" if gdb.parameter(name) else "off"
    gdb.execute(f"set {name} {state}")
    try:
        yield
    finally:
        gdb.execute(f"set {name} {before}")


def evaluate(expression: str) -> gdb.Value:
    """A user's expression, which may neither write nor call anything."""
    if WRITES.search(expression):
        raise Note(f"{expression} would write, and nothing here does")
    with setting("may-call-functions", "off"):
        value = gdb.parse_and_eval(expression)
        value.fetch_lazy()
        return value


def address_of(linker_symbol: str) -> int:
    """The address of a symbol, also of one that the linker script made."""
    return int(gdb.parse_and_eval(f"&{linker_symbol}")) & ADDRESS_MASK


def find_symbol(file: str, name: str) -> gdb.Symbol | None:
    """A variable, function or enumerator of the source file with that base name."""
    found = [*gdb.lookup_static_symbols(name), gdb.lookup_global_symbol(name)]
    return next((symbol for symbol in found if symbol and symbol.symtab
                 and os.path.basename(symbol.symtab.filename) == file), None)


def _code() -> tuple[int, int]:
    """Where the ELF's code begins, and how long it is without the padding before text_end."""
    start, end = CODE.search(gdb.execute("info files", to_string=True)).groups()
    return int(start, 16), int(end, 16) - int(start, 16)


def _has_code_at(distance: int) -> bool:
    """Does the machine's memory have the kernel's code, so far from where the ELF has it?"""
    start, nr_bytes = _code()
    read_memory = gdb.selected_inferior().read_memory
    with setting("trust-readonly-sections", "on"):
        expected = bytes(read_memory(start, nr_bytes))
    try:
        with setting("trust-readonly-sections", "off"):
            return bytes(read_memory(start + distance, nr_bytes)) == expected
    except gdb.MemoryError:
        return False


def before_kmain() -> str:
    """What the machine is in that comes before kmain(), or ""."""
    pc = gdb.newest_frame().pc()
    if pc >= KERNEL_BASE or gdb.lookup_global_symbol("kmain") is None:
        return ""
    symtab = gdb.find_pc_line(pc).symtab
    if symtab and os.path.basename(symtab.filename) == "start.S" and _has_code_at(-KERNEL_BASE):
        return "boot/start.S"
    return "" if _has_code_at(0) else "its firmware or boot loader"


def _elf() -> str:
    """What to call the kernel's file."""
    try:
        return os.path.relpath(gdb.current_progspace().filename)
    except UnicodeDecodeError:              # the locale, mostly C, has no such letters
        return "the ELF"


def check_kernel() -> None:
    """Raises a Note unless GDB knows the kernel and a machine has it in memory."""
    if not gdb.objfiles():
        raise Note("GDB has no kernel. Try: file build/stage-3/kernel.elf")
    if gdb.lookup_global_symbol("kmain") is None:
        raise Note(f"no debugging information about kmain in {_elf()}: stripped, or not our kernel")
    if gdb.selected_inferior().pid == 0:
        raise Note("GDB is attached to no machine. Try: make debug LAB=3")
    if _has_code_at(0):
        return
    if gdb.newest_frame().pc() >= KERNEL_BASE:
        raise Note(f"the machine runs another kernel than {_elf()}, which was built anew since")
    raise Note(f"kmain() has not begun, as the machine is still in {before_kmain()}. "
               "Try: hbreak kmain, continue")


class Memory:
    """The machine's memory by virtual address. It stands still: each block is read once."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytes] = {}

    def read(self, address: int, nr_bytes: int) -> bytes:
        """Raises a Note if GDB cannot read all of it, or nothing here can be that large."""
        if nr_bytes > READ_LIMIT:
            raise Note(f"{nr_bytes} bytes at {address:#x} are more than any structure has")
        if nr_bytes > PAGE_BYTES:
            return self._fetch(address, nr_bytes)
        first, last = address // BLOCK_BYTES, (address + nr_bytes - 1) // BLOCK_BYTES
        for block in range(first, last + 1):
            if block not in self._blocks:
                self._blocks[block] = self._fetch(block * BLOCK_BYTES, BLOCK_BYTES)
        data = b"".join(self._blocks[block] for block in range(first, last + 1))
        start = address - first * BLOCK_BYTES
        return data[start:start + nr_bytes]

    @staticmethod
    def _fetch(address: int, nr_bytes: int) -> bytes:
        try:
            return bytes(gdb.selected_inferior().read_memory(address, nr_bytes))
        except (gdb.error, OverflowError):
            raise Note(f"the memory at {address:#x} cannot be read") from None

    def value(self, address: int, kind: gdb.Type) -> gdb.Value:
        """What lies there, as a value of that type, all of it read."""
        return gdb.Value(self.read(address, kind.sizeof), kind)

    def number(self, address: int, nr_bytes: int) -> int:
        """The unsigned number there."""
        return int.from_bytes(self.read(address, nr_bytes), "little")

    def text(self, address: int) -> str:
        """The C string there. Raises a Note if it is not one that can be read."""
        data = bytearray()
        while len(data) < TEXT_LIMIT:
            block_end = (address // BLOCK_BYTES + 1) * BLOCK_BYTES
            piece, end, _ = self.read(address, block_end - address).partition(b"\0")
            data += piece
            if end:
                return printable(bytes(data))
            address = block_end
        raise Note(f"the string at {address:#x} has no end")


def c_text(array: gdb.Value) -> str:
    """The string in an array of char, cut at its NUL or its end."""
    data = bytes(int(array[index]) & 0xff for index in range(array.type.sizeof))
    return printable(data.partition(b"\0")[0])


def enumerators(kind: gdb.Type) -> dict[int, str]:
    """The names of an enum type's values."""
    return {field.enumval: field.name for field in kind.fields()}


@dataclass(frozen=True)
class Module:
    """A part of the kernel that a lab replaces, or that comes to life while it boots."""
    file: str
    what: str                   # it is, as in "heap"
    lab: int                    # that hands it out; 0 = every stage has it
    starts_in: str              # the function that brings it to life, or stands for it
    ready_at: str = ""          # the function that kmain() calls next

    def variable(self, name: str) -> gdb.Value:
        """One of its variables, read from memory."""
        self._check_stage()
        symbol = find_symbol(self.file, name)
        if symbol is None and self.is_object:
            raise Note(f"{self.file} is an object without debugging information here, as HEAP=given has "
                       f"it: `{name}` is in memory, but GDB does not know what it is")
        if symbol is None:
            known = f": known here is the {self.what} that lab {self.lab} hands out"
            raise Note(f"this stage's {self.file} has no `{name}`{known if self.lab else ''}")
        try:
            value = symbol.value()
            value.fetch_lazy()
        except gdb.MemoryError:
            raise Note(f"`{name}` of {self.file} cannot be read") from None
        if value.is_optimized_out:
            raise Note(f"the compiler has left `{name}` of {self.file} out: nothing uses it yet")
        return value

    def number(self, name: str) -> int:
        """A variable that is a number, an enumerator or a pointer."""
        return int(self.variable(name))

    def has(self, name: str) -> bool:
        return find_symbol(self.file, name) is not None

    def not_ready(self) -> Note:
        """For what is not there yet."""
        return Note(f"{self.starts_in}() has not run yet. Try: hbreak {self.ready_at}, continue")

    @property
    def is_object(self) -> bool:
        """Was it linked as an object without debugging information, as HEAP=given has it?"""
        try:
            address_of(self.starts_in)
        except gdb.error:
            return False
        return not (gdb.lookup_global_symbol(self.starts_in) or gdb.lookup_static_symbol(self.starts_in))

    @property
    def is_base(self) -> bool:
        """Is it the kernel's base version, which is there to be replaced?"""
        symbol = gdb.lookup_global_symbol(self.starts_in)
        return symbol is not None and \
            os.path.basename(os.path.dirname(symbol.symtab.filename)) == "kernel"

    def _check_stage(self) -> None:
        if self.lab > 0 and self.is_base:
            raise Note(f"there is no {self.what} yet in this stage")


FRAMES = Module("frame.c", "frame allocator", 1, "frame_init", "heap_init")
HEAP = Module("heap.c", "heap", 2, "heap_init", "fail_init")
PAGES = Module("pages.c", "heap", 2, "heap_init", "fail_init")
MEMMAP = Module("memmap.c", "memory map", 0, "memmap_init", "paging_init")
BOOTINFO = Module("bootinfo.c", "boot information", 0, "bootinfo_init", "options_init")
INITRAMFS = Module("initramfs.c", "directory", 0, "initramfs_init", "console_enable_input")
LOG = Module("log.c", "logger", 3, "log_record")
STORE = Module("store.c", "store", 6, "store_create")
SPINLOCK = Module("spinlock.c", "locks", 0, "spin_lock")


class Ram:
    """The direct map: which pointers can be right."""

    def __init__(self) -> None:
        self.top = MEMMAP.number("top")
        if self.top == 0:
            raise MEMMAP.not_ready()
        if self.top > MEMMAP_LIMIT or self.top % PAGE_BYTES != 0:
            raise Note(f"`top` of memmap.c is {self.top:#x}, which is no size of memory")

    def holds(self, address: int, nr_bytes: int = 1, align: int = 1) -> bool:
        """Are these bytes in RAM, by an aligned address in the direct map?"""
        offset = address - DIRECT_MAP_BASE
        return address % align == 0 and 0 <= offset and offset + nr_bytes <= self.top

    def check(self, what: str, address: int, nr_bytes: int, align: int = 8) -> None:
        """Raises a Note unless the pointer can be right."""
        if not self.holds(address, nr_bytes, align):
            raise Note(f"{what} is {address:#x}, which is no address in RAM for it")
