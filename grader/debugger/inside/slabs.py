# SPDX-License-Identifier: MIT
"""The heap of lab 2 as it lies in memory: its pages, slabs and objects.

Limits: reads the headers of MAX_SLABS slabs, and as many free runs.
"""
from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from debugger.inside.reader import (DIRECT_MAP_BASE, HEAP, MEMMAP_LIMIT, PAGE_BYTES, PAGES, Memory,
                                    Note, Ram)

MAX_SLABS = 5000

# Macros of kernel/slab.h, kernel/pages.h and kernel/heap.h, of which GDB knows nothing.
SLOT_LIVE = 0x8000
PAGES_EXACT = 32
MARK = 0xa5
HEAP_ALIGN_BYTES = 16

FOREIGN, FREE, TAIL, USER = range(4)    # enum page_tag, kernel/pages.h


@dataclass(frozen=True)
class SizeClass:
    """A size class; `large` has slot_bytes 0."""
    address: int
    with_room: int
    slot_bytes: int
    nr_slots: int
    nr_pages: int


@dataclass(frozen=True)
class Slab:
    """The header of a slab that can be right."""
    address: int
    size_class: SizeClass
    next: int
    prev: int
    first_slot: int
    slot_bytes: int
    reciprocal: int
    nr_slots: int
    nr_free: int
    nr_used: int
    free: int
    nr_pages: int

    @property
    def is_large(self) -> bool:
        return self.size_class.slot_bytes == 0

    @property
    def nr_live(self) -> int:
        return self.nr_slots - self.nr_free


@dataclass(frozen=True)
class Run:
    """Free pages in a row."""
    address: int
    nr_pages: int


class HeapMemory:
    """All that the heap and its pages know. Raises a Note where that is not lab 2's heap."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._ram = Ram()
        self._classes, self._large = HEAP.variable("classes"), HEAP.variable("large")
        self._slab_type = self._large["with_room"].type.target()
        self._table_offset = next(field.bitpos // 8 for field in self._slab_type.fields()
                                  if field.name == "slots")
        self.classes = self._read_classes()
        self.counts = HEAP.variable("counts")
        tags, self._bins = PAGES.number("page_tags"), PAGES.variable("bins")
        self.nr_tags = PAGES.number("nr_page_tags")
        self.nr_free, self.nr_total = PAGES.number("nr_free"), PAGES.number("nr_total")
        if tags == 0:
            raise HEAP.not_ready()
        if not 0 < self.nr_tags <= MEMMAP_LIMIT // PAGE_BYTES:
            raise Note(f"`nr_page_tags` of pages.c is {self.nr_tags:#x}, "
                       f"which is no number of pages")
        self._ram.check("`page_tags` of pages.c", tags, self.nr_tags, align=1)
        self.tags = memory.read(tags, self.nr_tags)

    def _read_classes(self) -> list[SizeClass]:
        """The small classes, and then `large`."""
        classes, large = self._classes, self._large
        nr_classes = classes.type.sizeof // large.type.sizeof
        values = [*(classes[index] for index in range(nr_classes)), large]
        start = int(classes.address)
        addresses = [*(start + index * large.type.sizeof for index in range(nr_classes)),
                     int(large.address)]
        found = [SizeClass(address, *(int(value[field]) for field in (
            "with_room", "slot_bytes", "nr_slots", "nr_pages")))
            for address, value in zip(addresses, values)]
        for size_class in found:
            is_small = size_class is not found[-1]
            needed = self._header_bytes(size_class.nr_slots) + \
                size_class.nr_slots * size_class.slot_bytes
            if size_class.nr_slots == 0 or (size_class.slot_bytes > 0) is not is_small or \
                    needed > size_class.nr_pages * PAGE_BYTES:
                raise Note(f"the size class at {size_class.address:#x}: slot_bytes is "
                           f"{size_class.slot_bytes}, nr_slots {size_class.nr_slots} and "
                           f"nr_pages {size_class.nr_pages}")
        return found

    def _header_bytes(self, nr_slots: int) -> int:
        """The length of a slab's header with its table."""
        return self._table_offset + nr_slots * 2

    def frame_of(self, address: int) -> int | None:
        """The number of the frame behind a direct-map address, if it is one that has a tag."""
        frame = (address - DIRECT_MAP_BASE) // PAGE_BYTES
        return frame if 0 <= frame < self.nr_tags else None

    @staticmethod
    def page_at(frame: int) -> int:
        """The direct map's address of a frame."""
        return DIRECT_MAP_BASE + frame * PAGE_BYTES

    def slab_addresses(self) -> list[int]:
        """Where the tags say that slabs start."""
        return [self.page_at(match.start()) for match in re.finditer(bytes([USER]), self.tags)]

    def slab(self, address: int) -> Slab:
        """The slab that starts there. Raises a Note that says which value cannot be right."""
        if not self._ram.holds(address, self._slab_type.sizeof, PAGE_BYTES):
            raise Note(f"{address:#x} is no address of a slab")
        header = self.memory.value(address, self._slab_type)
        which = int(header["class"])
        size_class = next((item for item in self.classes if item.address == which), None)
        if size_class is None:
            raise Note(f"slab {address:#x}: its class is {which:#x}, which is none of the classes")
        slab = Slab(address, size_class, *(int(header[field]) for field in (
            "next", "prev", "first_slot", "slot_bytes", "reciprocal", "nr_slots", "nr_free",
            "nr_used", "free", "nr_pages")))
        self._check(slab)
        return slab

    def _check(self, slab: Slab) -> None:
        """Raises a Note unless the numbers in a slab's header can be right."""
        size_class = slab.size_class
        nr_slots, run_bytes = size_class.nr_slots, slab.nr_pages * PAGE_BYTES
        header_bytes = -(-self._header_bytes(nr_slots) // HEAP_ALIGN_BYTES) * HEAP_ALIGN_BYTES
        slot_bytes = size_class.slot_bytes or run_bytes - header_bytes
        frame = (slab.address - DIRECT_MAP_BASE) // PAGE_BYTES
        right = {
            "nr_pages": range(1, self.nr_tags - frame + 1) if slab.is_large
            else [size_class.nr_pages],
            "nr_slots": [nr_slots], "slot_bytes": [slot_bytes],
            "first_slot": [slab.address + header_bytes],
            "reciprocal": [0xffffffff // slot_bytes + 1],
            "nr_used": range(nr_slots + 1),
            "nr_free": range(nr_slots - slab.nr_used, nr_slots + 1),
            "free": range(slab.nr_used + 1)}
        for field, values in right.items():
            if getattr(slab, field) not in values:
                raise Note(f"slab {slab.address:#x}: {field} is {getattr(slab, field):#x}")

    def with_room(self, size_class: SizeClass) -> Iterator[Slab]:
        """The slabs of a class's list. Raises a Note at the first that cannot be in it."""
        address, previous = size_class.with_room, 0
        while address:
            where = f"the list of class {class_name(size_class)}"
            try:
                slab = self.slab(address)
            except Note as error:
                raise Note(f"{where}: {error}") from None
            if slab.size_class is not size_class:
                raise Note(f"{where}: slab {address:#x} is of class {class_name(slab.size_class)}")
            if slab.prev != previous:
                raise Note(f"{where}: slab {address:#x}: prev is {slab.prev:#x}, "
                           f"not {previous:#x}, which was before it")
            if slab.nr_free == 0:
                raise Note(f"{where}: slab {address:#x} has no room, nr_free is 0")
            yield slab
            address, previous = slab.next, address

    def runs(self, index: int) -> Iterator[Run]:
        """The free runs of a bin. Raises a Note at the first that cannot be in it."""
        kind = self._bins.type.target().target()
        address, previous = int(self._bins[index]), 0
        while address:
            where = f"the free runs of bins[{index}]"
            frame = self.frame_of(address)
            if frame is None or address % PAGE_BYTES:
                raise Note(f"{where}: {address:#x} is no page of RAM")
            if self.tags[frame] != FREE:
                raise Note(f"{where}: the page {address:#x} is not free, its tag is "
                           f"{self.tags[frame]}")
            run = self.memory.value(address, kind)
            nr_pages = int(run["nr_pages"])
            if bin_of(nr_pages) != index or frame + nr_pages > self.nr_tags:
                raise Note(f"{where}: run {address:#x}: nr_pages is {nr_pages:#x}")
            if int(run["prev"]) != previous:
                raise Note(f"{where}: run {address:#x}: prev is {int(run['prev']):#x}, "
                           f"not {previous:#x}, which was before it")
            yield Run(address, nr_pages)
            address, previous = int(run["next"]), address

    @property
    def nr_bins(self) -> int:
        return self._bins.type.sizeof // 8

    def table(self, slab: Slab) -> list[int]:
        """What the slab's header says of each of its slots."""
        data = self.memory.read(slab.address + self._table_offset, slab.nr_slots * 2)
        return [entry for entry, in struct.iter_unpack("<H", data)]

    def free_slots(self, slab: Slab) -> Iterator[int]:
        """The slots given back, the last one first. Raises a Note at one that cannot be right."""
        table, where = self.table(slab), f"slab {slab.address:#x}"
        slot, name = slab.free, "free"
        seen: set[int] = set()
        while slot != slab.nr_used:
            if slot > slab.nr_used:
                raise Note(f"{where}: {name} is {slot:#x}, which is no slot that was ever used")
            if table[slot] & SLOT_LIVE:
                raise Note(f"{where}: {name} is {slot}, but slots[{slot}] is {table[slot]:#x}: "
                           f"not free")
            if slot in seen:
                raise Note(f"{where}: {name} is {slot} again: its list of free slots never ends")
            yield slot
            seen.add(slot)
            slot, name = table[slot], f"slots[{slot}]"

    def check_table(self, slab: Slab) -> None:
        """Raises a Note unless the table of a slab can be right, and agrees with its header."""
        used = self.table(slab)[:slab.nr_used]
        for slot, entry in enumerate(used):
            if entry & SLOT_LIVE and entry - SLOT_LIVE > slab.slot_bytes:
                raise Note(f"slab {slab.address:#x}: slots[{slot}] is {entry:#x}: more left over "
                           f"than a slot of {slab.slot_bytes} bytes has")
        nr_listed = sum(1 for _ in self.free_slots(slab))
        nr_live = sum(1 for entry in used if entry & SLOT_LIVE)
        if nr_live != slab.nr_live or nr_live + nr_listed != slab.nr_used:
            raise Note(f"slab {slab.address:#x}: nr_free is {slab.nr_free} and nr_used "
                       f"{slab.nr_used}, but {nr_live} slots are live, {nr_listed} in the list of "
                       f"free slots")


def bin_of(nr_pages: int) -> int:
    """Which of the bins of pages.c has runs of this length."""
    return nr_pages if nr_pages < PAGES_EXACT else \
        PAGES_EXACT + nr_pages.bit_length() - PAGES_EXACT.bit_length()


def class_name(size_class: SizeClass) -> str:
    """A size class as the commands call it: by its slots."""
    return str(size_class.slot_bytes) if size_class.slot_bytes else "large"
