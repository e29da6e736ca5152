# SPDX-License-Identifier: MIT
"""Counts instructions with valgrind's callgrind: what each single operation of a workload costs.

Relies on host/main.c, which calls operations from many places one after the other and has
callgrind write out its counts after each round: the cost of a call is that of its place.
"""
from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BENCH = "build/bench/bench"         # from the tree's root

JUNK = "ouroboros-junk"             # our heap when it fills freed objects with junk

# What stands in for the process's malloc, by the Debian package that has it.
PRELOADED = {"mimalloc": ("libmimalloc.so", "libmimalloc-dev"),
             "jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
             "tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4")}
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib")

CALLGRIND = ["valgrind", "--tool=callgrind", "--quiet", "--collect-atstart=no",
             "--dump-instr=yes", "--compress-strings=no", "--compress-pos=no",
             "--combine-dumps=yes"]
TIME_LIMIT = 300                    # seconds for one run; the slowest takes ten


class BenchError(Exception):
    """Something cannot be measured. The message says what, and what to do."""


@dataclass(frozen=True)
class Run:
    """What a run of the benchmark's program printed, and the costs of its operations in order."""
    printed: str
    costs: list[int]

    def number(self, what: str) -> int:
        """The number that stands before a word in what was printed."""
        match = re.search(rf"(\d+) {what}", self.printed)
        if not match:
            raise BenchError(f"{BENCH}: expected a number of {what}, got: {self.printed.strip()}")
        return int(match[1])


def environment(subject: str) -> dict[str, str]:
    """For a run with this allocator: its library goes before the C library. Raises BenchError."""
    plain = {name: value for name, value in os.environ.items()
             if name not in ("LD_PRELOAD", "VALGRIND_OPTS")}
    return plain | {"LD_PRELOAD": str(library(subject))} if subject in PRELOADED else plain


def library(subject: str) -> Path:
    """The file of an allocator's library. Raises BenchError."""
    name, package = PRELOADED[subject]
    for directory in LIBRARIES:
        if (path := Path(directory, name)).exists():
            return path
    raise BenchError(f"{name} is not installed (Debian: {package}). Try: make setup")


def program_of(subject: str) -> str:
    """The program that has an allocator."""
    return f"{BENCH}-junk" if subject == JUNK else BENCH


def name_of(subject: str) -> str:
    """What the program calls an allocator: whatever serves malloc() is "malloc" to it."""
    if subject == JUNK:
        return "ouroboros"
    return "malloc" if subject == "glibc" or subject in PRELOADED else subject


def run(command: list[str], subject: str = "") -> str:
    """Runs a command in the tree's root. Return: what it printed. Raises BenchError."""
    try:
        done = subprocess.run(command, env=environment(subject), capture_output=True, text=True,
                              timeout=TIME_LIMIT, check=False)
    except FileNotFoundError:
        raise BenchError(f"{command[0]} is not installed. Try: make setup") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"{' '.join(command)}: did not end within {TIME_LIMIT} s") from None
    if done.returncode != 0:
        what = " ".join(command[command.index(BENCH) + 1:] if BENCH in command else command)
        why = re.findall(r"^bench: (.*)", done.stderr, re.M)
        raise BenchError(f"{what}: {why[-1] if why else done.stderr.strip() or done.returncode}")
    return done.stdout


def costs_in(lines: Iterator[str], caller: str) -> Iterator[int]:
    """
    The inclusive costs of the calls that a function makes, in the order of their places, dump
    after dump. The format: Valgrind manual, "Callgrind Format Specification".
    """
    function, is_call = "", False
    places: dict[int, int] = {}
    for line in lines:
        if line.startswith("fn="):
            function = line[3:].strip()
        elif line.startswith("part:"):
            yield from (places[place] for place in sorted(places))
            places = {}
        elif line.startswith("calls="):
            is_call = function.startswith(caller)
        elif is_call:
            place, _, cost = line.split()
            places[int(place, 16)] = int(cost)
            is_call = False
    yield from (places[place] for place in sorted(places))


def count(kind: str, subject: str, workload: str) -> Run:
    """What each operation of a workload costs with an allocator, the way to it included."""
    with tempfile.TemporaryDirectory(prefix="ouroboros-bench-") as directory:
        out = Path(directory, "callgrind.out")
        printed = run([*CALLGRIND, f"--callgrind-out-file={out}", program_of(subject), kind,
                       name_of(subject), workload], subject)
        with out.open() as lines:
            costs = list(costs_in(lines, "round_of_"))
    result = Run(printed, costs)
    nr_operations = result.number("operations")
    if len(costs) < nr_operations:
        raise BenchError(f"callgrind saw {len(costs)} of {nr_operations} operations of {kind} "
                         f"{subject} {workload}")
    return Run(printed, costs[:nr_operations])


def count_record(way: str) -> Run:
    """What it costs to write a record in one of the ways of record.h."""
    with tempfile.TemporaryDirectory(prefix="ouroboros-bench-") as directory:
        out = Path(directory, "callgrind.out")
        printed = run([*CALLGRIND, f"--callgrind-out-file={out}", BENCH, "record", way])
        match = re.search(r"^summary: (\d+)", out.read_text(), re.M)
    if not match:
        raise BenchError(f"callgrind counted nothing for record {way}")
    return Run(printed, [int(match[1])])
