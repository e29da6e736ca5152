# SPDX-License-Identifier: MIT
"""Measures everything: on the host, in the kernel, and how it boots. One dictionary of numbers.

The host's part is counted by callgrind, the kernel's by QEMU's -icount: of our own code both
give the same numbers every time, on a busy machine as well. Of mimalloc and jemalloc, which
draw random numbers, and of firmware, which waits for devices, some vary a little. A boot is timed
with a clock, the best of NR_BOOTS; and so are all workloads, for ratios of what took turns.
"""
from __future__ import annotations

import asyncio
import os
import re
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.counting import (BENCH, JUNK, BenchError, Run, count, count_record, name_of, program_of,
                            run)
from machine.image import Image, Memory
from machine.machine import Machine
from machine.prompt import ends_in_prompt
from machine.qemu import Config, base_command, qemu_guard, virtual_time

HEAPS = ("ouroboros", "glibc", "mimalloc", "jemalloc", "tcmalloc",
         "first-fit", "address-ordered", "knr", "buddy")
HEAP_WORKLOADS = ("a", "b", "c")
LISTS = ("first-fit", "address-ordered", "knr")
FRAMES = ("ouroboros", "free-list", "bitmap")
FRAME_WORKLOADS = ("fresh", "full", "runs", "refused", "drain")
SINGLES_ONLY = ("free-list",)       # designs that know no runs
RECORDS = ("log", "format", "snprintf")

# What the bounds compare with; a list that is in pieces takes callgrind minutes.
COMPARED = {"a": ("mimalloc",), "b": ("mimalloc",), "c": LISTS}
NR_TIMINGS = 5
SLOW = 1000                         # nanoseconds an operation: a list in pieces, timed once

BENCH_LAB, LATER_LAB = 4, 6         # as in instructor.mk
STORE = ("append", "read", "rename", "remove_and_create")
KERNEL_MEMORY = "256M"
NR_BOOTS = 7
BOOT_LIMIT = 60                     # seconds
FIRST_LINE = b"Ouroboros"

Numbers = dict[str, Any]


def net(counted: Run, empty: Run) -> Numbers:
    """Per operation, without what the workload itself costs."""
    costs = [cost - nothing for cost, nothing in zip(counted.costs, empty.costs, strict=True)]
    return {"operations": len(costs), "mean": round(statistics.fmean(costs), 1),
            "worst": max(costs)}


def _in_parallel(jobs: Iterable[tuple[str, ...]], work: Callable[..., Any]) -> list[Any]:
    jobs = list(jobs)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(zip(jobs, pool.map(lambda job: work(*job), jobs)))


def _table(kind: str, subjects: Iterable[str], workloads: Iterable[str],
           left_out: Callable[[str, str], bool]) -> Numbers:
    """Every subject with every workload: {workload: {subject: numbers}}."""
    jobs = [(kind, subject, workload) for workload in workloads
            for subject in ("empty", *subjects) if not left_out(subject, workload)]
    runs = {(subject, workload): counted for (_, subject, workload), counted
            in _in_parallel(jobs, count)}
    return {workload: {subject: net(runs[subject, workload], runs["empty", workload])
                       for subject in subjects if (subject, workload) in runs}
            for workload in workloads}


def heap(briefly: bool) -> Numbers:
    return _table("heap", HEAPS, HEAP_WORKLOADS, lambda subject, workload: briefly and subject not in
                  ("empty", "ouroboros", *COMPARED[workload]))


def frames(briefly: bool) -> Numbers:
    return _table("frames", FRAMES[:1] if briefly else FRAMES, FRAME_WORKLOADS,
                  lambda subject, workload: subject in SINGLES_ONLY and workload == "runs")


def _footprint(subject: str, workload: str) -> Numbers:
    printed = Run(run([BENCH, "footprint", name_of(subject), workload], subject), [])
    return {"ratio": printed.number("bytes") / printed.number("live")}


def footprint(briefly: bool) -> Numbers:
    """Resident memory at its peak over live bytes at theirs. Also checks every object's contents."""
    subjects = HEAPS[:1] if briefly else HEAPS
    jobs = [(subject, workload) for workload in HEAP_WORKLOADS for subject in subjects]
    found = dict(_in_parallel(jobs, _footprint))
    return {workload: {subject: found[subject, workload] for subject in subjects}
            for workload in HEAP_WORKLOADS}


def junk() -> Numbers:
    """The heap again, when it fills freed objects with junk."""
    return _table("heap", (JUNK,), HEAP_WORKLOADS, lambda subject, workload: False)


def _times(kind: str, subjects: Iterable[str], workload: str) -> dict[str, float]:
    """
    Nanoseconds an operation. The subjects take turns, so that what slows down the machine slows
    down all of them; of each the best counts.
    """
    best: dict[str, float] = {}
    for _ in range(NR_TIMINGS):
        for subject in subjects:
            if best.get(subject, 0) > SLOW:
                continue
            printed = run([program_of(subject), f"time-{kind}", name_of(subject), workload], subject)
            found = Run(printed, []).number("picoseconds") / 1000
            best[subject] = min(best.get(subject, found), found)
    return best


def times(briefly: bool) -> Numbers:
    """By the clock: {kind: {workload: {subject: nanoseconds}}}. "empty" is the workload alone."""
    if briefly:
        return {"heap": {workload: _times("heap", ("ouroboros", "mimalloc"), workload)
                         for workload in ("a", "b")}}
    return {"heap": {workload: _times("heap", ("empty", JUNK, *HEAPS), workload)
                     for workload in HEAP_WORKLOADS},
            "frames": {workload: _times("frames", ("empty", *(
                subject for subject in FRAMES if workload != "runs" or subject not in SINGLES_ONLY)),
                workload) for workload in FRAME_WORKLOADS}}


def metadata() -> Numbers:
    """What the frame allocator's tables take of the RAM that they describe."""
    printed = Run(run([BENCH, "frames", "ouroboros", "refused"]), [])
    return {"percent": 100 * printed.number("bytes of tables") / printed.number("of RAM")}


def record() -> Numbers:
    found: Numbers = {}
    for way in RECORDS:
        counted = count_record(way)
        timed = Run(run([BENCH, "time", way]), [])
        found[way] = {"nanoseconds": timed.number("nanoseconds"),
                      "times_snprintf": timed.number("nanoseconds") / timed.number("by snprintf"),
                      "instructions": counted.costs[0], "bytes": counted.number("bytes"),
                      "port_writes": counted.number("port writes"),
                      "port_reads": counted.number("port reads"),
                      "heap_calls": counted.number("heap calls"),
                      "text": counted.printed.split(": ", 1)[1].strip()}
    return found


# ---- in the kernel

def make(*arguments: str) -> str:
    return run(["make", "--silent", "--no-print-directory", *arguments])


def _kernel(lab: int) -> str:
    """The kernel of that stage which has the benchmark in it."""
    return f"build/stage-{lab}-bench/kernel.elf"


def _image(iso: Path, elf: str, command_line: str, lab: int = BENCH_LAB) -> Path:
    """Writes a boot image with that kernel."""
    make(f"LAB={lab}", f"ELF={elf}", f"ISO={iso}", f"CMDLINE={command_line}", "iso")
    return iso


def _in_machine(iso: Path, elf: str) -> tuple[str, int]:
    """
    The console of a machine that runs a test and resets itself after it, and how many
    instructions it had carried out when the kernel set its clock.
    """
    async def go() -> tuple[str, int]:
        async with Machine(Config(iso, mem=KERNEL_MEMORY)) as machine:
            await machine.wait()
            memory = await Memory.of(machine, Image(Path(elf)))
            return machine.console, (memory.number("begun_at", "clock.c")
                                     >> memory.number("instruction_shift", "clock.c"))
    return asyncio.run(go())


def in_kernel(directory: Path, test: str, options: str, lab: int = BENCH_LAB) -> Numbers:
    """What a test of bench/kernel or bench/later counts, in a boot of its own."""
    iso = _image(directory / f"{lab}{test}{len(options)}.iso", _kernel(lab),
                 f"log=info ktest=bench.{test} {options}", lab)
    console, clock_at = _in_machine(iso, _kernel(lab))
    match = re.search(r"# bench: (\d+) operations, (\d+) instructions, (\d+) at most", console)
    if not match or f"\nok 1 bench.{test}\n" not in console:
        raise BenchError(f"bench.{test} in the kernel: no numbers:\n{console[-1000:]}")
    nr_operations, total, worst = map(int, match.groups())
    return {"operations": nr_operations, "mean": round(total / nr_operations, 1), "worst": worst,
            "clock_at": clock_at}


def kernel() -> Numbers:
    """The same workloads under -icount, with locks, UBSan and stack protector."""
    tests = [*(f"heap_{name}" for name in HEAP_WORKLOADS),
             *(f"frames_{name}" for name in FRAME_WORKLOADS), "record"]
    with tempfile.TemporaryDirectory(prefix="ouroboros-bench-") as name:
        directory = Path(name)
        jobs = [(test, "initramfs=off") for test in tests]
        found = {test: numbers for (test, _), numbers in _in_parallel(
            jobs, lambda test, options: in_kernel(directory, test, options))}
    return found


def later() -> Numbers:
    """What labs 5 and 6 add: a record of lab 5's logger, and what lab 6's store does."""
    with tempfile.TemporaryDirectory(prefix="ouroboros-bench-") as name:
        tests = ("record", *(f"store_{operation}" for operation in STORE))
        return {test: numbers for (test,), numbers in _in_parallel(
            ((test,) for test in tests),
            lambda test: in_kernel(Path(name), test, "initramfs=off", LATER_LAB))}


# ---- booting

def boot() -> Numbers:
    """The kernel's own instructions from where it sets its clock on, and all before that."""
    with tempfile.TemporaryDirectory(prefix="ouroboros-bench-") as name:
        whole, packed = (in_kernel(Path(name), "boot", options) for options in ("", "initramfs=off"))
        return {"instructions": whole["mean"] - whole["clock_at"],
                "instructions_packed": packed["mean"] - packed["clock_at"],
                "clock_at": packed["clock_at"]}


def _boot_once(iso: Path) -> tuple[float, float]:
    """Seconds from QEMU's start to the kernel's first line, and to the monitor's prompt."""
    command = [*base_command(Config(iso), panic="none"), *virtual_time(), "-serial", "stdio"]
    begin = time.monotonic()
    first = 0.0
    console = b""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, preexec_fn=qemu_guard()) as process:
        try:
            while not ends_in_prompt(console):
                left = begin + BOOT_LIMIT - time.monotonic()
                ready, _, _ = select.select([process.stdout], [], [], max(left, 0))
                piece = os.read(process.stdout.fileno(), 65536) if ready else b""
                console += piece
                if not piece:
                    raise BenchError(f"stage {BENCH_LAB} does not boot: "
                                     f"{console[-500:].decode(errors='replace')}")
                if not first and FIRST_LINE in console:
                    first = time.monotonic() - begin
            return first, time.monotonic() - begin
        finally:
            process.kill()


def boot_times() -> Numbers:
    """What a boot takes in seconds, the best of several, and how large the images are."""
    with tempfile.TemporaryDirectory(prefix="ouroboros-bench-") as name:
        elf = f"build/stage-{BENCH_LAB}/kernel.elf"
        whole = _image(Path(name, "whole.iso"), elf, "log=info")
        bare = _image(Path(name, "bare.iso"), elf, "log=info initramfs=off")
        boots = [_boot_once(whole) for _ in range(NR_BOOTS)]
        without = [_boot_once(bare) for _ in range(NR_BOOTS)]
        stripped = Path(name, "kernel")
        run(["objcopy", "--strip-debug", elf, str(stripped)])
        return {"first_line": round(min(first for first, _ in boots), 2),
                "prompt": round(min(prompt for _, prompt in boots), 2),
                "prompt_without_initramfs": round(min(prompt for _, prompt in without), 2),
                "kernel_bytes": stripped.stat().st_size,
                "initramfs_bytes": Path("build/initramfs.cpio").stat().st_size,
                "iso_bytes": whole.stat().st_size}


def everything(say: Callable[[str], None], briefly: bool = False) -> Numbers:
    """
    All of it, in a minute or two; `briefly`, what the bounds are about, in some seconds. Raises
    BenchError or MachineError.
    """
    parts: dict[str, Callable[[], Numbers]] = {
        "footprint": lambda: footprint(briefly), "heap": lambda: heap(briefly),
        "frames": lambda: frames(briefly), "junk": junk, "metadata": metadata, "record": record,
        "time": lambda: times(briefly), "boot": boot, "later": later}
    if not briefly:
        parts |= {"kernel": kernel, "boot_times": boot_times}
    found: Numbers = {}
    for name, measure in parts.items():
        say(name)
        found[name] = measure()
    return found
