"""The compiler's own figures: which function calls which, from where, and how much stack each takes."""
import re
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from conftest import ROOT

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*\\n(\d+) bytes \(([\w,]+)\)')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)" label: "([^":]*):(\d+):')
POINTER = "__indirect_call"


class NoBound(Exception):
    """The stack that some calls need has no bound. The message says why."""


@cache
def _lines_of(file: str) -> list[str]:
    return (ROOT / file).read_text().splitlines()


class Call(NamedTuple):
    """A call, in the function that it stands in or was inlined into."""
    target: str                 # a title, or POINTER
    file: str
    line: int

    @property
    def source(self) -> str:
        return _lines_of(self.file)[self.line - 1].strip()


@dataclass
class Function:
    """A function by its name in the graph: a file-private one has its file before it."""
    title: str
    file: str
    stack_bytes: int
    is_bounded: bool                                    # also with what it pushes for its calls
    calls: list[Call] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.title.rpartition(":")[2]


def make(*words: str) -> str:
    return subprocess.run(["make", "-s", *words], cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE).stdout


@cache
def _compiler() -> list[str]:
    """The Makefile's compiler, to write down its figures for one file."""
    program, flags = make("print-CC", "print-CFLAGS").splitlines()
    return [*program.split(), *shlex.split(flags), "-fno-tree-loop-distribute-patterns",
            "-fcallgraph-info=su", "-S"]


@cache
def _functions_in(file: str, directory: Path) -> list[Function]:
    """What a C file of the tree defines, compiled into a directory as for the kernel."""
    unit = directory / f"{file.replace('/', '-')}.o"
    subprocess.run([*_compiler(), file, "-o", unit], cwd=ROOT, check=True)
    text = unit.with_suffix(".ci").read_text()
    found = {title: Function(title, file, int(stack_bytes), kind != "dynamic")
             for title, stack_bytes, kind in _NODE.findall(text)}
    for source, target, where, line in _EDGE.findall(text):
        found[source].calls.append(Call(target, where, int(line)))
    return list(found.values())


class Graph:
    """The functions of a stage without its tests."""

    def __init__(self, lab: int, directory: Path, pointers: dict[str, set[str]]):
        """
        What a call through a pointer may call is looked up in `pointers`: names of functions, by a
        regular expression that matches the line with the call. The first that matches counts.
        """
        self.pointers = pointers
        self.files = [name for name in make("files", f"LAB={lab}").split()
                      if name.endswith(".c") and not name.endswith("_test.c")]
        self.functions = {function.title: function for file in self.files
                          for function in _functions_in(file, directory)}

    def find(self, name: str) -> Function:
        """The one function of that name."""
        (found,) = (function for function in self.functions.values() if function.name == name)
        return found

    def called(self, function: Function) -> set[str]:
        """The titles of those that it calls, also through pointers, and that are written in C."""
        titles = {call.target for call in function.calls if call.target in self.functions}
        for call in function.calls:
            if call.target == POINTER:
                names = next((names for pattern, names in self.pointers.items()
                              if re.search(pattern, call.source)), None)
                if names is None:
                    raise NoBound(f"{function.name} calls what no rule knows: {call.source}")
                titles |= {self.find(name).title for name in names}
        return titles

    def named_nowhere(self, file: str) -> set[str]:
        """A file's own functions that no call names: a table has them, or others are handed them."""
        named = {call.target for function in self.functions.values() for call in function.calls}
        return {function.name for function in self.functions.values()
                if function.title.startswith(f"{file}:") and function.title not in named}

    def reached(self, roots: Iterable[str]) -> dict[str, list[str]]:
        """The titles of all that roots, given by title, can come to call, each with a way there."""
        ways = {root: [root] for root in roots}
        todo = list(ways)
        for title in todo:
            for target in sorted(self.called(self.functions[title])):
                if target not in ways:
                    ways[target] = [*ways[title], target]
                    todo.append(target)
        return ways

    def deepest(self, name: str) -> tuple[int, list[str]]:
        """The most stack that a call needs, and the calls that do. Raises NoBound."""
        known: dict[str, tuple[int, list[str]]] = {}

        def measure(title: str, way: list[str]) -> tuple[int, list[str]]:
            if title in way:
                raise NoBound("a cycle: " + " -> ".join([*way[way.index(title):], title]))
            if title not in known:
                function = self.functions[title]
                if not function.is_bounded:
                    raise NoBound(f"{title} takes stack as it goes")
                below = [measure(target, [*way, title]) for target in sorted(self.called(function))]
                most, calls = max(below, default=(0, []))
                known[title] = (function.stack_bytes + most, [function.name, *calls])
            return known[title]

        return measure(self.find(name).title, [])
