# SPDX-License-Identifier: MIT
"""From what inside/story.py has seen to what is drawn of it: the calls that matter, nested.

Those are the calls that lead to a lock or to heap_rescue, with the functions inlined in them; other
calls are shown if they take long. Pure functions.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from typing import Any

RESCUE = "heap_rescue"
LONG = 200              # instructions of a call that is shown although nothing happens in it
TURNS = 2               # of a recursion that are shown before it is cut short


@dataclass(frozen=True)
class Mark:
    """A lock that is taken or released."""
    at: int
    what: str                   # "takes" or "releases"
    lock: str
    place: str


@dataclass
class Box:
    """A call, in instructions from the beginning."""
    function: str
    place: str                  # the line that calls it
    entered: int
    left: int | None            # None = it did not return
    parts: list[Box | Mark] = field(default_factory=list)
    kind: str = "call"          # or "other": nothing happens in it; or "turns": left out


# An inlined function and the line that calls it.
Inlined = tuple[str, str]


@dataclass
class _Item:
    """A part of a call, and the functions inlined there, outermost first; None = not known."""
    part: Box | Mark
    inlined: list[Inlined] | None


Settled = tuple[Box | Mark, list[Inlined]]


def _where(frame: Sequence[Any]) -> str:
    return f"{frame[1]}:{frame[2]}"


def _stack(calls: list[dict[str, Any]], number: int | None) -> Iterator[int]:
    """A call, who called it, who called that, and so on."""
    while number is not None:
        yield number
        number = calls[number]["caller"]


class _Outline:
    def __init__(self, story: dict[str, Any]) -> None:
        self._calls = story["calls"]
        self._events = {event["at"]: event for event in story["events"]}
        self._rescue = next(event for event in story["events"] if event["what"] == "rescues")
        self._rescued = story["rescued"]
        self._sites: dict[int, list[Any]] = {}      # by call: the frames that call it
        self._children: dict[int | None, list[int]] = {}
        for number, call in enumerate(self._calls):
            self._children.setdefault(call["caller"], []).append(number)
            if event := self._events.get(call["entered"]):
                for one, frames in zip(_stack(self._calls, number), event["groups"][1:]):
                    self._sites[one] = frames
        kept = {one for number in self._sites for one in _stack(self._calls, number)}
        if story["ending"] != "returns":
            kept |= {number for number, call in enumerate(self._calls) if call["left"] is None}
        self._kept = kept

    def box(self, number: int) -> Box:
        call = self._calls[number]
        function, site = call["function"], self._sites.get(number)
        place = _where(site[0]) if site else ""
        event = self._events.get(call["entered"])
        if event and event["what"] == "waits for":
            function += f": waits for {event['lock']}"
            place += f", held since {event['place']}"
        elif event == self._rescue and self._rescued is not None:
            place += f", returns {str(self._rescued).lower()}"
        return Box(function, place, call["entered"], call["left"],
                   _nested(list(_settled(list(self._items(number))))))

    def _items(self, number: int) -> Iterator[_Item]:
        for child in self._children.get(number, []):
            call, site = self._calls[child], self._sites.get(child)
            event = self._events.get(call["entered"])
            inlined = None if site is None else [
                (inner[0], _where(outer)) for inner, outer in zip(site, site[1:])][::-1]
            if event and event["what"] in ("takes", "releases"):
                taken = event["what"] == "takes" and call["left"] is not None
                if event["what"] == "releases" or taken:
                    at = call["left"] if taken else call["entered"]
                    yield _Item(Mark(at, event["what"], event["lock"], event["place"]), inlined)
                    continue
            if child in self._kept:
                yield _Item(self.box(child), inlined)
            elif (length := call["left"] - call["entered"]) >= LONG:
                yield _Item(Box(call["function"], f"{length:,}", call["entered"], call["left"],
                                kind="other"), inlined)


def _common(one: Iterable[Inlined], other: Iterable[Inlined]) -> list[Inlined]:
    return [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other))]


def _settled(items: list[_Item]) -> Iterator[Settled]:
    """Where it is not known what is inlined, it is surely that which both neighbours are in."""
    before: list[Inlined] = []
    for index, item in enumerate(items):
        if item.inlined is not None:
            before = item.inlined
            yield item.part, before
        else:
            later = (other.inlined for other in items[index:] if other.inlined is not None)
            yield item.part, _common(before, next(later, []))


def _nested(items: list[Settled], depth: int = 0) -> list[Box | Mark]:
    """The parts, those of one inlined function in a box of its own."""
    parts: list[Box | Mark] = []
    for inlined, group in groupby(items, lambda item: item[1][depth:depth + 1]):
        inner = list(group)
        if not inlined:
            parts += [part for part, _ in inner]
            continue
        nested = _nested(inner, depth + 1)
        function, place = inlined[0]
        parts.append(Box(function, place, _begin(nested[0]), _end(nested[-1]), nested))
    return parts


def _begin(part: Box | Mark) -> int:
    return part.at if isinstance(part, Mark) else part.entered


def _end(part: Box | Mark) -> int | None:
    return part.at if isinstance(part, Mark) else part.left


def path(box: Box) -> Iterator[Box]:
    """A call that did not return, the one in it that did not either, and so on."""
    while True:
        yield box
        if not (box.parts and isinstance(box.parts[-1], Box) and box.parts[-1].left is None):
            return
        box = box.parts[-1]


def _cut_short(root: Box) -> None:
    """Leaves out all turns of an endless recursion but the first and the last; each is a rescue."""
    turns = [box for box in path(root) if box.function == RESCUE]
    if len(turns) > TURNS + 1:
        last, left_out = turns[-1].parts[-1], turns[TURNS - 1].parts[-1]
        assert isinstance(left_out, Box)
        turns[TURNS - 1].parts[-1] = Box(f"… {len(turns) - TURNS} more turns …", "the same again",
                                         left_out.entered, None, [last], "turns")


def outline(story: dict[str, Any]) -> Box:
    """What to draw."""
    root = _Outline(story).box(0)
    _cut_short(root)
    return root
