# SPDX-License-Identifier: MIT
"""The command `slab`: what an address is to lab 2's heap."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator

import gdb

from debugger.inside.command import Command
from debugger.inside.reader import (ADDRESS_MASK, DIRECT_MAP_BASE, KERNEL_BASE, PAGE_BYTES, Memory,
                                    Note, evaluate)
from debugger.inside.slabs import (FOREIGN, FREE, MARK, SLOT_LIVE, TAIL, USER, HeapMemory, Slab,
                                   class_name)
from debugger.inside.text import plural


def _address(expression: str) -> int:
    """What a user's expression means as an address: a pointer or number, or where an array lies."""
    if not expression:
        raise Note("of which address? Try: slab initramfs.slots")
    value = evaluate(expression)
    kind = value.type.strip_typedefs()
    if kind.code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION,
                     gdb.TYPE_CODE_FUNC):
        if value.address is None:
            raise Note(f"{expression} is no address")
        return int(value.address) & ADDRESS_MASK
    return int(value) & ADDRESS_MASK


def _outside(address: int) -> str:
    """What an address is that the heap's tags do not know."""
    if address >= KERNEL_BASE:
        return f"{address:#x} is in the kernel's image, not on the heap"
    if address >= DIRECT_MAP_BASE:
        return f"{address:#x} is behind the end of RAM, not on the heap"
    return f"{address:#x} is not in the direct map, so not on the heap"


def _free_slots(heap: HeapMemory, slab: Slab) -> set[int]:
    """The slots in the slab's list, up to one that cannot be right."""
    found = set()
    with contextlib.suppress(Note):
        for slot in heap.free_slots(slab):
            found.add(slot)
    return found


def _object_state(heap: HeapMemory, slab: Slab, slot: int) -> str:
    """Is the object live, free or overrun, and how do we know?"""
    if slot >= slab.nr_used:
        return "free, and never used yet"
    entry = heap.table(slab)[slot]
    if not entry & SLOT_LIVE:
        return "free" if slot in _free_slots(heap, slab) else \
            "free, but not in its slab's list of free slots"
    nr_bytes = slab.slot_bytes - (entry - SLOT_LIVE)
    if nr_bytes < 0:
        return "live, but nobody knows how many bytes were asked for"
    if nr_bytes == slab.slot_bytes:
        return f"live, {nr_bytes} bytes asked for, which fill its slot"
    mark = heap.memory.number(slab.first_slot + slot * slab.slot_bytes + nr_bytes, 1)
    if mark != MARK:
        return (f"live, {nr_bytes} bytes asked for, but overrun: the byte behind them "
                f"is {mark:#x}, not {MARK:#x}")
    return f"live, {nr_bytes} bytes asked for"


class SlabAt(Command):
    """Show what an address is to the heap: its slab, its object, live or free, overrun or not.

    Usage: slab ADDR

    ADDR is any expression, also an address inside an object. An array or a structure stands for
    its address. Knows the heap that lab 2 hands out."""
    name = "slab"
    has_argument = True

    def lines(self, argument: str) -> Iterator[str]:
        address = _address(argument)
        heap = HeapMemory(Memory())
        frame = heap.frame_of(address)
        if frame is None:
            yield f"{_outside(address)}."
            return
        tag = heap.tags[frame]
        if tag == FOREIGN:
            yield f"{address:#x} is in RAM, but its page is not the heap's."
        elif tag == FREE:
            yield self._free_run(heap, address, frame)
        else:
            start = self._slab_start(heap, frame, tag)
            yield from self._object(heap, heap.slab(heap.page_at(start)), address)

    @staticmethod
    def _free_run(heap: HeapMemory, address: int, frame: int) -> str:
        free = bytes([FREE])
        start = len(heap.tags[:frame].rstrip(free))
        nr_pages = len(heap.tags) - len(heap.tags[frame:].lstrip(free)) - start
        return (f"{address:#x} is in page {frame - start} of a free run of "
                f"{plural(nr_pages, 'page')} at {heap.page_at(start):#x}.")

    @staticmethod
    def _slab_start(heap: HeapMemory, frame: int, tag: int) -> int:
        """The first frame of the slab that holds `frame`."""
        start = frame - (tag - USER) if tag != TAIL else len(
            heap.tags[:frame].rstrip(bytes([TAIL]))) - 1
        if start < 0 or heap.tags[start] != USER:
            raise Note(f"the page {heap.page_at(frame):#x} has the tag {tag}, "
                       f"but no slab starts where that leads to")
        return start

    @staticmethod
    def _object(heap: HeapMemory, slab: Slab, address: int) -> Iterator[str]:
        if address >= slab.address + slab.nr_pages * PAGE_BYTES:
            raise Note(f"the page of {address:#x} is tagged as the slab's at {slab.address:#x}, "
                       f"but that has {plural(slab.nr_pages, 'page')}")
        yield (f"slab {slab.address:#x}: class {class_name(slab.size_class)}, {slab.nr_live} of "
               f"{plural(slab.nr_slots, 'slot')} live, {plural(slab.nr_pages, 'page')}")
        offset = address - slab.first_slot
        if offset < 0:
            yield f"{address:#x} is in its header."
        elif offset >= slab.nr_slots * slab.slot_bytes:
            yield f"{address:#x} is behind its last slot."
        else:
            slot, inside = divmod(offset, slab.slot_bytes)
            where = f", {inside} bytes in" if inside else ""
            yield (f"object {slot} of it, at {address - inside:#x}{where}: "
                   f"{_object_state(heap, slab, slot)}.")
        heap.check_table(slab)
