# SPDX-License-Identifier: MIT
"""What became of one thing that was to be proved, and how a way through the graph is shown."""
from __future__ import annotations

from dataclasses import dataclass, field

from proof.graph import Graph, Step


@dataclass
class Verdict:
    """What became of a root, or of the order of locks: lines for people."""
    about: str
    proved: bool
    lines: list[str] = field(default_factory=list)


def way_lines(graph: Graph, way: list[Step], end: str, shown: set[str]) -> list[str]:
    """
    A way, a line for each step: the function, and where it calls the next one. What is in `shown` has been
    there before, and is added to.
    """
    names = [*(graph.show(step.title) for step in way), end]
    width = max(map(len, names))
    lines = []
    for name, following, step in zip(names, names[1:], way):
        lines.append(f"    {name:<{width}}  calls {following} at {step.place}")
        if step.title in shown:
            return [*lines, "    and on as above"] if following != end else lines
        shown.add(step.title)
    return lines
