# SPDX-License-Identifier: MIT
"""How a machine ends: the causes, what QEMU's log says of a triple fault, and when silence is one.

Nothing here talks to a machine.
"""
from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from enum import Enum

RFLAGS_IF = 1 << 9
PAGE_FAULT = 14

# Backstops, in seconds of the host's time. No verdict should ever need one.
POLL = 0.5                  # silence after which we look at the CPU
SILENCE_LIMIT = 30          # neither a byte nor an event: the guest hangs, or the host does
IDLE_LIMIT = 10             # the same, counting only when we find the CPU halted
DEAD_LIMIT = 2              # the same, halted with interrupts masked: nothing will wake it
NMI_LIMIT = 5               # of silence after the watchdog's NMI, for the lockup report


class Cause(Enum):
    """
    Why a machine stopped being of interest. All but PROMPT leave it stopped, with its memory
    as it was; DIED leaves nothing.
    """
    PROMPT = "the monitor's prompt"
    OFF = "it switched itself off"
    REBOOT = "it reset itself"
    NOT_LOADED = "GRUB did not load the kernel"
    TRIPLE_FAULT = "triple fault"
    PANIC = "the kernel announced a panic"
    LOCKUP = "the watchdog bit"
    DEAD_HALT = "halted with interrupts masked"
    SILENCE = "neither output nor an event"
    FLOOD = "output without end"
    FALSE_PROMPT = "something other than the monitor printed its prompt"
    STUCK = "the machine's clock stands still"
    DIED = "QEMU ended by itself"


# Ends that are QEMU's or the host's fault.
BROKEN = (Cause.STUCK, Cause.DIED)

# Ends at which a prompt is, or could pass for, what the guest had to say last.
AT_A_PROMPT = (Cause.PROMPT, Cause.LOCKUP, Cause.DEAD_HALT, Cause.SILENCE, Cause.FLOOD)


@dataclass(frozen=True)
class CpuException:
    """An exception as QEMU logs it."""
    vector: int
    address: int | None = None  # that a page fault is about


@dataclass(frozen=True)
class Ending:
    cause: Cause
    detail: str = ""            # QEMU's own words, for DIED; GRUB's, for NOT_LOADED
    exception: CpuException | None = None       # that led to a TRIPLE_FAULT


_EXCEPTION = re.compile(r"^ *\d+: v=([01][0-9a-f]) .* pc=([0-9a-f]+) ", re.MULTILINE)


def last_exception(log: str) -> CpuException | None:
    """What the last exceptions in QEMU's log began with: those after it came of delivering it."""
    found = list(_EXCEPTION.finditer(log))
    chain = list(itertools.takewhile(lambda match: match[2] == found[-1][2], reversed(found)))
    if not chain:
        return None
    vector = int(chain[-1][1], 16)
    address = re.search(r"\bCR2=([0-9a-f]+)", log[chain[-1].end():])
    return CpuException(vector, int(address[1], 16) if vector == PAGE_FAULT and address else None)


class Silence:
    """A stretch of time in which a machine neither wrote nor reported anything."""

    def __init__(self, bitten: bool = False):
        self.bitten = bitten                    # the watchdog has bitten already
        self.seconds = 0.0
        self.idle_seconds = 0.0                 # of these, with the CPU found halted
        self.dead_seconds = 0.0                 # of these, with interrupts masked as well
        self.clock: int | None = None           # the machine's, at the first poll

    def judge(self, clock: int, registers: dict[str, int]) -> Ending | None:
        """
        To be called every POLL seconds of silence, with the machine's clock in seconds and its
        registers. Return: the ending, once it is certain.
        """
        if self.clock is None:
            self.clock = clock
        masked = not registers["rflags"] & RFLAGS_IF
        self.seconds += POLL
        self.idle_seconds += POLL if registers["halted"] else 0
        self.dead_seconds += POLL if registers["halted"] and masked else 0
        if self.bitten and self.seconds >= NMI_LIMIT:
            return Ending(Cause.LOCKUP)
        if self.dead_seconds >= DEAD_LIMIT:
            return Ending(Cause.DEAD_HALT)
        if self.seconds >= SILENCE_LIMIT or self.idle_seconds >= IDLE_LIMIT:
            return Ending(Cause.SILENCE if clock > self.clock else Cause.STUCK)
        return None
