# SPDX-License-Identifier: MIT
"""Replays on the host what a random test did in the kernel, for a second opinion on it.

A traced test keeps its calls and their results in memory (kernel/trace.h). Its random choices
follow from a seed that the kernel's build does not know: complaint() makes the same choices
again, so that a trace from elsewhere is refused, and checks every result against a model that
is the grader's own.

The functions at the end are twins of tests in C and change with them:
    frames()    labs/01-frames/frame_misuse_test.c, frame.a_random_trace_agrees_with_the_model
    heap()      labs/02-heap/heap_load_test.c, heap.trace
"""
from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

PAGE_BYTES = 4096                       # kernel/memory.h
PADDR_NONE = (1 << 64) - 1              # kernel/memory.h
DIRECT_MAP_BASE = 0xffff800000000000    # kernel/layout.h
HEAP_ALIGN_BYTES = 16                   # kernel/heap.h
HEAP_RESERVE_BYTES = 64 * PAGE_BYTES    # kernel/heap.h
MIB = 1 << 20

# What tables made before frames can be had may take of RAM: 256 bytes a frame. The
# reference's take 9, and paging.c's less than one.
EARLY_SHARE = 16


class Function(IntEnum):
    """enum trace_function of kernel/trace.h."""
    FRAME_ALLOC = 1
    FRAME_FREE = 2
    KREALLOC = 3
    KFREE = 4


_FORMS = {
    Function.FRAME_ALLOC: "frame_alloc({0})", Function.FRAME_FREE: "frame_free({0:#x}, {1})",
    Function.KREALLOC: "krealloc({0:#x}, {1})", Function.KFREE: "kfree({0:#x})",
}


@dataclass(frozen=True)
class Call:
    """struct trace_call of kernel/trace.h."""
    function: int
    first: int
    second: int
    result: int

    def __str__(self) -> str:
        form = _FORMS.get(self.function, "a call of no known function")
        return form.format(self.first, self.second)


@dataclass(frozen=True)
class Trace:
    """struct trace of kernel/trace.h."""
    nr_calls: int
    calls: list[Call]


def read(data: bytes) -> Trace:
    """A trace as it lies in the kernel's memory."""
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    calls = [Call(*words[start:start + 4]) for start in range(1, len(words), 4)]
    return Trace(words[0], calls[:words[0]])


@dataclass(frozen=True)
class Ram:
    """What the kernel's memory map says of RAM that was free before frame_init()."""
    free: Sequence[range] = ()      # and still is, sorted
    early_bytes: int = 0            # taken with memmap_alloc()


class Random:
    """The twin of kernel/random.c."""

    def __init__(self, seed: int):
        self.state = seed

    def next(self) -> int:
        mask = (1 << 64) - 1
        self.state = mixed = (self.state + 0x9e3779b97f4a7c15) & mask
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9 & mask
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb & mask
        return mixed ^ mixed >> 31

    def below(self, limit: int) -> int:
        return (self.next() >> 32) * limit >> 32


class Discrepancy(Exception):
    """The trace cannot be what the test says it is."""


class Replay:
    """A trace that is gone through call by call, in step with the test's random choices."""

    def __init__(self, trace: Trace, ram: Ram, seed: int):
        self.trace = trace
        self.ram = ram
        self.random = Random(seed)
        self.number = 0                     # of the current call, from 1

    def take(self, function: Function, first: int, second: int = 0) -> int:
        """The result of the next call, which must be this one."""
        wanted = Call(function, first, second, 0)
        if self.number >= len(self.trace.calls):
            raise Discrepancy(f"its trace ends after {self.number} calls, before {wanted}")
        call = self.trace.calls[self.number]
        self.number += 1
        if (call.function, call.first, call.second) != (function, first, second):
            raise Discrepancy(f"call {self.number} of its trace is {call}, but from this seed "
                              f"follows {wanted}")
        return call.result

    def end(self) -> None:
        if self.trace.nr_calls != self.number:
            raise Discrepancy(f"its trace has {self.trace.nr_calls} calls instead of {self.number}")

    def wrong(self, what: str) -> Discrepancy:
        """A complaint about the current call's result."""
        call = self.trace.calls[self.number - 1]
        gave = "nothing" if call.result in (0, PADDR_NONE) else f"{call.result:#x}"
        return Discrepancy(f"call {self.number}: {call} gave {gave}, {what}")

    def is_free_ram(self, base: int, nr_bytes: int) -> bool:
        """Does all of it lie in one range that the memory map calls free?"""
        free = self.ram.free
        index = bisect_right(free, base, key=lambda ram: ram.start) - 1
        return index >= 0 and base + nr_bytes <= free[index].stop


@dataclass(frozen=True)
class _Held:
    """What one call handed out, and nobody gave back yet."""
    base: int
    size: int               # a block's order, or an object's bytes
    number: int             # of the call


# ---- the twins


class _Frames:
    """The model of the frame allocator: who holds which frame."""

    def __init__(self, replay: Replay):
        self.replay = replay
        self.holders: dict[int, int] = {}       # the call that handed it out, by frame number

    @staticmethod
    def _frames(base: int, order: int) -> range:
        return range(base // PAGE_BYTES, base // PAGE_BYTES + (1 << order))

    def _has_free_block(self, order: int) -> bool:
        size = PAGE_BYTES << order
        return any(self.holders.keys().isdisjoint(self._frames(base, order))
                   for ram in self.replay.ram.free
                   for base in range(-(-ram.start // size) * size, ram.stop - size + 1, size))

    def alloc(self, order: int) -> _Held | None:
        replay, size = self.replay, PAGE_BYTES << order
        base = replay.take(Function.FRAME_ALLOC, order)
        if base == PADDR_NONE:
            if self._has_free_block(order):
                raise replay.wrong("but a block of that order is free")
            return None
        if base % size:
            raise replay.wrong("which is not a multiple of the block's size")
        if not replay.is_free_ram(base, size):
            raise replay.wrong("which is not free RAM by the memory map")
        frames = self._frames(base, order)
        if taken := next((frame for frame in frames if frame in self.holders), None):
            raise replay.wrong(f"which overlaps the block of call {self.holders[taken]}")
        self.holders |= dict.fromkeys(frames, replay.number)
        return _Held(base, order, replay.number)

    def free(self, block: _Held) -> None:
        self.replay.take(Function.FRAME_FREE, block.base, block.size)
        for frame in self._frames(block.base, block.size):
            del self.holders[frame]


def _check_share(ram: Ram) -> None:
    """Refuses an allocator that has left itself nothing to hand out."""
    all_bytes = ram.early_bytes + sum(len(free) for free in ram.free)
    if ram.early_bytes * EARLY_SHARE > all_bytes:
        raise Discrepancy(f"frame_init has taken {ram.early_bytes / MIB:.1f} of "
                          f"{all_bytes / MIB:.1f} MiB for itself")


def frames(replay: Replay) -> None:
    _check_share(replay.ram)
    nr_live, nr_orders, nr_steps = 192, 6, 4000
    model, random = _Frames(replay), replay.random
    live: list[_Held | None] = [None] * nr_live
    for _ in range(nr_steps):
        place = random.below(nr_live)
        if block := live[place]:
            model.free(block)
            live[place] = None
        else:
            live[place] = model.alloc(random.below(nr_orders))
            random.next()               # the stamp
    for block in filter(None, live):
        model.free(block)


class _Heap:
    """The model of the heap: which objects live, and how large they are."""

    def __init__(self, replay: Replay):
        self.replay = replay
        self.live: dict[int, _Held] = {}        # by address

    def _check(self, address: int, nr_bytes: int) -> None:
        replay = self.replay
        if address % HEAP_ALIGN_BYTES:
            raise replay.wrong(f"which is not a multiple of {HEAP_ALIGN_BYTES}")
        if not replay.is_free_ram(address - DIRECT_MAP_BASE, nr_bytes):
            raise replay.wrong("which is not in RAM that frame_alloc may hand out")
        for other in self.live.values():
            if other.base < address + nr_bytes and address < other.base + other.size:
                raise replay.wrong(f"which overlaps the {other.size} bytes of call {other.number}")

    def realloc(self, old: _Held | None, nr_bytes: int) -> _Held | None:
        """Return: the new object; None if there was no memory, and then the old one stays."""
        address = self.replay.take(Function.KREALLOC, old.base if old else 0, nr_bytes)
        if address == 0:
            live_bytes = sum(other.size for other in self.live.values())
            if live_bytes + nr_bytes <= HEAP_RESERVE_BYTES // 8:
                raise self.replay.wrong(f"with no more than {live_bytes} bytes in use")
            return None
        if old:
            del self.live[old.base]
        size = max(nr_bytes, 1)         # an object of no bytes has an address of its own
        self._check(address, size)
        self.live[address] = _Held(address, size, self.replay.number)
        return self.live[address]

    def free(self, item: _Held | None) -> None:
        self.replay.take(Function.KFREE, item.base if item else 0)
        if item:
            del self.live[item.base]


def _heap_size(random: Random) -> int:
    """random_size() of the test."""
    kind = random.below(64)
    if kind == 0:
        return 4000 + random.below(6000)
    return random.below(1024 if kind < 32 else 1 << random.below(11))


def heap(replay: Replay) -> None:
    nr_slots, nr_steps = 160, 2000
    model, random = _Heap(replay), replay.random
    slots: list[_Held | None] = [None] * nr_slots
    nr_failed = 0
    for _ in range(nr_steps):
        place = random.below(nr_slots)
        item, nr_bytes = slots[place], _heap_size(random)
        if item and random.below(4) != 0:
            model.free(item)
            slots[place] = None
        elif changed := model.realloc(item, nr_bytes):
            slots[place] = changed
            random.next()               # the stamp
        else:
            nr_failed += 1
    if nr_failed > nr_steps // 20:
        raise Discrepancy(f"{nr_failed} of {nr_steps} steps of its trace found no memory")
    for item in slots:
        model.free(item)


# The traced tests: where the kernel keeps the trace, and who replays it.
TRACED: dict[str, tuple[str, Callable[[Replay], None]]] = {
    "frame.a_random_trace_agrees_with_the_model": ("frame_trace", frames),
    "heap.trace": ("heap_trace", heap),
}


def complaint(test: str, trace: Trace, ram: Ram, seed: int) -> str | None:
    """What is wrong with the trace of a test that says it passed; None if nothing is."""
    replay = Replay(trace, ram, seed)
    try:
        TRACED[test][1](replay)
        replay.end()
    except Discrepancy as discrepancy:
        return str(discrepancy)
    return None
