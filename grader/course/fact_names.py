# SPDX-License-Identifier: MIT
"""The names of the facts that a lab.toml may ask for, as in fact = "elf.symbol.kmain".

To add one, enter its pattern here, and in judging/facts.py the function that measures it.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

# A regular expression for the name, and how the boot must have ended in which it is measured
# (one of lab.EXPECTATIONS; "" = the ELF file is enough).
NEEDS = {
    r"constant:(.+)": "",
    r"elf\.entry": "",
    r"elf\.symbol\.(\w+)": "",
    r"elf\.section\.(\w+)\.(address|size|flags)": "",
    r"deadlock\.lock": "deadlock",
    r"deadlock\.taken_(function|file|line)": "deadlock",
    r"deadlock\.waiting_(function|file|line)": "deadlock",
    r"deadlock\.requester": "deadlock",
    r"deadlock\.cycle": "deadlock",
    r"unpacking\.(entry|offset_bytes|request_bytes)": "deadlock",
    r"machine\.(\w+)": "monitor",
    r"machine\.(\w+)\.bit(\d+)": "monitor",
    r"memory\.available_bytes": "monitor",
    r"memory\.u32@(0x[0-9a-f]+)": "monitor",
    r"kernel\.(.+)": "monitor",
}


class UnknownFact(Exception):
    """No fact has that name."""


@dataclass(frozen=True)
class FactName:
    """A name that is known: its pattern, and what the pattern's groups are in it."""
    pattern: str
    groups: tuple[str, ...]

    @property
    def needs(self) -> str:
        return NEEDS[self.pattern]


def find(name: str) -> FactName:
    """The pattern that a name matches, with its groups. Raises UnknownFact."""
    for pattern in NEEDS:
        if match := re.fullmatch(pattern, name):
            return FactName(pattern, match.groups())
    raise UnknownFact(f"there is no fact {name!r}")
