# SPDX-License-Identifier: MIT
"""Chooses in-kernel tests, and reads KTAP, the format of their results, from a console that
may hold anything else too.

Source of the format: Linux, Documentation/dev-tools/ktap.rst. We use version 1 without
nesting. A result counts only as a whole line; what was printed between the result before
it and its own is kept as its output.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

MAX_GLOB_BYTES = 255        # of options.ktest without its NUL, kernel/options.h


class Status(Enum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    TODO = "todo"


@dataclass
class Result:
    status: Status
    reason: str = ""                                    # what follows SKIP or TODO
    output: list[str] = field(default_factory=list)     # lines printed before the result


@dataclass
class Report:
    """What a console says of its tests."""
    started: bool = False                               # "KTAP version 1" was seen
    planned: int | None = None                          # N of "1..N"
    results: dict[str, Result] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)       # lines after the last result


_RESULT = re.compile(r"(?P<status>ok|not ok) \d+ (?:- )?(?P<name>[\w.]+)"
                     r"(?: *# *(?P<directive>SKIP|TODO)\b *(?P<reason>.*))?\s*")
_PLAN = re.compile(r"1\.\.(\d+)\s*")


def _result(match: re.Match[str], output: list[str]) -> Result:
    status = Status.PASSED if match["status"] == "ok" else Status.FAILED
    if match["directive"]:
        status = Status.SKIPPED if match["directive"] == "SKIP" else Status.TODO
    return Result(status, (match["reason"] or "").strip(), output)


def parse(console: str) -> Report:
    """Reads a whole console. Of two results of one test the first that is not a pass counts."""
    report = Report()
    *lines, unfinished = console.replace("\r", "").split("\n")
    for line in lines:
        if not report.started:
            report.started = line == "KTAP version 1"
        elif report.planned is None and (match := _PLAN.fullmatch(line)):
            report.planned = int(match[1])
        elif match := _RESULT.fullmatch(line):
            result = _result(match, report.rest)
            earlier = report.results.get(match["name"])
            if earlier is None or earlier.status is Status.PASSED:
                report.results[match["name"]] = result
            report.rest = []
        else:
            report.rest.append(line)
    if unfinished:
        report.rest.append(unfinished)
    return report


def _glob(name: str, unwanted: set[str]) -> str:
    """The shortest pattern of the form abc* that matches `name` and nothing unwanted."""
    for end in range(1, len(name)):
        prefix = name[:end].replace(".", "_")
        if not any(other.startswith(prefix) for other in unwanted):
            return name[:end] + "*"
    return name


def choose(names: list[str], kernel_tests: set[str]) -> tuple[list[str], str]:
    """
    As many of these tests as ktest= has room for, at least one, and the patterns that choose
    just them. `kernel_tests` are all there are, each with '_' for its '.'.
    """
    unwanted = kernel_tests - {name.replace(".", "_") for name in names}
    globs: list[str] = []
    for index, name in enumerate(names):
        glob = _glob(name, unwanted)
        if glob in globs:
            continue
        if globs and len(",".join([*globs, glob])) > MAX_GLOB_BYTES:
            return choose(names[:index], kernel_tests)
        globs.append(glob)
    return names, ",".join(globs)
