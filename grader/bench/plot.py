# SPDX-License-Identifier: MIT
"""Draws docs/diagrams/performance.svg: bars of instructions an operation, for every heap.

The axis is logarithmic, as a list in pieces costs a hundred times what a slab does. Styles
are those of the other diagrams, so that it takes the reader's colours.
"""
from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator

from bench.measuring import HEAP_WORKLOADS, HEAPS, Numbers
from bench.page import NAMES
from machine.host import ROOT

STYLED = ROOT / "docs/diagrams/slab.svg"    # any of them

WIDTH, LEFT, RIGHT = 440, 136, 396          # of the drawing; where the axis begins and ends
TOP, BAR, GAP = 74, 15, 12                  # heights
FIRST, LAST = 5, 20000                      # instructions, at the ends of the axis
TICKS = (10, 100, 1000, 10000)
WORKLOADS = {"a": ("blue", "directory"), "b": ("green", "mixture"), "c": ("amber", "stack")}


def name_of(subject: str) -> str:
    """As the tables have it, but short."""
    return NAMES.get(subject, subject).removesuffix(" list").removesuffix(" heap")


def _x(instructions: float) -> float:
    share = math.log(max(instructions, FIRST) / FIRST) / math.log(LAST / FIRST)
    return LEFT + share * (RIGHT - LEFT)


def _legend() -> Iterator[str]:
    for index, (name, (style, what)) in enumerate(WORKLOADS.items()):
        x = 12 + 138 * index
        yield f'<rect class="{style}" x="{x}" y="32" width="14" height="14"/>'
        yield f'<text x="{x + 20}" y="44">{name}, {what}</text>'


def _axis(bottom: float) -> Iterator[str]:
    yield f'<text class="small" x="12" y="{bottom + 18}">logarithmic</text>'
    for tick in TICKS:
        yield f'<path class="none" opacity=".3" d="M{_x(tick):.1f} {TOP - 8} V{bottom}"/>'
        yield f'<text class="small middle" x="{_x(tick):.1f}" y="{bottom + 18}">{tick:,}</text>'


def _bars(numbers: Numbers) -> Iterator[str]:
    y = TOP
    for subject in HEAPS:
        style = ' class="head"' if subject == "ouroboros" else ""
        middle = y + BAR * len(WORKLOADS) / 2 + 5
        yield f'<text{style} x="12" y="{middle:.1f}">{html.escape(name_of(subject))}</text>'
        for name in HEAP_WORKLOADS:
            found = numbers["heap"][name].get(subject)
            if found:
                x = _x(found["mean"])
                yield (f'<rect class="{WORKLOADS[name][0]}" x="{LEFT}" y="{y}" '
                       f'width="{x - LEFT:.1f}" height="{BAR - 2}"/>')
                yield f'<text class="small" x="{x + 4:.1f}" y="{y + 11}">{found["mean"]:,.0f}</text>'
            y += BAR
        y += GAP


def svg(numbers: Numbers) -> str:
    """The drawing."""
    bottom = TOP + len(HEAPS) * (len(WORKLOADS) * BAR + GAP)
    height = bottom + 30
    style = re.search(r"  <style>.*?</style>\n", STYLED.read_text(), re.S)[0]
    body = [*_legend(), *_axis(bottom), *_bars(numbers)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img">\n'
            "  <title>Instructions an operation, for nine heaps</title>\n"
            "  <desc>Bars on a logarithmic axis: what an operation costs in three workloads, for "
            "Ouroboros,\n    four heaps of the distribution and four textbook designs.</desc>\n"
            f"{style}\n"
            '  <text class="head" x="12" y="20">Instructions an operation (fewer is better)</text>\n'
            + "".join(f"  {line}\n" for line in body) + "</svg>\n")
