# SPDX-License-Identifier: MIT
"""All that one boot showed, before anybody judges it."""
from __future__ import annotations

from dataclasses import dataclass, field

from judging import replay
from judging.facts import NoSuchThing, Value
from judging.findings import Autopsy
from machine.abi import Outcome, PanicKind
from machine.ending import Ending
from machine.recording import Recording


@dataclass(frozen=True)
class Panic:
    """The kernel's panic_record, read from the machine's memory."""
    kind: PanicKind
    message: str


@dataclass(frozen=True)
class Results:
    """What the kernel's variables say of its tests. Outcomes are in the order of running."""
    whole: Outcome = Outcome.NOT_RUN        # PASSED or FAILED once all have run
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    traces: dict[str, replay.Trace] = field(default_factory=dict)
    ram: replay.Ram = replay.Ram()          # by the kernel's memory map
    impostor: str = ""                      # a variable that somebody else defines as well

    @property
    def are_complete(self) -> bool:
        return self.whole in (Outcome.PASSED, Outcome.FAILED)


@dataclass
class Record:
    """All that one boot showed."""
    ending: Ending
    console: str = ""
    panic: Panic | None = None
    tests: Results = Results()
    autopsy: Autopsy | None = None
    memory: str = ""                                    # the kernel's variables, where a test asks
    screen: list[str] = field(default_factory=list)     # of VGA text, if the kernel never spoke
    facts: dict[str, Value | NoSuchThing] = field(default_factory=dict)
    recording: Recording | None = None
