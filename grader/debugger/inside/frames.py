# SPDX-License-Identifier: MIT
"""The command `frames`: the buddy allocator of lab 1, from its own tables.

Limit: of a free list it follows the first MAX_STEPS blocks.
"""
from __future__ import annotations

from collections.abc import Iterator

from debugger.inside import kernel
from debugger.inside.command import Command
from debugger.inside.reader import FRAMES, MEMMAP_LIMIT, PAGE_BYTES, Memory, Note, Ram
from debugger.inside.text import in_units

NR_ORDERS = 11                          # kernel/frame.h: FRAME_MAX_ORDER + 1
NO_BLOCK = 0                            # macro of labs/01-frames/frame.c
MAX_STEPS = 2000
MAP_COLUMNS, MAP_ROWS = 64, 8
FREE, ALLOCATED, MIXED, FOREIGN, DAMAGED = ".", "#", "+", " ", "?"


class Allocator:
    """Lab 1's tables, as they are in memory."""

    def __init__(self, memory: Memory) -> None:
        ram = Ram()
        self._memory = memory
        self._links, tags = FRAMES.variable("links"), FRAMES.number("tags")
        self._heads = FRAMES.variable("heads")
        self.nr_tags = FRAMES.number("nr_tags")
        self.nr_managed = FRAMES.number("nr_managed")
        self.free, self.allocated, self.inside = (
            FRAMES.number(f"TAG_{name}") for name in ("FREE", "ALLOCATED", "INSIDE"))
        if int(self._links) == 0 or tags == 0:
            raise FRAMES.not_ready()
        if not 0 < self.nr_tags <= MEMMAP_LIMIT // PAGE_BYTES:
            raise Note(f"`nr_tags` of frame.c is {self.nr_tags:#x}, which is no number of frames")
        ram.check("`tags` of frame.c", tags, self.nr_tags, align=1)
        ram.check("`links` of frame.c", int(self._links), self.nr_tags * 8)
        if self.nr_managed == 0:
            raise Note("no frame is ours yet, `nr_managed` of frame.c is 0: frame_init() has not "
                       "finished. Try: hbreak heap_init, continue")
        self.tags = memory.read(tags, self.nr_tags)
        self.nr_blocks = [self.tags.count(self.free + order) for order in range(NR_ORDERS)]

    def _link(self, block: int) -> tuple[int, int]:
        """The neighbours of a block: next, previous."""
        kind = self._links.type.target()
        value = self._memory.value(int(self._links) + block * kind.sizeof, kind)
        return int(value["next"]), int(value["prev"])

    def _flaw(self, block: int, previous: int, order: int) -> str:
        """What is wrong with a block that was found in a list, in the words of frame.c, or ""."""
        if block >= self.nr_tags:
            return "there is no such frame"
        if block % (1 << order) != 0:
            return "not aligned to its size"
        if self.tags[block] != self.free + order:
            return f"not tagged as free, but {self.tags[block]:#x}"
        if previous == NO_BLOCK:
            return ""
        if block == int(self._heads[order]):
            return "found there again"
        if self._link(block)[1] != previous:
            return f"linked back to {self._link(block)[1]:#x}, not to the block before it"
        return ""

    def list_flaw(self, order: int) -> str:
        """What is wrong with the list of an order, or "". It ends: a block has but one `prev`."""
        block, previous, nr_found = int(self._heads[order]), NO_BLOCK, 0
        while block != NO_BLOCK:
            if nr_found == MAX_STEPS:
                return (f"of the list of order {order} only the first {MAX_STEPS:,} of "
                        f"{self.nr_blocks[order]:,} blocks are checked")
            if flaw := self._flaw(block, previous, order):
                return f"frame {block:#x} in the list of order {order}: {flaw}"
            previous, nr_found = block, nr_found + 1
            block, _ = self._link(block)
        if nr_found != self.nr_blocks[order]:
            return (f"the list of order {order} has {nr_found} blocks, "
                    f"but {self.nr_blocks[order]} are tagged as free")
        return ""

    def _kind(self, tag: int) -> str:
        """What a frame is by the tag of its block."""
        if tag == 0:
            return FOREIGN
        for kind, base in ((FREE, self.free), (ALLOCATED, self.allocated)):
            if base <= tag < base + len(self.nr_blocks):
                return kind
        return DAMAGED

    def _kind_at(self, frame: int) -> str:
        """What one frame is, by the block that holds it."""
        for order in range(len(self.nr_blocks)):
            if self.tags[frame] != self.inside:
                break
            frame &= ~(1 << order)
        return self._kind(self.tags[frame])

    def map(self, nr_frames: int) -> str:
        """One character for each run of so many frames, a power of two."""
        cells = ""
        for start in range(0, self.nr_tags, nr_frames):
            kinds = {self._kind(tag) for tag in set(self.tags[start:start + nr_frames])
                     if tag != self.inside}
            if self.tags[start] == self.inside:
                kinds.add(self._kind_at(start))
            cells += (DAMAGED if DAMAGED in kinds else MIXED) if len(kinds) > 1 else kinds.pop()
        return cells


class Frames(Command):
    """Show the frame allocator's free lists and a map of physical memory.

    Usage: frames

    For each order: how many free blocks its list has, and how many blocks are allocated.
    Knows the allocator that lab 1 hands out."""
    name = "frames"

    def lines(self, argument: str) -> Iterator[str]:
        memory = Memory()
        allocator = Allocator(memory)
        nr_free = sum(count << order for order, count in enumerate(allocator.nr_blocks))
        yield "order    block      free  allocated"
        for order, count in enumerate(allocator.nr_blocks):
            nr_allocated = allocator.tags.count(allocator.allocated + order)
            yield f"{order:5}  {in_units(PAGE_BYTES << order):>7}  {count:8,}  {nr_allocated:9,}"
        yield (f"{nr_free:,} of {allocator.nr_managed:,} frames are free: "
               f"{nr_free / 256:.1f} of {allocator.nr_managed / 256:.1f} MiB.")
        lock = kernel.lock(memory, FRAMES.variable("frame_lock"))
        if lock.locked:
            yield f"frame_lock is held since {lock.taken_at or '?'}: a change may be half done."
        for order in range(len(allocator.nr_blocks)):
            if flaw := allocator.list_flaw(order):
                yield self.note(flaw)
        yield from self._map(allocator)

    @staticmethod
    def _map(allocator: Allocator) -> Iterator[str]:
        nr_frames = 1
        while nr_frames * MAP_COLUMNS * MAP_ROWS < allocator.nr_tags:
            nr_frames *= 2
        cells = allocator.map(nr_frames)
        yield (f"{in_units(nr_frames * PAGE_BYTES)} a character: {FREE} free  {ALLOCATED} allocated"
               f"  {MIXED} mixed  blank: not ours" + f"  {DAMAGED} damaged" * (DAMAGED in cells))
        for start in range(0, len(cells), MAP_COLUMNS):
            address = start * nr_frames * PAGE_BYTES
            yield f"{address:#12x} |{cells[start:start + MAP_COLUMNS]}|"
