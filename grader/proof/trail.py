# SPDX-License-Identifier: MIT
"""From what a model prints on its way to an error to what is drawn of it: calls and locks, for each CPU.

The lines are those of machine.pml's steps: "@ enters CPU FUNCTION" and the like. The time is the number
of such steps. Pure functions.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from debugger.outline import Box, Mark

# By their numbers in machine.pml.
FUNCTIONS = ("kmalloc", "heap_rescue", "log_record")
LOCKS = ("heap_lock", "log_lock")

NOBODY = -1

_STEP = re.compile(r"@ (enters|leaves|wants|takes|releases|finishes) (\d+) (\d+)")


@dataclass
class Story:
    """What the CPUs have done, and how it ends."""
    roots: list[Box]                    # what each CPU has done
    nr_steps: int
    waits: dict[int, str] = field(default_factory=dict)     # which lock a CPU waits for, by the CPU
    holders: dict[str, int] = field(default_factory=dict)   # who has a lock at the end
    got_null: int = NOBODY              # the last CPU that has finished without memory

    def cycle(self) -> Sequence[int]:
        """CPUs each of which waits for a lock that the next one holds, and the last one for the first's."""
        for start in self.waits:
            way = [start]
            while (holder := self.holders.get(self.waits.get(way[-1], ""), NOBODY)) not in (NOBODY, *way):
                way.append(holder)
            if holder != NOBODY:
                return way[way.index(holder):]
        return ()


def read(lines: Iterable[str], nr_cpus: int) -> Story:
    """What the lines tell. Lines of another form are the model's own, and left out."""
    story = Story([Box(f"cpu{cpu}", "", 0, None, kind="cpu") for cpu in range(nr_cpus)], 0)
    open_boxes = [[root] for root in story.roots]
    for line in lines:
        match = _STEP.fullmatch(line)
        if match is None or int(match[2]) >= nr_cpus:
            continue
        story.nr_steps += 1
        what, cpu, number, now = match[1], int(match[2]), int(match[3]), story.nr_steps
        boxes = open_boxes[cpu]
        if what == "enters":
            boxes.append(Box(FUNCTIONS[number], "", now, None))
            boxes[-2].parts.append(boxes[-1])
        elif what == "leaves" and len(boxes) > 1:
            boxes.pop().left = now
        elif what == "finishes":
            boxes[0].left = now
            if number == 0:
                story.got_null = cpu
        elif what == "wants":
            story.waits[cpu] = LOCKS[number]
        elif what in ("takes", "releases"):
            story.waits.pop(cpu, None)
            story.holders |= {LOCKS[number]: cpu if what == "takes" else NOBODY}
            where = boxes[-1].function + (f" on cpu{cpu}" if nr_cpus > 1 else "")
            boxes[-1].parts.append(Mark(now, what, LOCKS[number], where))
    for cpu, lock in story.waits.items():
        story.nr_steps += 1
        holder = story.holders.get(lock, NOBODY)
        held = "" if holder == NOBODY else f"held by cpu{holder}" if holder != cpu else "which this CPU holds"
        open_boxes[cpu][-1].parts.append(Box(f"waits for {lock}", held, story.nr_steps, None))
    return story
