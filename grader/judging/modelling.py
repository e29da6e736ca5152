# SPDX-License-Identifier: MIT
"""Judges a student's model in Promela by what it finds in broken protocols, and does not find in right ones.

A protocol is a setting of machine.pml's switches, and some are hidden. So a model that says nothing, or
always the same, has no points: each test wants a thing found, and wants it not found elsewhere. Where a
protocol is right, the model must also be able to do the work, or it would find nothing for want of any.
"""
from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from course.model import CLAIMS, GIVEN, Case, Model, ModelTest
from judging.verdict import PASSED, Finding, Verdict
from machine.host import ROOT
from proof import spin
from proof.protocols import NAMES, Findings, todo


async def _complaint(test: ModelTest, case: Case, findings: Findings) -> str:
    """What the model gets wrong of one case of a test; "" if nothing. Raises BadModel."""
    if case in test.within:
        found = await findings.finds(case, test.finds)
        return "" if found else f"{case}: the model does not find {NAMES[test.finds]}"
    for what in CLAIMS if case in test.right else [test.finds]:
        if await findings.finds(case, what):
            return f"{case}: the model finds {NAMES[what]}, which does not happen there"
    if case in test.right and not await findings.helps(case):
        return f"{case}: in the model no rescue ever helps a CPU to memory"
    return ""


async def _judge(test: ModelTest, findings: Findings) -> Finding:
    """The verdict on one test. Raises BadModel."""
    cases = [*test.within, *test.not_in, *test.right]
    wrong = list(filter(None, [await _complaint(test, case, findings) for case in cases]))
    if not wrong:
        return PASSED
    return Finding(Verdict.WRONG, f"{len(cases) - len(wrong)} of {len(cases)} protocols are judged rightly. {wrong[0]}")


async def findings(model: Model, directory: Path, tests: Sequence[ModelTest], text: bytes | None,
                   private: Path) -> dict[str, Finding]:
    """
    A verdict for each of these tests; `text` is the model, of the lab in that directory, or None if there
    is none. Raises MachineError.
    """
    def all_of(verdict: Verdict, why: str) -> dict[str, Finding]:
        return {test.name: Finding(verdict, why) for test in tests}

    if text is None:
        return all_of(Verdict.NOT_IMPLEMENTED, f"there is no {model.file}")
    if left := todo(text, model.file):
        return all_of(Verdict.NOT_IMPLEMENTED, left)
    with tempfile.TemporaryDirectory(dir=private) as room:
        try:
            verifier = await spin.make(Path(room), model.file, text, ROOT / "labs" / directory.name / GIVEN)
            found = Findings(verifier)
            return {test.name: await _judge(test, found) for test in tests}
        except spin.BadModel as error:
            return all_of(Verdict.WRONG, str(error))
