# SPDX-License-Identifier: MIT
"""make bench and make bench-check: how fast the reference code is, and that it stays so.

usage: benchmark.py [--check] PAGE PLOT

Measures everything and writes the page and its plot; with --check only measures what there is a
bound for. The bounds were set with the compiler and the libraries that the page names: with others,
one that is not kept is no failure.
Exit status: 1 a bound is not kept, 2 something could not be measured.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import page, plot
from bench.bounds import BOUNDS
from bench.counting import BenchError
from bench.measuring import Numbers, everything
from machine.host import MachineError
from machine.start import prepare


def show(console: Console, numbers: Numbers) -> list[str]:
    """Prints each bound and what was measured. Return: those that are not kept."""
    table = Table("what", "measured", "bound", "aim", "", box=None, pad_edge=False)
    for bound in BOUNDS:
        state = "[green]kept" if bound.is_aimed_at(numbers) else "[yellow]short of the aim"
        if not bound.is_kept(numbers):
            state = "[red]NOT KEPT"
        table.add_row(bound.what, f"{page.amount(bound.measure(numbers))} {bound.unit}",
                      page.amount(bound.bound),
                      "" if bound.aim is None else page.amount(bound.aim), state)
    console.print(table)
    return [f"{bound.what}: {page.amount(bound.measure(numbers))} {bound.unit}, bound "
            f"{page.amount(bound.bound)}" for bound in BOUNDS if not bound.is_kept(numbers)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the reference code.")
    parser.add_argument("--check", action="store_true", help="only see whether the bounds are kept")
    parser.add_argument("page", type=Path)
    parser.add_argument("plot", type=Path)
    arguments = parser.parse_args()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    try:
        with console.status("") as status:
            numbers = everything(lambda what: status.update(f"measuring: {what}"),
                                 briefly=arguments.check)
    except (BenchError, MachineError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    broken = show(console, numbers)
    for bound in broken:
        print(f"bench: not kept: {bound}", file=sys.stderr)
    if (here := page.measured_with()) not in arguments.page.read_text():
        console.print(f"These are from {here}; the bounds were set with what {arguments.page} names, "
                      "so one that is not kept is no failure here.")
        broken = []
    if not arguments.check:
        arguments.page.write_text(page.markdown(numbers))
        arguments.plot.write_text(plot.svg(numbers))
        console.print(f"written: {arguments.page}, {arguments.plot}")
    return 1 if broken else 0


if __name__ == "__main__":
    prepare()
    sys.exit(main())
