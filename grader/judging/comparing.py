# SPDX-License-Identifier: MIT
"""Compares a student's answer to what was measured. Pure functions."""
from __future__ import annotations

import re
from typing import Any

from judging.facts import Value


def _as_number(answer: Any) -> int | None:
    """An integer written as such or as text, decimal or 0x…; None if it is none."""
    try:
        return answer if isinstance(answer, int) else int(str(answer).strip(), 0)
    except ValueError:
        return None


def _as_word(answer: Any) -> str:
    """A name without what people add to it: case, "()" after a function, a file's directory."""
    return str(answer).strip().strip("`'\"").removesuffix("()").rpartition("/")[2].casefold()


def _as_words(answer: Any) -> list[str]:
    """A list of names, or one text with arrows, commas or blanks between them."""
    parts = answer if isinstance(answer, list) else re.split(r"→|->|>|,|\s", str(answer))
    return [_as_word(part) for part in parts if _as_word(part)]


def _occur_in_order(wanted: list[str], found: list[str]) -> bool:
    """Is `wanted` a subsequence of `found`?"""
    rest = iter(found)
    return all(word in rest for word in wanted)


def form(value: Value) -> str:
    """What kind of answer is asked for, without giving it away."""
    if isinstance(value, list):
        return "a list of names"
    return "a name" if _as_number(value) is None else "a number, decimal or 0x…"


def has_form(answer: Any, value: Value) -> bool:
    """Is it an answer of that kind, right or wrong?"""
    if isinstance(value, list):
        return all(isinstance(item, str) and _as_number(item) is None
                   for item in (answer if isinstance(answer, list) else [answer]))
    if _as_number(value) is None:
        return isinstance(answer, str) and _as_number(answer) is None
    return _as_number(answer) is not None


def matches(answer: Any, value: Value, contains: tuple[str, ...] = (), at_least: int = 0) -> bool:
    """
    Does an answer say what was measured? A list must begin and end as the measured one, but for
    the wait itself; it must name things, `at_least` so many, in the measured order, and all of
    `contains` among them.
    """
    if isinstance(value, list):
        words, found, needed = _as_words(answer), _as_words(value), _as_words(list(contains))
        if words[-1:] == ["spin_lock"]:
            words.pop()
        return len(words) >= max(at_least, 2) and (words[0], words[-1]) == (found[0], found[-1]) \
            and _occur_in_order(words, found) and _occur_in_order(needed, words)
    if isinstance(value, int):
        return _as_number(answer) == value
    if (number := _as_number(value)) is not None:
        return _as_number(answer) == number
    return _as_word(answer) == _as_word(value)
