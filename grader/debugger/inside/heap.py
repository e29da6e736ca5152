# SPDX-License-Identifier: MIT
"""The command `heap`: what lab 2's heap has, and what is left of it."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

from debugger.inside import kernel
from debugger.inside.command import Command
from debugger.inside.reader import HEAP, PAGES, Memory, Note
from debugger.inside.slabs import MAX_SLABS, HeapMemory, Slab, class_name
from debugger.inside.text import plural, some, some_notes

RESERVE_PAGES = 64          # HEAP_RESERVE_PAGES, kernel/heap.h
MAX_FLAWS = 5               # shown
MAX_LENGTHS = 4             # of free runs and of large objects, shown


class Heap(Command):
    """Show the heap: size classes, large objects, free pages, and its reserve.

    Usage: heap

    Fill is how many of the slabs' slots have an object. Knows the heap that lab 2 hands out."""
    name = "heap"

    def lines(self, argument: str) -> Iterator[str]:
        memory = Memory()
        if HEAP.is_object:
            yield f"{PAGES.number('nr_free'):,} of {PAGES.number('nr_total'):,} pages are free."
        heap = HeapMemory(memory)
        slabs, flaws = self._slabs(heap)
        flaws += self._table_flaws(heap, slabs)
        yield from self._classes(heap, slabs)
        flaws += self._list_flaws(heap)
        yield from self._runs(heap, flaws)
        yield from self._totals(heap, flaws)
        lock = kernel.lock(memory, HEAP.variable("heap_lock"))
        if lock.locked:
            yield f"heap_lock is held since {lock.taken_at or '?'}: a change may be half done."
        yield from map(self.note, some_notes(flaws, MAX_FLAWS))

    @staticmethod
    def _slabs(heap: HeapMemory) -> tuple[list[Slab], list[str]]:
        """The slabs that the tags know, and what is wrong with the others."""
        slabs, flaws = [], []
        addresses = heap.slab_addresses()
        for address in addresses[:MAX_SLABS]:
            try:
                slabs.append(heap.slab(address))
            except Note as error:
                flaws.append(str(error))
        if len(addresses) > MAX_SLABS:
            flaws.append(f"only {MAX_SLABS} of {len(addresses)} slabs are counted")
        return slabs, flaws

    @staticmethod
    def _table_flaws(heap: HeapMemory, slabs: list[Slab]) -> list[str]:
        """What is wrong with the tables of slabs whose headers can be right: one flaw a slab."""
        flaws = []
        for slab in slabs:
            try:
                heap.check_table(slab)
            except Note as error:
                flaws.append(str(error))
        return flaws

    @staticmethod
    def _classes(heap: HeapMemory, slabs: list[Slab]) -> Iterator[str]:
        by_class: dict[str, list[Slab]] = defaultdict(list)
        for slab in slabs:
            by_class[class_name(slab.size_class)].append(slab)
        yield " slot  slabs  pages  objects / slots   fill"
        for size_class in heap.classes:
            name = class_name(size_class)
            if not (mine := by_class[name]):
                continue
            nr_live, nr_slots = sum(slab.nr_live for slab in mine), len(mine) * size_class.nr_slots
            yield (f"{name:>5}  {len(mine):5,}  {sum(slab.nr_pages for slab in mine):5,}  "
                   f"{nr_live:7,} / {nr_slots:<7,} {nr_live / nr_slots:4.0%}")
        large = sorted((slab.slot_bytes for slab in by_class["large"]), reverse=True)
        if large:
            yield f"Room for large objects, in bytes: {some(large, MAX_LENGTHS)}."

    @staticmethod
    def _list_flaws(heap: HeapMemory) -> list[str]:
        """What is wrong with the classes' lists: one flaw a list."""
        flaws = []
        for size_class in heap.classes:
            try:
                for _ in islice(heap.with_room(size_class), MAX_SLABS):
                    pass
            except Note as error:
                flaws.append(str(error))
        return flaws

    @staticmethod
    def _runs(heap: HeapMemory, flaws: list[str]) -> Iterator[str]:
        lengths: list[int] = []
        for index in range(heap.nr_bins):
            try:
                lengths += [run.nr_pages for run in islice(heap.runs(index), MAX_SLABS)]
            except Note as error:
                flaws.append(str(error))
        lengths.sort(reverse=True)
        if lengths:
            yield (f"{plural(len(lengths), 'free run')}, in pages: "
                   f"{some(lengths, MAX_LENGTHS)}.")
        else:
            yield "No free run."

    @staticmethod
    def _totals(heap: HeapMemory, flaws: list[str]) -> Iterator[str]:
        allocated, freed, live_bytes, nr_rescues = (int(heap.counts[field]) for field in (
            "nr_allocated", "nr_freed", "live_bytes", "nr_rescues"))
        if freed > allocated:
            flaws.append(f"counts.nr_freed is {freed:#x}, but nr_allocated {allocated:#x}")
        else:
            yield f"{plural(allocated - freed, 'object')}, {live_bytes:,} bytes asked for."
        if heap.nr_total == 0:
            yield "No page yet: heap_init() has not finished."
            return
        yield (f"{heap.nr_free:,} of {heap.nr_total:,} pages are free: {RESERVE_PAGES} are the "
               f"first reserve, {max(heap.nr_total - RESERVE_PAGES, 0):,} came later. "
               f"{plural(nr_rescues, 'rescue')} so far.")
