# SPDX-License-Identifier: MIT
"""Writes docs/performance.md: page.md.in, with the tables made of what was measured."""
from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Iterable
from pathlib import Path

from bench.bounds import BOUNDS, Bound
from bench.counting import JUNK, library
from bench.measuring import (FRAME_WORKLOADS, FRAMES, HEAP_WORKLOADS, HEAPS, NR_BOOTS, STORE, Numbers)

COLUMNS = 100                   # of a line of text
TEMPLATE = Path(__file__).with_name("page.md.in")

NAMES = {"ouroboros": "Ouroboros", "first-fit": "first-fit list", "knr": "K&R list",
         "address-ordered": "address-ordered list", "buddy": "buddy heap", "free-list": "free list",
         JUNK: "the same, with junk", "empty": "the workload alone"}
UNITS = {"instructions": "", "times": ", ×", "times as long": ", ×", "times what is live": ", × live bytes",
         "% of RAM": ", % of RAM", "calls": "", "s": ", s"}
RECORD_NAMES = {"log": "lab 4's logger: format, port and ring",
                "format": "the kernel's formatter alone, for all of it",
                "snprintf": "glibc's `snprintf`"}


def amount(value: float) -> str:
    """A number with as many digits as it is good for."""
    if value >= 100 or value == int(value):
        return f"{round(value):,}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def millions(value: float) -> str:
    """For what varies from boot to boot, as the firmware waits for devices."""
    return f"{value / 1e6:.0f} million"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; all columns but the first hold numbers."""
    heads = list(heads)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(found: Numbers | None) -> str:
    """The mean and the worst."""
    return f"{amount(found['mean'])} / {amount(found['worst'])}" if found else "—"


def _named(subject: str) -> str:
    return f"**{NAMES[subject]}**" if subject == "ouroboros" else NAMES.get(subject, subject)


def _heap(numbers: Numbers) -> str:
    def costs(subject: str) -> list[str]:
        kind = "junk" if subject == JUNK else "heap"
        return [cell(numbers[kind][name].get(subject)) for name in HEAP_WORKLOADS]
    return table(["mean / worst", *HEAP_WORKLOADS], (
        [_named(subject), *costs(subject)] for subject in (HEAPS[0], JUNK, *HEAPS[1:])))


def _times(found: Numbers, subjects: Iterable[str], workloads: Iterable[str]) -> str:
    """Nanoseconds, and how many times ours: both of the same run."""
    def time(workload: str, subject: str) -> str:
        if subject not in found[workload]:
            return "—"
        taken = found[workload][subject]
        return f"{amount(taken)} ({amount(taken / found[workload]['ouroboros'])})"
    return table(["ns (× ours)", *workloads], (
        [_named(subject), *(time(name, subject) for name in workloads)] for subject in subjects))


def _frames(numbers: Numbers) -> str:
    return table(["mean / worst", *map(_named, FRAMES)], (
        [name, *(cell(numbers["frames"][name].get(subject)) for subject in FRAMES)]
        for name in FRAME_WORKLOADS))


def _footprints(numbers: Numbers) -> str:
    return table(["", *HEAP_WORKLOADS], (
        [_named(subject), *(f"{numbers['footprint'][name][subject]['ratio']:.2f}"
                            for name in HEAP_WORKLOADS)] for subject in HEAPS))


def _bounds(numbers: Numbers) -> str:
    def limit(bound: Bound) -> str:
        aim = "" if bound.aim is None else f" (aim {amount(bound.aim)})"
        return f"{amount(bound.bound)}{aim}{'' if bound.is_kept(numbers) else ' **not kept**'}"
    return table(["what", "measured", "bound"], (
        [f"{bound.what}{UNITS[bound.unit]}", amount(bound.measure(numbers)), limit(bound)]
        for bound in BOUNDS))


def _kernel(numbers: Numbers) -> str:
    workloads = [*(("heap", name) for name in HEAP_WORKLOADS),
                 *(("frames", name) for name in FRAME_WORKLOADS)]
    return table(["mean / worst", "host", "kernel"], (
        [f"{kind}, {name}", cell(numbers[kind][name]["ouroboros"]),
         cell(numbers["kernel"][f"{kind}_{name}"])] for kind, name in workloads))


def _store(numbers: Numbers) -> str:
    return table(["mean / worst", "instructions"], (
        [f"`store_{operation}`" if "and" not in operation else "`store_remove`, then `store_create`",
         cell(numbers["later"][f"store_{operation}"])] for operation in STORE))


def _record(numbers: Numbers) -> str:
    return table(["", "instructions", "bytes", "port writes", "port reads", "heap calls", "ns"], (
        [RECORD_NAMES[way], *(amount(found[key]) for key in (
            "instructions", "bytes", "port_writes", "port_reads", "heap_calls", "nanoseconds"))]
        for way, found in numbers["record"].items()))


def _boot(numbers: Numbers) -> str:
    boot, counted = numbers["boot_times"], numbers["boot"]
    rows = [["from QEMU's start to the kernel's first line", f"{boot['first_line']:.2f} s"],
            ["to the monitor, with the initramfs left packed",
             f"{boot['prompt_without_initramfs']:.2f} s"],
            ["to the monitor", f"{boot['prompt']:.2f} s"],
            ["instructions of the firmware, GRUB, and the kernel until it sets its clock",
             millions(counted["clock_at"])],
            ["from there to the end of the kernel's start, with the initramfs left packed",
             f"{round(counted['instructions_packed'], -3):,.0f}"],
            ["to unpack the initramfs", millions(counted["instructions"] - counted["instructions_packed"])],
            ["the kernel, without debugging information", f"{amount(boot['kernel_bytes'])} bytes"],
            ["the initramfs", f"{amount(boot['initramfs_bytes'])} bytes"],
            ["the boot image with GRUB", f"{amount(boot['iso_bytes'])} bytes"]]
    return table(["", ""], rows)


def measured_with() -> str:
    """
    What other numbers would come of: the compiler of the host's files, and the allocator that bounds
    compare with. Raises BenchError.
    """
    version = subprocess.run([os.environ.get("HOST_CC", "gcc"), "--version"], capture_output=True,
                             text=True, check=True)
    return f"{version.stdout.splitlines()[0]}, beside {library('mimalloc').resolve().name}"


def _short(numbers: Numbers) -> str:
    found = [textwrap.fill(f"- **{bound.what}**: {amount(bound.measure(numbers))}, aim {amount(bound.aim)}. {bound.why}",
                           COLUMNS, subsequent_indent="  ", break_on_hyphens=False) for bound in BOUNDS if bound.aim is not None and not bound.is_aimed_at(numbers)]
    return "\n".join(found) or "Nothing."


def markdown(numbers: Numbers) -> str:
    """The page."""
    values = {
        "measured_with": measured_with(), "bounds": _bounds(numbers), "footprint": _footprints(numbers),
        "plot": "![Instructions an operation, for nine heaps and three workloads]"
                "(diagrams/performance.svg)",
        "heap": _heap(numbers),
        "heap_times": _times(numbers["time"]["heap"], (HEAPS[0], JUNK, *HEAPS[1:], "empty"),
                             HEAP_WORKLOADS),
        "frames_times": _times(numbers["time"]["frames"], (*FRAMES, "empty"), FRAME_WORKLOADS),
        "frames": _frames(numbers),
        "metadata": amount(numbers["metadata"]["percent"]),
        "kernel": _kernel(numbers), "record": _record(numbers),
        "kernel_record": amount(numbers["kernel"]["record"]["mean"]),
        "later_record": amount(numbers["later"]["record"]["mean"]), "store": _store(numbers),
        "text": f"```text\n{numbers['record']['log']['text']}\n```",
        "boots": str(NR_BOOTS), "boot": _boot(numbers), "short": _short(numbers),
    }
    return re.sub(r"@([a-z_]+)@", lambda match: values[match[1]], TEMPLATE.read_text())
