# SPDX-License-Identifier: MIT
"""The heap of lab 2 as it lies in memory: its pages, slabs and objects.

Limits: reads the headers of MAX_SLABS slabs, and as many free runs.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from debugger.reader import (DIRECT_MAP_BASE, HEAP, MEMMAP_LIMIT, PAGE_BYTES, PAGES, Memory, Note,
                             Ram)

MAX_SLABS = 5000

# Macros of labs/02-heap/heap.c, of which GDB knows nothing.
SEAL_BYTES = 4
SEAL_KEY = 0x5c3ae7a5
SEAL_FREED = 0xfeeefeee
MARK = 0xa5

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
    free: int
    max_bytes: int
    used_bytes: int
    nr_live: int
    nr_pages: int

    @property
    def is_large(self) -> bool:
        return self.size_class.slot_bytes == 0

    @property
    def slot_bytes(self) -> int:
        return self.max_bytes + SEAL_BYTES


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
        self.classes = self._read_classes()
        self._slab_type = HEAP.variable("large")["with_room"].type.target()
        self.stats = HEAP.variable("stats")
        tags, self._bins = PAGES.number("tags"), PAGES.variable("bins")
        self.nr_tags = PAGES.number("nr_tags")
        self.nr_free, self.nr_total = PAGES.number("nr_free"), PAGES.number("nr_total")
        if tags == 0:
            raise HEAP.not_ready()
        if not 0 < self.nr_tags <= MEMMAP_LIMIT // PAGE_BYTES:
            raise Note(f"`nr_tags` of pages.c is {self.nr_tags:#x}, which is no number of pages")
        self._ram.check("`tags` of pages.c", tags, self.nr_tags, align=1)
        self.tags = memory.read(tags, self.nr_tags)

    @staticmethod
    def _read_classes() -> list[SizeClass]:
        """The small classes, and then `large`."""
        classes, large = HEAP.variable("classes"), HEAP.variable("large")
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
            if size_class.nr_slots == 0 or (size_class.slot_bytes > SEAL_BYTES) is not is_small:
                raise Note(f"the size class at {size_class.address:#x}: slot_bytes is "
                           f"{size_class.slot_bytes} and nr_slots {size_class.nr_slots}")
        return found

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
            "next", "prev", "free", "max_bytes", "used_bytes", "nr_live", "nr_pages")))
        self._check(slab)
        return slab

    def _check(self, slab: Slab) -> None:
        """Raises a Note unless the numbers in a slab's header can be right."""
        size_class = slab.size_class
        slot_bytes = size_class.slot_bytes or slab.nr_pages * PAGE_BYTES - self.header_bytes
        pages = range(1, self.nr_tags) if slab.is_large else [size_class.nr_pages]
        right = {"nr_pages": pages, "max_bytes": [slot_bytes - SEAL_BYTES],
                 "nr_live": range(size_class.nr_slots + 1),
                 "used_bytes": range(size_class.nr_slots * slot_bytes + 1)}
        for field, values in right.items():
            if getattr(slab, field) not in values:
                raise Note(f"slab {slab.address:#x}: {field} is {getattr(slab, field):#x}")

    @property
    def header_bytes(self) -> int:
        return self._slab_type.sizeof

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
            if slab.nr_live >= size_class.nr_slots:
                raise Note(f"{where}: slab {address:#x} has no room, nr_live is {slab.nr_live}")
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
            if nr_pages.bit_length() - 1 != index or frame + nr_pages > self.nr_tags:
                raise Note(f"{where}: run {address:#x}: nr_pages is {nr_pages:#x}")
            if int(run["prev"]) != previous:
                raise Note(f"{where}: run {address:#x}: prev is {int(run['prev']):#x}, "
                           f"not {previous:#x}, which was before it")
            yield Run(address, nr_pages)
            address, previous = int(run["next"]), address

    @property
    def nr_bins(self) -> int:
        return self._bins.type.sizeof // 8

    def free_slots(self, slab: Slab) -> list[int]:
        """The slots that were given back, the last one first; stops at one that cannot be right."""
        found: list[int] = []
        start = slab.address + self.header_bytes
        address = slab.free
        while 0 <= address - start < slab.used_bytes and (address - start) % slab.slot_bytes == 0 \
                and len(found) < slab.size_class.nr_slots:
            found.append(address)
            address = self.memory.number(address, 8)
        return found


def class_name(size_class: SizeClass) -> str:
    """A size class as the commands call it: by its slots."""
    return str(size_class.slot_bytes) if size_class.slot_bytes else "large"
