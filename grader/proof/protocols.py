# SPDX-License-Identifier: MIT
"""What a student's model finds in the protocols of a lab."""
from __future__ import annotations

import re

from course.model import CLAIMS, NOTHING_HAPPENS, Case
from proof.spin import Outcome, Verifier

NAMES = {"deadlock": "a deadlock", "overflow": "an endless recursion", "null": "NULL while frames are left"}

LOOKED_FOR = ("overflow", "deadlock", "null")       # a recursion is soon found, and without end for the others

_TODO = re.compile(r'TODO\("(\d+\.\d+)"\)')


def todo(model: bytes, name: str) -> str:
    """Which exercise of a model is not written yet, and where; "" if there is none."""
    for number, line in enumerate(model.decode(errors="replace").splitlines(), 1):
        if left := _TODO.search(line):
            return f"TODO {left[1]} in {name}:{number}"
    return ""


class Findings:
    """What a model finds in each case; no claim is checked twice."""

    def __init__(self, verifier: Verifier):
        self._verifier = verifier
        self._outcomes: dict[tuple[Case, int], Outcome] = {}

    async def of(self, case: Case, claim: int) -> Outcome:
        """One claim in one case. Raises BadModel."""
        if (case, claim) not in self._outcomes:
            self._outcomes[case, claim] = await self._verifier.run(claim, case.settings)
        return self._outcomes[case, claim]

    def outcomes(self, case: Case) -> list[Outcome]:
        """What the runs found that there were for a case, in their order."""
        return [outcome for (of, _), outcome in self._outcomes.items() if of == case]

    async def finds(self, case: Case, what: str) -> bool:
        """Does the model find that, which is one of CLAIMS? Raises BadModel."""
        return (await self.of(case, CLAIMS[what])).is_broken

    async def first_in(self, case: Case) -> str:
        """What the model finds first in a case, of CLAIMS in LOOKED_FOR's order; "" for nothing. Raises BadModel."""
        for what in LOOKED_FOR:
            if await self.finds(case, what):
                return what
        return ""

    async def helps(self, case: Case) -> bool:
        """Can every CPU get memory, with a rescue and, if rescues log, a record? Raises BadModel."""
        return (await self.of(case, NOTHING_HAPPENS)).is_broken
