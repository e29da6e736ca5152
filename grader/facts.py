# SPDX-License-Identifier: MIT
"""Facts that answers.toml is compared to: a table of what can be measured, and how.

A fact is named in lab.toml, as in fact = "elf.symbol.kmain". To add one, write a function
under @fact(pattern, needs): the pattern is a regular expression whose groups become the
function's arguments, `needs` says how the boot must have ended that it is measured in
("" = the ELF file is enough), and the function returns an integer, a string, or a list of
strings. matches() compares a student's answer to such a value.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Awaitable, Callable

from findings import Autopsy
from image import Image
from machine import Machine

HEAP_ENTRIES = ("kmalloc", "kzalloc", "krealloc")       # kernel/heap.h

Value = int | str | list[str]
Measure = Callable[..., Awaitable[Value]]


class UnknownFact(Exception):
    """No fact has that name."""


class NoSuchThing(Exception):
    """The fact's subject (a symbol, a register …) does not exist."""


@dataclass(frozen=True)
class Evidence:
    """What facts are measured on."""
    image: Image
    machine: Machine | None = None      # stopped; None for facts that need no boot
    autopsy: Autopsy = Autopsy()


@dataclass(frozen=True)
class Fact:
    name: str
    needs: str
    measure: Callable[[Evidence], Awaitable[Value]]


_TABLE: list[tuple[re.Pattern[str], str, Measure]] = []


def fact(pattern: str, needs: str) -> Callable[[Measure], Measure]:
    """Enters a function into the table."""
    def enter(function: Measure) -> Measure:
        _TABLE.append((re.compile(pattern), needs, function))
        return function
    return enter


def find(name: str) -> Fact:
    """The fact of that name. Raises UnknownFact."""
    for pattern, needs, function in _TABLE:
        if match := pattern.fullmatch(name):
            return Fact(name, needs, lambda evidence: function(evidence, *match.groups()))
    raise UnknownFact(f"there is no fact {name!r}")


# ---- the table


def _known(value: Any, what: str) -> Any:
    """A value that must be there."""
    if value is None:
        raise NoSuchThing(f"the machine has no {what}")
    return value


@fact(r"constant:(.+)", needs="")
async def _constant(evidence: Evidence, value: str) -> Value:
    return value


@fact(r"elf\.entry", needs="")
async def _entry(evidence: Evidence) -> Value:
    return evidence.image.entry


@fact(r"elf\.symbol\.(\w+)", needs="")
async def _symbol(evidence: Evidence, name: str) -> Value:
    if name not in evidence.image.symbols:
        raise NoSuchThing(f"the kernel has no symbol {name}")
    return evidence.image.symbols[name]


@fact(r"elf\.section\.(\w+)\.(address|size|flags)", needs="")
async def _section(evidence: Evidence, name: str, what: str) -> Value:
    if name not in evidence.image.sections:
        raise NoSuchThing(f"the kernel has no section {name}")
    return evidence.image.sections[name][what]


@fact(r"deadlock\.lock", needs="deadlock")
async def _lock(evidence: Evidence) -> Value:
    return _known(evidence.autopsy.waits_for, "lock that it waits for").name


@fact(r"deadlock\.taken_(function|file|line)", needs="deadlock")
async def _taken(evidence: Evidence, what: str) -> Value:
    lock = _known(evidence.autopsy.waits_for, "lock that it waits for")
    return getattr(_known(lock.taken_at, "place where the lock was taken"), what)


@fact(r"deadlock\.waiting_(function|file|line)", needs="deadlock")
async def _waiting(evidence: Evidence, what: str) -> Value:
    return getattr(_known(evidence.autopsy.waits_at, "place where it waits"), what)


@fact(r"deadlock\.requester", needs="deadlock")
async def _requester(evidence: Evidence) -> Value:
    """The function outside the heap whose request the heap was working on."""
    functions = evidence.autopsy.functions
    first = next((i for i, name in enumerate(functions) if name in HEAP_ENTRIES), 0)
    if first == 0:
        raise NoSuchThing("no function called the heap")
    return functions[first - 1]


@fact(r"deadlock\.cycle", needs="deadlock")
async def _cycle(evidence: Evidence) -> Value:
    """The calls from the function that holds the lock to the one that waits for it."""
    functions = evidence.autopsy.functions
    taken = evidence.autopsy.waits_for.taken_at.function
    waits = evidence.autopsy.waits_at.function
    if taken not in functions or waits not in functions:
        raise NoSuchThing("the calls do not lead from the owner to the waiter")
    return functions[functions.index(taken):len(functions) - functions[::-1].index(waits)]


@fact(r"machine\.(\w+)", needs="monitor")
async def _register(evidence: Evidence, register: str) -> Value:
    return _known((await evidence.machine.registers()).get(register), f"register {register}")


@fact(r"machine\.(\w+)\.bit(\d+)", needs="monitor")
async def _bit(evidence: Evidence, register: str, number: str) -> Value:
    return (await _register(evidence, register)) >> int(number) & 1


@fact(r"memory\.available_bytes", needs="monitor")
async def _available(evidence: Evidence) -> Value:
    return _known(evidence.autopsy.available_bytes, "memory map")


@fact(r"memory\.u32@(0x[0-9a-f]+)", needs="monitor")
async def _u32(evidence: Evidence, address: str) -> Value:
    return int.from_bytes(await evidence.machine.read_memory(int(address, 0), 4), "little")


@fact(r"kernel\.(.+)", needs="monitor")
async def _expression(evidence: Evidence, expression: str) -> Value:
    return _known(evidence.autopsy.values.get(expression), expression)


async def measure(name: str, evidence: Evidence) -> Value | NoSuchThing:
    """Measures a fact; the reason if that cannot be done."""
    try:
        return await find(name).measure(evidence)
    except NoSuchThing as error:
        return error


def expressions(names: list[str]) -> list[str]:
    """The C expressions that GDB must evaluate for these facts."""
    return [name.removeprefix("kernel.") for name in names if name.startswith("kernel.")]


# ---- comparing


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


def form(value: Value, contains: tuple[str, ...] = ()) -> str:
    """What kind of answer is asked for, without giving it away."""
    if isinstance(value, list):
        return "a name" if len(contains) == 1 else "a list of names"
    return "a name" if _as_number(value) is None else "a number, decimal or 0x…"


def has_form(answer: Any, value: Value) -> bool:
    """Is it an answer of that kind, right or wrong?"""
    if isinstance(value, list):
        return all(isinstance(item, str) and _as_number(item) is None
                   for item in (answer if isinstance(answer, list) else [answer]))
    if _as_number(value) is None:
        return isinstance(answer, str) and _as_number(answer) is None
    return _as_number(answer) is not None


def is_answered(answer: Any) -> bool:
    """Did the student write anything?"""
    return answer not in (None, "", [])


def matches(answer: Any, value: Value, contains: tuple[str, ...] = (), at_least: int = 0) -> bool:
    """
    Does an answer say what was measured? A list must name things, `at_least` so many, that
    occur in the measured order, or its reverse, with all of `contains` among them in that order.
    """
    if isinstance(value, list):
        words, found, needed = _as_words(answer), _as_words(value), _as_words(list(contains))
        return len(words) >= at_least and any(_occur_in_order(given, found) and _occur_in_order(needed, given)
                   for given in (words, words[::-1]))
    if isinstance(value, int):
        return _as_number(answer) == value
    if (number := _as_number(value)) is not None:
        return _as_number(answer) == number
    return _as_word(answer) == _as_word(value)
