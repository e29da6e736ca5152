# SPDX-License-Identifier: MIT
"""Goes through a policy, root by root, and says what is proved and what is not."""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from proof import locks, objects, types
from proof.flow import NoBound
from proof.graph import TAKE, Graph, Step, Unknown
from proof.objects import Object
from proof.pointers import Pointers
from proof.policy import Policy, Root
from proof.types import Types
from proof.verdict import Verdict, way_lines


@dataclass
class Proof:
    """All of it. Nothing is proved while there are troubles: who calls whom is not known then."""
    troubles: list[str]
    verdicts: list[Verdict]

    @property
    def roots(self) -> list[Verdict]:
        """The verdicts on a policy's roots."""
        return self.verdicts[1:]

    @property
    def holds(self) -> bool:
        return not self.troubles and bool(self.verdicts) and all(verdict.proved for verdict in self.verdicts)


class Kernel:
    """A stage's calls and pointers."""

    def __init__(self, made: list[Object], known: dict[Path, Types], root: Path) -> None:
        self.graph = Graph(made)
        self.pointers = Pointers(self.graph, known, root)


def read_kernels(stages: list[list[Path]], root: Path, objdump: str = "objdump") -> list[Kernel]:
    """Reads stages by their objects in a tree, those that they have in common once. Raises CannotRead."""
    paths = list(dict.fromkeys(path for stage in stages for path in stage))
    made = {one.path: one for one in objects.read(paths, root, objdump)}
    known = types.read(paths, objdump)
    return [Kernel([made[path] for path in stage], known, root) for stage in stages]


def _way_to(graph: Graph, name: str, root: str, ways: dict[str, list[Step]]) -> list[Step] | None:
    """The shortest way to a function, called or inlined, or None."""
    found = [ways[title] for title in graph.titles_of(name) if title in ways and title != root]
    if inlined := graph.inlined(name, ways):
        found.append(inlined)
    found += [[*ways[call], Step(call, one.place)] for call in ways for one in graph.calls[call]
              if one.target == root and graph.show(root) == name]
    return min(found, key=len, default=None)


def _root(graph: Graph, root: Root, shown: set[str]) -> Verdict:
    try:
        title = graph.find(root.function)
    except Unknown as error:
        return Verdict(root.function, False, [f"{root.function}: {error}"])
    ways, broken = graph.reached(title), []
    found = {name: way for name in root.never if (way := _way_to(graph, name, title, ways))}
    if found:
        nearest = min(found, key=lambda name: len(found[name]))
        others = [name for name in found if name != nearest]
        broken += [f"{root.function} reaches {nearest}{', and ' if others else ''}{', '.join(others)}:",
                   *way_lines(graph, found[nearest], nearest, shown)]
    taken = locks.taken(graph, ways)
    for name in root.holds:
        if name in taken:
            broken += [f"{root.function} takes {name}, which may be held where it is called:",
                       *way_lines(graph, taken[name], TAKE, shown)]
    stack = ""
    try:
        stack_bytes, deepest = graph.deepest(title)
        stack = f", {stack_bytes:,} bytes of stack"
        if root.stack_bytes:
            stack += f" of {root.stack_bytes:,}"
        if 0 < root.stack_bytes < stack_bytes:
            broken += [f"{root.function} may take {stack_bytes:,} bytes of stack, and has {root.stack_bytes:,}:",
                       "    " + " -> ".join(map(graph.show, deepest))]
    except NoBound as error:
        if root.stack_bytes and not broken:
            broken.append(f"{root.function} has no bound on its stack: {error}")
        else:
            stack = ", no bound on the stack"
    if broken:
        return Verdict(root.function, False, broken)
    never = f"reaches no {', '.join(root.never)}" if root.never else ""
    holds = f"takes no {', '.join(root.holds)}" if root.holds else ""
    said = " and ".join(filter(None, (never, holds))) or "fits on its stack"
    return Verdict(root.function, True,
                   [f"{root.function} {said}: proved, {len(ways)} function{'s' if len(ways) != 1 else ''}{stack}"])


def check(kernel: Kernel, policy: Policy) -> Proof:
    """Judges a kernel by a policy, which leaves the kernel as it was."""
    with kernel.graph.kept():
        if troubles := kernel.pointers.apply(policy):
            return Proof(troubles, [])
        shown: set[str] = set()             # functions whose way on is known to the reader
        order = locks.order(kernel.graph, shown)
        return Proof([], [order, *(_root(kernel.graph, root, shown) for root in policy.roots)])


def what_breaks(kernel: Kernel, policy: Policy, function: str, never: Collection[str], static: bool, ends: bool
                ) -> tuple[list[str], list[str]]:
    """
    What begins at a function, by a policy's word on pointers: does it reach one of `never`, has it, if `static`,
    a frame of variable size, or does it, if `ends`, recurse? Return: what is wrong with the policy, or what
    breaks that.
    """
    graph, broken = kernel.graph, []
    with graph.kept():
        if troubles := kernel.pointers.apply(policy):
            return troubles, []
        title = graph.find(function)
        ways = graph.reached(title)
        for name in never:
            if way := _way_to(graph, name, title, ways):
                steps = ", ".join(f"{graph.show(step.title)} at {step.place}" for step in way)
                broken.append(f"{function} reaches {name}: by {steps}")
        broken += graph.variable_frames(ways) if static else []
        if ends and (cycle := graph.recursion(ways)):
            broken.append(cycle)
    return [], broken
