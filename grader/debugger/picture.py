# SPDX-License-Identifier: MIT
"""Draws nested calls and the locks they take as an SVG: time runs to the right, calls go down.

Widths are made for the labels, so the axis is no scale; its numbers are exact. Pure functions.
"""
from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from debugger.outline import Box

FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
ASPECT = 16 / 9
MIN_WIDTH = 1280
MARGIN, SNAKE_WIDTH = 32, 64
ROW, MAX_ROW = 36, 56           # of a call: the least, and what is used of a tall picture
LANE, TICKS, FOOT = 24, 26, 84  # of a lock, of the axis, and of what is below it
LETTER = 0.62                   # width of a letter in its size: no monospaced font is wider
NAME, PLACE, SMALL, TITLE = 13, 10.5, 11, 17            # sizes of type
STEP, GAP = 9, 5                # between what begins or ends, at least; and a tenfold time adds

INK, FAINT, PAPER, RULE = "#1d2530", "#5b6672", "#ffffff", "#c9d0d7"
CYCLE, CYCLE_PALE = "#c44e00", "#fde6d8"
CALL, CALL_PALE = "#7d8b99", "#eef2f6"
OTHER_PALE = "#e4e4e4"
# What replaces them where the reader prefers dark pages. All other colours stay.
DARK = {INK: "#e6edf3", FAINT: "#a9b6c2", PAPER: "#0f141a", RULE: "#3a444f",
        CYCLE: "#ff9a5c", CYCLE_PALE: "#4a2813", CALL_PALE: "#232c36", OTHER_PALE: "#39434d"}
# Okabe and Ito's colours, which the colour-blind can tell apart; they differ in lightness too.
LOCKS = {"heap_lock": "#0072b2", "log_lock": "#e69f00", "frame_lock": "#009e73"}
MORE_LOCKS = ("#cc79a7", "#56b4e9", "#8c6d31")
LIGHT = ("#e69f00", "#cc79a7", "#56b4e9")       # of these; black type goes on them
BLACK, WHITE = "#101010", "#fcfcfc"


@dataclass(frozen=True)
class Caption:
    """The words around a picture."""
    title: str
    run: str                    # which stage, and how it was booted
    above: list[str]            # the functions around it all, innermost first
    command: str                # that makes this picture
    waits_for: str = ""         # the lock that the story ends with, as nobody will release it
    ends_badly: bool = False
    bad: int = 0                # the number of the outermost box, a CPU's, that it ends badly for
    axis: str = ""              # what its numbers count; "" = instructions since the first call


@dataclass
class Span:
    """Where a box stands: its row, and the points at which it begins and ends."""
    box: Box
    row: int
    root: int                   # the number of the outermost box around it
    first: int
    last: int = 0
    stands_out: bool = False


@dataclass
class Band:
    """A lock from taken to released, by points; None = it never was."""
    lock: str
    place: str
    holder: Span
    first: int
    last: int | None = None


@dataclass
class Layout:
    """Points are the instants at which anything begins or ends, in their order."""
    times: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)         # outer ones first
    bands: list[Band] = field(default_factory=list)
    x: list[float] = field(default_factory=list)

    def point(self, time: int) -> int:
        self.times.append(time)
        return len(self.times) - 1

    @property
    def nr_rows(self) -> int:
        return 1 + max(span.row for span in self.spans)

    @property
    def locks(self) -> list[str]:
        """In the order in which they are taken first."""
        return list(dict.fromkeys(band.lock for band in self.bands))


def text_width(text: str, size: float) -> float:
    return len(text) * size * LETTER


def _needs(box: Box) -> float:
    """The width of a box's label, with some air."""
    return max(text_width(box.function, NAME), text_width(box.place, PLACE)) + 12


def _enter(layout: Layout, box: Box, row: int, root: int) -> list[Span]:
    """Gives a box and all in it their points. Return: those that do not end."""
    span = Span(box, row, root, layout.point(box.entered))
    layout.spans.append(span)
    endless = [span] if box.left is None else []
    for part in box.parts:
        if isinstance(part, Box):
            endless += _enter(layout, part, row + 1, root)
        elif part.what == "takes":
            layout.bands.append(Band(part.lock, part.place, span, layout.point(part.at)))
        else:
            held = [band for band in layout.bands if band.lock == part.lock and band.last is None
                    and band.holder.root == root]
            at = layout.point(part.at)
            for band in held:
                band.last = at
    if box.left is not None:
        span.last = layout.point(box.left)
    return endless


def _sort(layout: Layout) -> None:
    """Puts the points in the order of their times: those of several CPUs lie between each other."""
    order = sorted(range(len(layout.times)), key=layout.times.__getitem__)
    place = {point: index for index, point in enumerate(order)}
    layout.times = [layout.times[point] for point in order]
    for part in (*layout.spans, *layout.bands):
        part.first = place[part.first]
        part.last = part.last and place[part.last]


def lay_out(roots: Sequence[Box], end: int, width: float) -> Layout:
    """
    Where everything stands, in a picture that is as wide, or as much wider as labels need: what one
    CPU does below what another does.
    """
    layout = Layout()
    endless: list[Span] = []
    for number, root in enumerate(roots):
        endless += _enter(layout, root, layout.nr_rows if layout.spans else 0, number)
    _sort(layout)
    if endless:
        last = layout.point(end)
        for span in endless:
            span.last = last
    gaps = [STEP + GAP * math.log10(1 + after - before)
            for before, after in zip(layout.times, layout.times[1:])]
    for span in reversed(layout.spans):                 # inner ones first
        inside = range(span.first, span.last)
        lacking = _needs(span.box) - sum(gaps[gap] for gap in inside)
        for gap in inside if lacking > 0 else ():
            gaps[gap] += lacking / len(inside)
    stretch = max(1.0, width / sum(gaps))
    layout.x = [0.0]
    for one in gaps:
        layout.x.append(layout.x[-1] + one * stretch)
    return layout


def _attributes(**values: object) -> str:
    return "".join(f' {name.replace("_", "-")}="{value:.1f}"' if isinstance(value, float) else
                   f' {name.replace("_", "-")}="{escape(str(value), {chr(34): "&quot;"})}"'
                   for name, value in values.items() if value is not None)


def _words(text: str) -> str:
    """As XML takes it."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))


def _text(x: float, y: float, text: str, size: float, **more: object) -> str:
    where = _attributes(x=float(x), y=float(y), font_size=size, **more)
    return f"<text{where}>{_words(text)}</text>"


def _cut(text: str, size: float, width: float) -> str:
    """As much of it as has room, from its end."""
    room = int(width / size / LETTER)
    return text if len(text) <= room else "…" + text[len(text) - room + 1:]


def _rect(x: float, y: float, width: float, height: float, **more: object) -> str:
    return ("<rect" + _attributes(x=float(x), y=float(y), width=float(width), height=float(height),
                                  **more) + "/>")


def _dark_style() -> str:
    rules = "".join(f'[{what}="{light}"]{{{what}:{dark}}}'
                    for light, dark in DARK.items() for what in ("fill", "stroke"))
    return f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"


class Picture:
    """All that is drawn, in this order."""

    def __init__(self, roots: Sequence[Box], end: int, caption: Caption) -> None:
        self._caption = caption
        probe = lay_out(roots, end, 0)
        self._left = MARGIN + max([text_width(lock, NAME) for lock in probe.locks], default=0) + 12
        right = MARGIN + (SNAKE_WIDTH if caption.waits_for else 0)
        self._title = textwrap.wrap(caption.title, int((MIN_WIDTH - 2 * MARGIN) / TITLE / LETTER))
        self._top = MARGIN + 24 * len(self._title) + 46
        below = 34 + LANE * len(probe.locks) + TICKS + FOOT
        height = self._top + ROW * probe.nr_rows + below
        width = max(float(MIN_WIDTH), probe.x[-1] + self._left + right, height * math.sqrt(2))
        self._layout = lay_out(roots, end, width - self._left - right)
        self.width = math.ceil(width)
        spare = (self.width / ASPECT - self._top - below) / probe.nr_rows
        self._row = min(MAX_ROW, max(ROW, spare))
        self._lanes = self._top + self._row * probe.nr_rows + 34
        self.height = math.ceil(self._lanes + LANE * len(probe.locks) + TICKS + FOOT)
        more = [lock for lock in probe.locks if lock not in LOCKS]
        self._colours = LOCKS | dict(zip(more, MORE_LOCKS * len(more)))
        self._cycle = self._find_cycle()

    def _find_cycle(self) -> Band | None:
        """The lock that is waited for at the end, as its holder has it. Marks the boxes of the cycle."""
        held = [band for band in self._layout.bands
                if band.last is None and band.lock == self._caption.waits_for]
        if self._caption.ends_badly:
            first = {self._caption.bad: self._innermost.row}
            if held:
                holder = held[-1].holder
                first = {self._caption.bad: 0, holder.root: holder.row}
            for span in self._layout.spans:
                span.stands_out = span.box.kind == "bad" or (
                    span.box.left is None and span.row >= first.get(span.root, math.inf))
        return held[-1] if held else None

    @property
    def _innermost(self) -> Span:
        """What is inside all other boxes of the CPU that it ends badly for, at the end."""
        return [span for span in self._layout.spans if span.root == self._caption.bad][-1]

    def _x(self, point: int | None) -> float:
        return self._left + self._layout.x[-1 if point is None else point]

    def _y(self, row: int) -> float:
        return self._top + self._row * row

    def _lane(self, lock: str) -> float:
        return self._lanes + LANE * self._layout.locks.index(lock)

    def _head(self) -> Iterator[str]:
        for number, line in enumerate(self._title):
            yield _text(MARGIN, MARGIN + 16 + 24 * number, line, TITLE, font_weight="bold",
                        fill=CYCLE if self._caption.ends_badly else INK)
        way = _cut(" › ".join(reversed(self._caption.above)), SMALL, MIN_WIDTH * 3 / 4)
        y = MARGIN + 24 * len(self._title) + 14
        run = _cut(self._caption.run, NAME, MIN_WIDTH - 2 * MARGIN)
        yield _text(MARGIN, y, run, NAME, fill=INK)
        if way:
            yield _text(self._left, y + 20, f"in {way}:", SMALL, fill=FAINT)

    def _tints(self) -> Iterator[str]:
        """What happens while a lock is held, below its holder."""
        for band in self._layout.bands:
            top = self._y(band.holder.row + 1) - 4
            yield _rect(self._x(band.first), top, self._x(band.last) - self._x(band.first),
                        self._lane(band.lock) + 4 - top, fill=self._colours[band.lock],
                        fill_opacity="0.13")

    def _boxes(self) -> Iterator[str]:
        for span in self._layout.spans:
            x, y = self._x(span.first), self._y(span.row)
            width, height = self._x(span.last) - x, self._row - 4
            other = span.box.kind in ("other", "turns")
            stroke = CYCLE if span.stands_out else "none" if other else CALL
            fill = CYCLE_PALE if span.stands_out else OTHER_PALE if other else CALL_PALE
            yield _rect(x, y, width, height, rx=3, fill=fill, stroke=stroke,
                        stroke_width=1.6 if span.stands_out else 1.0)
            middle = y + height / 2
            if span.box.place:
                yield _text(x + 6, middle - 2, span.box.function, NAME, fill=INK,
                            font_weight=None if other else "bold")
                yield _text(x + 6, middle + 11, span.box.place, PLACE, fill=FAINT)
            else:
                yield _text(x + 6, middle + 4.5, span.box.function, NAME, fill=INK,
                            font_weight=None if other else "bold")

    def _locks(self) -> Iterator[str]:
        """A lane for each lock, with a line up to who took it and to who released it."""
        for lock in self._layout.locks:
            yield _text(self._left - 12, self._lane(lock) + 16, lock, NAME, text_anchor="end",
                        font_weight="bold", fill=INK)
            yield _rect(self._left, self._lane(lock) + 11, self._layout.x[-1], 1, fill=RULE)
        for band in self._layout.bands:
            colour, x = self._colours[band.lock], self._x(band.first)
            foot = self._y(band.holder.row + 1) - 4
            yield (f'<path d="M{x:.1f} {foot:.1f}V{self._lane(band.lock) + 4:.1f}"'
                   + _attributes(stroke=colour, stroke_width=1.4, fill="none") + "/>")
            yield f"<circle{_attributes(cx=x, cy=foot, r=4.0, fill=colour, stroke=PAPER)}/>"
        for band in self._layout.bands:
            colour, lane = self._colours[band.lock], self._lane(band.lock)
            x, last = self._x(band.first), self._x(band.last)
            yield _rect(x, lane + 4, last - x, LANE - 8, fill=colour, rx=2)
            label = f"since {band.place}" + ("" if band.last is not None else ", never released")
            if text_width(label, SMALL) + 12 < last - x:
                yield _text(x + 6, lane + 16, label, SMALL, fill=BLACK if colour in LIGHT else WHITE)

    def _axis(self) -> Iterator[str]:
        """Numbers where there is room for them: those of locks and of the end first."""
        y = self._lanes + LANE * len(self._layout.locks) + 4
        at_locks = [point for band in self._layout.bands
                    for point in (band.first, band.last) if point is not None]
        taken: list[tuple[float, float]] = []
        for point in [0, len(self._layout.x) - 1, *at_locks, *range(len(self._layout.x))]:
            label = f"{self._layout.times[point]:,}"
            if point == len(self._layout.x) - 1 and self._caption.waits_for:
                label = "for ever"
            x, half = self._x(point), text_width(label, PLACE) / 2 + 4
            if all(x + half < left or right < x - half for left, right in taken):
                taken.append((x - half, x + half))
                yield f'<path d="M{x:.1f} {y}v5"{_attributes(stroke=FAINT, fill="none")}/>'
                yield _text(x, y + 17, label, PLACE, text_anchor="middle", fill=FAINT)
        counts = self._caption.axis or f"instructions since {self._layout.spans[0].box.function} was called"
        yield _text(self._left, y + 34, f"{counts} (this axis is no scale)", PLACE, fill=FAINT)

    def _foot(self) -> Iterator[str]:
        y, x = self.height - MARGIN, float(MARGIN)
        calls = [(CALL_PALE, CALL, "a call, and the line that calls it"),
                 (OTHER_PALE, "none", "a long call without locks: its instructions")]
        entries = [*([(CALL_PALE, CALL, "a call")] if self._caption.axis else calls),
                   *((self._colours[lock], "none", f"{lock} is held")
                     for lock in self._layout.locks)]
        if self._caption.ends_badly:
            what = "in the cycle" if self._cycle else "where it ends"
            entries.insert(0, (CYCLE_PALE, CYCLE, what))
        for fill, stroke, words in entries:
            if x + 22 + text_width(words, SMALL) > self.width - MARGIN:
                break
            yield _rect(x, y - 10, 16, 12, fill=fill, stroke=stroke, rx=2)
            yield _text(x + 22, y, words, SMALL, fill=INK)
            x += 22 + text_width(words, SMALL) + 24
        command = _cut(self._caption.command, SMALL, self.width / 2 - MARGIN)
        yield _text(self.width - MARGIN, y - 24, command, SMALL, text_anchor="end", fill=FAINT)

    def _snake(self) -> Iterator[str]:
        """From who waits back to who holds: it bites its own tail."""
        if not self._cycle:
            return
        right, waiter = self._x(None), self._innermost
        tail = self._y(waiter.row) + (self._row - 4) / 2
        head = self._y(self._cycle.holder.row) + (self._row - 4) / 2
        out = right + SNAKE_WIDTH - 10
        turn, throat, size, gape = 34, right + 5, 14, math.radians(38)
        body = (f"M{right:.1f} {tail:.1f}H{out - turn:.1f}Q{out:.1f} {tail:.1f} {out:.1f} "
                f"{tail - turn:.1f}V{head + turn:.1f}Q{out:.1f} {head:.1f} {out - turn:.1f} "
                f"{head:.1f}H{throat + size - 4:.1f}")
        yield f'<path class="snake" d="{body}"' + _attributes(
            stroke=CYCLE, stroke_width=8, fill="none", stroke_linecap="round") + "/>"
        lips, jaw = throat - size * math.cos(gape), size * math.sin(gape)
        yield (f'<path d="M{throat:.1f} {head:.1f}L{lips:.1f} {head - jaw:.1f}A{size} {size} 0 1 1 '
               f'{lips:.1f} {head + jaw:.1f}Z"' + _attributes(fill=CYCLE) + "/>")
        yield f"<circle{_attributes(cx=throat + 3, cy=head - 7, r=2.2, fill=PAPER)}/>"

    def svg(self) -> str:
        described = [f"Calls: {', '.join(span.box.function for span in self._layout.spans)}."]
        described += [f"{band.lock} is taken at {band.place} and "
                      f"{'never released' if band.last is None else 'released'}."
                      for band in self._layout.bands]
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'role="img" aria-labelledby="title desc" font-family="{FONT}">',
            f'<title id="title">{_words(self._caption.title)}</title>',
            f'<desc id="desc">{_words(" ".join(described))}</desc>',
            _dark_style(), _rect(0, 0, self.width, self.height, fill=PAPER),
            *self._head(), *self._tints(), *self._boxes(), *self._locks(), *self._axis(),
            *self._foot(), *self._snake(), "</svg>", ""])
