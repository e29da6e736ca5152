# SPDX-License-Identifier: MIT
"""Which locks a function may take, and in which order: a cycle among them is a deadlock that can happen.

A lock counts as held from the call that takes it to the one in the same function that releases it, and in
all that is called in between. A function that drops its caller's lock for a while is not believed: the
order is that of a call in which it does not.
"""
from __future__ import annotations

import heapq

from proof.graph import TAKE, Graph, Lock, Step
from proof.verdict import Verdict, way_lines


def taken(graph: Graph, ways: dict[str, list[Step]]) -> dict[str, list[Step]]:
    """The locks that functions take, each with the shortest way to where that is done."""
    found: dict[str, list[Step]] = {}
    for title, way in sorted(ways.items(), key=lambda item: len(item[1])):
        for lock in graph.locks.get(title, ()):
            found.setdefault(lock.name, [*way, Step(title, lock.place)])
    return found


def pairs(graph: Graph) -> dict[tuple[str, str], tuple[Lock, list[Step]]]:
    """Each lock that may be taken while another, or the same, is held: where that was taken, and the way."""
    found: dict[tuple[str, str], tuple[Lock, list[Step]]] = {}
    for title in sorted(graph.locks):
        for held, calls in graph.called_while_held(title):
            below = taken(graph, graph.reached(title, calls))
            own = {graph.lock_calls[title].get(call.number): [Step(title, call.place)] for call in calls
                   if call.target == TAKE}
            for name, way in {**below, **own}.items():
                if name and len(way) < len(found.get((held.name, name), (held, [*way, way[0]]))[1]):
                    found[held.name, name] = held, way
    return found


def _cycle(found: dict[tuple[str, str], tuple[Lock, list[Step]]]) -> list[str]:
    """Of the cycles among locks, from a lock to itself, the one of the fewest calls; or []."""
    shortest, fewest = [], 0
    for start in {first for first, _ in found}:
        todo, best = [(0, [start])], {}
        while todo:
            nr_calls, way = heapq.heappop(todo)
            if len(way) > 1 and way[-1] == start:
                if not shortest or nr_calls < fewest:
                    shortest, fewest = way, nr_calls
                break
            for (first, second), (_, calls) in found.items():
                if first == way[-1] and nr_calls + len(calls) < best.get(second, 1 << 30):
                    best[second] = nr_calls + len(calls)
                    heapq.heappush(todo, (best[second], [*way, second]))
    return shortest


def order(graph: Graph, shown: set[str]) -> Verdict:
    """Is there an order in which all locks are taken? If not, the verdict has the cycle."""
    found = pairs(graph)
    after: dict[str, list[str]] = {}
    for first, second in sorted(found):
        after.setdefault(first, []).append(second)
    cycle = _cycle(found)
    if not cycle:
        names = sorted({lock.name for locks in graph.locks.values() for lock in locks})
        lines = [f"{first}, then {', '.join(after[first])}" for first in names if first in after]
        return Verdict("lock order", True, [f"lock order has no cycle: proved, {len(names)} locks"
                                            + "".join(f"\n    {line}" for line in lines)])
    lines = [f"lock order has a cycle: {' -> '.join(cycle)}"]
    for first, second in zip(cycle, cycle[1:]):
        held, way = found[first, second]
        lines += [f"  {first} is taken at {held.place}, and then {second}:", *way_lines(graph, way, TAKE, shown)]
    return Verdict("lock order", False, lines)
