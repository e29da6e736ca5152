# SPDX-License-Identifier: MIT
"""A lab's model in Promela as its lab.toml describes it: protocols, and what the model must find in them.

    [model]
    file = "rescue.pml"
      [[model.protocol]]            what the machine does, for the model to follow
      name = "logging-heap"
      about = "lab 3"               "" for one that students are not shown
      switches = ["log_allocates"]  of machine.pml: NAME for NAME=1, or NAME=number
      [[model.test]]
      name, points, about           as of any test
      finds = "deadlock"            one of CLAIMS: the model must find it
      within = ["logging-heap/2"]   in each of these protocols, with so many CPUs,
      not_in = ["unlocked/1"]       in none of these,
      right = ["static-log/2"]      and nothing at all in these, in which a rescue must have happened
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from course.sealing import open_seal
from course.table import Table

# What can be found, and the number of the claim in machine.pml that it breaks.
CLAIMS = {"deadlock": 1, "overflow": 2, "null": 3}
NOTHING_HAPPENS = 4         # the claim that a right protocol breaks: nobody is helped by a rescue
MAX_CPUS = 3                # machine.pml's

GIVEN = "machine.pml"       # what the model includes, in the same directory


@dataclass(frozen=True)
class Protocol:
    """What a machine does, as switches of machine.pml."""
    name: str
    about: str                              # "" if students are not shown it
    switches: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Case:
    """A protocol on a machine with so many CPUs."""
    protocol: Protocol
    cpus: int

    @property
    def settings(self) -> dict[str, int]:
        """As machine.pml reads them from the environment."""
        return {"CPUS": self.cpus, **dict(self.protocol.switches)}

    def __str__(self) -> str:
        return f"{self.protocol.name}, {self.cpus} CPU{'s' if self.cpus > 1 else ''}"


@dataclass(frozen=True)
class ModelTest:
    """One line of the score: what the model must find, and where it must not."""
    name: str
    points: int
    about: str
    finds: str                              # one of CLAIMS
    within: tuple[Case, ...]
    not_in: tuple[Case, ...]
    right: tuple[Case, ...]


@dataclass(frozen=True)
class Model:
    """The model that a student writes."""
    file: str
    protocols: tuple[Protocol, ...]
    tests: tuple[ModelTest, ...]

    @property
    def shown(self) -> list[Protocol]:
        """The protocols that students are shown."""
        return [protocol for protocol in self.protocols if protocol.about]


def _read_protocol(table: Table) -> Protocol:
    name = table.take("name", str)
    open_seal(name, table)
    about, switches = table.take("about", str, ""), table.strings("switches")
    table.done()
    matches = [re.fullmatch(r"(\w+)(?:=(\d))?", switch) for switch in switches]
    if not all(matches):
        raise table.error(f"a switch is written as NAME or NAME=digit, unlike one of {switches}")
    return Protocol(name, about, tuple((match[1], int(match[2] or 1)) for match in matches))


def _read_cases(table: Table, key: str, protocols: dict[str, Protocol]) -> tuple[Case, ...]:
    cases = []
    for word in table.strings(key):
        name, _, cpus = word.partition("/")
        if name not in protocols or cpus not in map(str, range(1, MAX_CPUS + 1)):
            raise table.error(f"{key}: {word!r} is not PROTOCOL/CPUS, with up to {MAX_CPUS} CPUs and a "
                              f"protocol of: {', '.join(protocols)}")
        cases.append(Case(protocols[name], int(cpus)))
    return tuple(cases)


def _read_test(table: Table, protocols: dict[str, Protocol]) -> ModelTest:
    test = ModelTest(
        name=table.take("name", str), points=table.take("points", int), about=table.take("about", str, ""),
        finds=table.take("finds", str),
        **{key: _read_cases(table, key, protocols) for key in ("within", "not_in", "right")})
    table.done()
    if test.points < 0:
        raise table.error("points must not be negative")
    if test.finds not in CLAIMS:
        raise table.error(f"finds = {test.finds!r} is none of: {', '.join(CLAIMS)}")
    if not test.within or not (test.not_in or test.right):
        raise table.error("a model that always says the same must fail: within is needed, and not_in or right")
    return test


def read_model(values: dict, place: str) -> Model | None:
    """The table [model] of a lab.toml; None if it has none. Raises LabError."""
    if not values:
        return None
    table = Table(values, f"{place}, model")
    file = table.take("file", str)
    protocols = [_read_protocol(protocol) for protocol in table.tables("protocol")]
    by_name = {protocol.name: protocol for protocol in protocols}
    if len(by_name) < len(protocols):
        raise table.error("two protocols have the same name")
    tests = tuple(_read_test(test, by_name) for test in table.tables("test"))
    table.done()
    return Model(file, tuple(protocols), tests)
