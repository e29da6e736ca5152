# SPDX-License-Identifier: MIT
"""What the benchmark must not exceed: `make bench-check`.

A bound is what we aim at, unless that could not be reached without making the code worse to
read; then `aim` says what it would be, and the bound keeps us from getting any worse.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.counting import JUNK
from bench.measuring import LISTS, Numbers


@dataclass(frozen=True)
class Bound:
    what: str
    bound: float
    measure: Callable[[Numbers], float]
    unit: str = "instructions"
    aim: float | None = None
    why: str = ""                 # it falls short of its aim

    def is_kept(self, numbers: Numbers) -> bool:
        return self.measure(numbers) <= self.bound

    def is_aimed_at(self, numbers: Numbers) -> bool:
        return self.measure(numbers) <= (self.bound if self.aim is None else self.aim)


Measure = Callable[[Numbers], float]

# The unit of what a clock says: a ratio of what took turns, as a busy machine is so for both then.
BY_THE_CLOCK = "times as long"


def _mean(kind: str, workload: str, subject: str = "ouroboros") -> Measure:
    return lambda numbers: numbers[kind][workload][subject]["mean"]


def _record(way: str, what: str = "instructions") -> Measure:
    return lambda numbers: numbers["record"][way][what]


def _time(workload: str, subject: str = "ouroboros") -> Measure:
    return lambda numbers: numbers["time"]["heap"][workload][subject]


def _footprint(workload: str) -> Measure:
    return lambda numbers: numbers["footprint"][workload]["ouroboros"]["ratio"]


def _later(test: str) -> Measure:
    return lambda numbers: numbers["later"][test]["mean"]


def _ratio(over: Measure, under: Measure) -> Measure:
    return lambda numbers: over(numbers) / under(numbers)


def _fastest_list(numbers: Numbers) -> float:
    return min(numbers["heap"]["c"][name]["mean"] for name in LISTS)


def _worst(numbers: Numbers) -> float:
    return max(found["ouroboros"]["worst"] for found in numbers["heap"].values())


BOUNDS = [
    Bound("heap, trace a", 46, _mean("heap", "a")),
    Bound("heap, trace a, against mimalloc", 1.7, _ratio(_mean("heap", "a"),
          _mean("heap", "a", "mimalloc")), "times", 1.6,
          "mimalloc checks nothing: it believes that a pointer is an object. Ours asks the page's tag, "
          "computes the slot, checks that it is live, and checks its mark if it has one. That is "
          "about half of the work of `kfree`."),
    Bound("heap, trace b", 50, _mean("heap", "b")),
    Bound("heap, trace b, against mimalloc", 1.1, _ratio(_mean("heap", "b"),
          _mean("heap", "b", "mimalloc")), "times", 1.0,
          "The same checks; and slabs of few slots often fill up and leave their class's list. With "
          "larger slabs they would not, but the footprint would grow."),
    Bound("heap, trace c, against the fastest list", 4.7,
          _ratio(_mean("heap", "c"), _fastest_list), "times", 1.3,
          "The fastest list only pops and pushes at its head: there are no sizes to choose among, "
          "as all are alike here, and no checks. A class's index, a slot's number and a slab's "
          "counts alone are more."),
    Bound("heap, trace a, time against mimalloc", 1.5,
          _ratio(_time("a"), _time("a", "mimalloc")), "times as long"),
    Bound("heap, trace b, time against mimalloc", 1.5,
          _ratio(_time("b"), _time("b", "mimalloc")), "times as long"),
    Bound("heap, trace a, with junk", 63, _mean("junk", "a", JUNK)),
    Bound("heap, trace b, with junk", 375, _mean("junk", "b", JUNK)),
    Bound("heap, worst operation of all traces, rescue included", 600, _worst, aim=500,
          why="It is a request that needs a rescue, which splits the largest block of frames. Some 45 "
          "of its instructions make sure that no run that fits is missed, and that NULL is the last "
          "resort. Some 65 make sure that no free run is followed that was written to."),
    Bound("heap, footprint of trace a", 1.15, _footprint("a"), "times what is live"),
    Bound("heap, footprint of trace b", 1.25, _footprint("b"), "times what is live"),
    Bound("frames, singles", 25, _mean("frames", "fresh")),
    Bound("frames, runs", 30, _mean("frames", "runs")),
    Bound("frames, a refused run", 20, _mean("frames", "refused")),
    Bound("frames, 1 % free against fresh", 1.2,
          _ratio(_mean("frames", "full"), _mean("frames", "fresh")), "times"),
    Bound("frames, metadata", 0.25, lambda numbers: numbers["metadata"]["percent"], "% of RAM"),
    Bound("log, a record of 76 bytes", 1400, _record("log")),
    Bound("log, heap calls a record", 0, _record("log", "heap_calls"), "calls"),
    Bound("log, a record against snprintf", 0.38, _ratio(_record("log"), _record("snprintf")), "times"),
    Bound("log, a record against snprintf, in time", 0.6, _record("log", "times_snprintf"),
          "times as long"),
    Bound("log, the formatter alone", 2135, _record("format")),
    Bound("log, the formatter against snprintf, in time", 0.75, _record("format", "times_snprintf"),
          "times as long"),
    Bound("log, a record of lab 5, in the kernel", 1800, _later("record")),
    Bound("store, an append to one of 100 files, in the kernel", 5300, _later("store_append")),
    Bound("store, a renaming, in the kernel", 12700, _later("store_rename")),
    Bound("boot, the kernel's own part", 7.5e6, lambda numbers: numbers["boot"]["instructions"]),
]
