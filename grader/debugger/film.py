# SPDX-License-Identifier: MIT
"""Films two consoles as one SVG: the kernel that hangs, then the one that does not.

Each line is one that a machine has written. The film keeps their order, not their times: the lines
themselves tell those. Of the report about the hang it shows the first line alone, as the rest answers
lab 3. Where nothing moves, in a browser that is asked for less motion or in print, all lines are seen.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from debugger.picture import FONT, LETTER
from machine.ending import Cause
from machine.machine import Machine
from machine.qemu import Config

TYPING, LINE, STILL, REST = 1.2, 0.3, 3.0, 5.0      # seconds: a command, a line, the hang, the end
POSTER = 1.5                # seconds of the end that are seen first, and all that a still picture shows
SIZE, ROW, EDGE = 12.5, 18, 16                      # of a letter, of a line, around it all
HEAD, SPACE = 30, 12                                # above a console, and below it
REPORT = "LOCKUP: "

STYLE = f"""\
    svg {{ --ink: #1d2530; --faint: #5b6672; --paper: #f6f8fa; --edge: #c4ccd4;
          --blue: #0072b2; --green: #00825f; --alert: #b34700; }}
    @media (prefers-color-scheme: dark) {{
      svg {{ --ink: #e6edf3; --faint: #a9b6c2; --paper: #161c23; --edge: #46525e;
            --blue: #56b4e9; --green: #2ec79b; --alert: #ff9a5c; }}
    }}
    text {{ fill: var(--ink); font-size: {SIZE}px; font-family: {FONT}; }}
    rect {{ fill: var(--paper); stroke: var(--edge); }}
    .head {{ font-size: 14px; font-weight: bold; font-family: system-ui, sans-serif; }}
    .said {{ font-size: 13px; font-family: system-ui, sans-serif; fill: var(--faint); text-anchor: end; }}
    .typed {{ fill: var(--blue); }}
    .alert {{ fill: var(--alert); font-weight: bold; }}
    .good {{ fill: var(--green); font-weight: bold; }}
    .cursor {{ fill: var(--alert); stroke: none; }}"""


class NoStory(Exception):
    """A machine did not do what the film is about; the message says what it did."""


@dataclass(frozen=True)
class Take:
    """One console from the command to its end."""
    title: str
    command: str
    lines: list[str]
    hangs: bool


async def _take(image: Path, title: str, command: str, hangs: bool) -> Take:
    """Boots an image. Raises NoStory if it does not end in a lockup, or at a prompt, as it must."""
    async with Machine(Config(image)) as machine:
        ending = await machine.wait()
        lines = list(filter(None, machine.console.splitlines()))
    if ending.cause is not (Cause.LOCKUP if hangs else Cause.PROMPT):
        raise NoStory(f"{command}: it ended otherwise than the film shows it: {ending.cause}")
    reports = [number for number, line in enumerate(lines) if line.startswith(REPORT)]
    return Take(title, command, lines[:reports[0] + 1] if reports else lines, hangs)


class Film:
    """What is seen, from when on, and at which height."""

    def __init__(self, takes: list[Take]) -> None:
        longest = max(len(line) for take in takes for line in take.lines)
        self._width = round(longest * SIZE * LETTER) + 4 * EDGE
        self._drawn: list[str] = []
        self._frames: list[tuple[float, float | None]] = []     # seen from when, and until when
        self._now, self._y = 0.5, EDGE
        for take in takes:
            self._show(take)
        self._duration = self._now + REST

    def _appear(self, element: str, words: str, attributes: str, until: float | None = None) -> None:
        """Has an element seen from now on."""
        number = len(self._frames)
        self._frames.append((self._now, until))
        self._drawn.append(f'<{element} id="f{number}" {attributes}>{escape(words)}</{element}>')

    def _line(self, words: str, kind: str = "") -> None:
        words = words.replace("  ", "\N{NO-BREAK SPACE}" * 2)      # as not every reader of SVG keeps blanks
        where = f'x="{2 * EDGE}" y="{self._y + ROW - 5}"'
        self._appear("text", words, f'class="{kind}" {where}' if kind else where)
        self._y += ROW

    def _show(self, take: Take) -> None:
        height = HEAD + ROW * (1 + len(take.lines)) + SPACE
        self._drawn.append(f'<rect x="{EDGE}" y="{self._y}" width="{self._width - 2 * EDGE}" '
                           f'height="{height}" rx="6"/>')
        top, end = self._y + 20, self._width - 2 * EDGE
        self._drawn.append(f'<text class="head" x="{2 * EDGE}" y="{top}">{escape(take.title)}</text>')
        self._y += HEAD
        self._line(f"$ {take.command}", "typed")
        self._now += TYPING
        for line in take.lines:
            if line.startswith(REPORT):
                self._appear("rect", "", f'class="cursor" x="{2 * EDGE}" y="{self._y + 3}" width="8" '
                             'height="14"', until=self._now + STILL)
                self._appear("text", "nothing more comes", f'class="said" x="{end}" y="{top}"',
                             until=self._now + STILL)
                self._now += STILL
            self._line(line, "alert" if line.startswith(REPORT) else "")
            self._now += LINE
        words, kind = ("hangs: why?", "alert") if take.hangs else ("goes through", "good")
        self._appear("text", words, f'class="said {kind}" x="{end}" y="{top}"')
        self._now += TYPING
        self._y += SPACE + EDGE

    def _keyframes(self) -> str:
        """An animation for each element. One that is seen for a while only is not in the still picture."""
        rules = []
        for number, (first, last) in enumerate(self._frames):
            start = 100 * first / self._duration
            seen = f"{start:.2f}%" if last is None else f"{start:.2f}%,{100 * last / self._duration:.2f}%"
            hidden = f"0%,{start - 0.01:.2f}%"
            if last is not None:
                hidden += f",{100 * last / self._duration + 0.01:.2f}%,100%"
            else:
                seen += ",100%"
            rules.append(f"    @keyframes k{number} {{ {hidden} {{ opacity: 0 }} {seen} {{ opacity: 1 }} }}\n"
                         f"    #f{number} {{ {'opacity: 0; ' if last else ''}"
                         f""
                         f"animation: k{number} {self._duration:.1f}s {POSTER - self._duration:.1f}s infinite }}")
        return "\n".join(rules)

    def svg(self) -> str:
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {self._y}" '
            f'width="{self._width}" height="{self._y}" role="img">',
            "  <title>A kernel hangs, and with another logger it does not</title>",
            "  <desc>Two consoles. Lab 3's kernel stops in the midst of its messages; two seconds later its "
            "watchdog says LOCKUP. Lab 4's kernel says more, and comes to its prompt.</desc>",
            "  <style>", STYLE, self._keyframes(),
            "    @media (prefers-reduced-motion: reduce), print { * { animation: none !important } }",
            "  </style>", *(f"  {element}" for element in self._drawn), "</svg>", ""])


async def shoot(hangs: Path, cured: Path) -> str:
    """The film of two boot images, lab 3's and lab 4's with LOG=debug. Raises NoStory or MachineError."""
    return Film([
        await _take(hangs, "Lab 3: the heap has a rescue, the log has a memory", "make run LAB=3 LOG=debug", hangs=True),
        await _take(cured, "Lab 4: the log needs nothing but itself", "make run LAB=4 LOG=debug", hangs=False),
    ]).svg()
