# SPDX-License-Identifier: MIT
"""The verdicts, and a verdict with its reason."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Stable names: they appear in every output."""
    PASS = "PASS"
    WRONG = "WRONG"                         # a check failed
    PANIC = "PANIC"
    FAULT = "FAULT"
    STACK_OVERFLOW = "STACK_OVERFLOW"
    TRIPLE_FAULT = "TRIPLE_FAULT"
    DEADLOCK = "DEADLOCK"                   # a CPU waits for a lock that it holds
    HANG = "HANG"                           # no lock involved
    BOOT_FAIL = "BOOT_FAIL"                 # never got to where a test could run
    BUILD_FAIL = "BUILD_FAIL"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"     # an exercise or an answer that is not there yet
    INFRA = "INFRA"                         # our fault, or the host's


@dataclass(frozen=True)
class Finding:
    """A verdict and the reason for it."""
    verdict: Verdict
    detail: str = ""
    console: tuple[str, ...] = ()           # the lines that show it
    cause: str = ""                         # if others' details may differ though it is the same
    part: tuple[int, int] = (0, 1)          # of the points, although it is no PASS

    @property
    def same(self) -> tuple[Verdict, str]:
        """What is equal of two findings that are the same failure, for all that we can tell."""
        return self.verdict, self.cause or self.detail


PASSED = Finding(Verdict.PASS)
