"""The compiler's own figures: which function calls which, and how much stack each takes."""
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from conftest import ROOT

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*\\n(\d+) bytes \(([\w,]+)\)')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)" label: "([^"]*)"')


class NoBound(Exception):
    """The stack that some calls need has no bound. The message says why."""


@dataclass
class Function:
    """A function by its name in the graph: a file-private one has its file before it."""
    title: str
    stack_bytes: int
    is_bounded: bool                                    # also with what it pushes for its calls
    calls: set[str] = field(default_factory=set)        # titles
    lines: set[str] = field(default_factory=set)        # of the source that call through a pointer

    @property
    def name(self) -> str:
        return self.title.rpartition(":")[2]


def make(*words: str) -> str:
    return subprocess.run(["make", "-s", *words], cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE).stdout


class Graph:
    """The functions of a stage without its tests, compiled as for the kernel."""

    def __init__(self, lab: int, directory: Path, pointers: dict[str, set[str]]):
        """
        What a call through a pointer may call is looked up in `pointers`: names of functions, by a
        regular expression that matches the line with the call. The first that matches counts.
        """
        self.functions: dict[str, Function] = {}
        self.pointers = pointers
        self.files = [name for name in make("files", f"LAB={lab}").split()
                      if not name.endswith("_test.c")]
        command = [*make("print-CC").split(), *shlex.split(make("print-CFLAGS")),
                   "-fno-tree-loop-distribute-patterns", "-fcallgraph-info=su"]
        for name in self.files:
            unit = directory / f"{Path(name).stem}.o"
            subprocess.run([*command, "-c", name, "-o", unit], cwd=ROOT, check=True)
            self._read(unit.with_suffix(".ci").read_text())

    def _read(self, text: str) -> None:
        for title, stack_bytes, kind in _NODE.findall(text):
            self.functions[title] = Function(title, int(stack_bytes), kind != "dynamic")
        for source, target, place in _EDGE.findall(text):
            if target == "__indirect_call":
                file, line, _ = place.rsplit(":", 2)
                self.functions[source].lines.add((ROOT / file).read_text().splitlines()[int(line) - 1])
            else:
                self.functions[source].calls.add(target)

    def find(self, name: str) -> Function:
        """The one function of that name."""
        (found,) = (function for function in self.functions.values() if function.name == name)
        return found

    def called(self, function: Function) -> set[str]:
        """The titles of those that it calls, also through pointers, and that are written in C."""
        titles = {title for title in function.calls if title in self.functions}
        for line in function.lines:
            names = next((names for pattern, names in self.pointers.items()
                          if re.search(pattern, line)), None)
            if names is None:
                raise NoBound(f"{function.name} calls what no rule knows: {line.strip()}")
            titles |= {self.find(name).title for name in names}
        return titles

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
