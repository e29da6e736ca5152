# SPDX-License-Identifier: MIT
"""Chooses in-kernel tests, and reads KTAP, the format in which they report, from a console that
may hold anything else too.

It finds only printed words: they explain a result to people, but never make one. Results
are in the machine's memory (observe.py).

Source of the format: Linux, Documentation/dev-tools/ktap.rst. We use version 1 without
nesting. A result is a whole line; what was printed between the result before it and its
own is kept as its output.
"""
from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum

MAX_GLOB_BYTES = 255        # of options.ktest without its NUL, kernel/options.h


class Status(Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    TODO = "todo"


@dataclass(frozen=True)
class Result:
    """What a console says of one test."""
    name: str
    status: Status
    reason: str = ""                                    # what follows SKIP or TODO
    output: list[str] = field(default_factory=list)     # lines printed before the result

    @property
    def notes(self) -> list[str]:
        """The diagnostics among its output, without their mark."""
        return [line.removeprefix("# ") for line in self.output
                if line.startswith("# ") and not line.startswith("# seed ")]


_RESULT = re.compile(r"(?P<status>ok|not ok) \d+ (?:- )?(?P<name>[\w.]+)"
                     r"(?: *# *(?P<directive>SKIP|TODO)\b *(?P<reason>.*))?\s*")
_PLAN = re.compile(r"1\.\.\d+\s*")


def _result(match: re.Match[str], output: list[str]) -> Result:
    status = Status.PASSED if match["status"] == "ok" else Status.FAILED
    if match["directive"]:
        status = Status.SKIPPED if match["directive"] == "SKIP" else Status.TODO
    return Result(match["name"], status, (match["reason"] or "").strip(), output)


def parse(console: str) -> list[Result]:
    """All results on a console, from the line "KTAP version 1" on."""
    *lines, _ = console.replace("\r", "").split("\n")       # the last has no end
    if "KTAP version 1" not in lines:
        return []
    results: list[Result] = []
    output: list[str] = []
    for line in lines[lines.index("KTAP version 1") + 1:]:
        if match := _RESULT.fullmatch(line):
            results.append(_result(match, output))
            output = []
        elif not _PLAN.fullmatch(line):
            output.append(line)
    return results


def find(results: list[Result], name: str, status: Status) -> Result:
    """
    What was printed about a test of which we know that it ended so. Of several results, the
    last: the kernel prints its own after all that the test printed. Perhaps there is none.
    """
    return next((result for result in reversed(results)
                 if (result.name, result.status) == (name, status)), Result(name, status))


def _glob(name: str, unwanted: set[str]) -> str:
    """The shortest pattern of the form abc* that matches `name` and nothing unwanted."""
    for end in range(1, len(name)):
        prefix = name[:end].replace(".", "_")
        if not any(other.startswith(prefix) for other in unwanted):
            return name[:end] + "*"
    return name


def choose(names: list[str], kernel_tests: Collection[str]) -> tuple[list[str], str]:
    """
    As many of these tests as ktest= has room for, at least one, and the patterns that choose
    just them. `kernel_tests` are all there are, each with '_' for its '.'.
    """
    unwanted = set(kernel_tests) - {name.replace(".", "_") for name in names}
    globs: list[str] = []
    for index, name in enumerate(names):
        glob = _glob(name, unwanted)
        if glob in globs:
            continue
        if globs and len(",".join([*globs, glob])) > MAX_GLOB_BYTES:
            return choose(names[:index], kernel_tests)
        globs.append(glob)
    return names, ",".join(globs)
