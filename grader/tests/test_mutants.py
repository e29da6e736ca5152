"""Known-bad submissions: each must get the verdict, for the test, that its patch names.

A mutant is a patch grader/mutants/NN/NAME.patch with a header of lines

    What: the mistake, in a few words
    Expect: TEST VERDICT

It must lose points: some test that the header names is not passed.
"""
from pathlib import Path

import pytest
from conftest import GRADER, grade

from judge import Verdict

MUTANTS = sorted(GRADER.glob("mutants/[0-9][0-9]/*.patch"))


def header(patch: Path) -> dict[str, list[str]]:
    """The lines "Key: value" before the diff."""
    found: dict[str, list[str]] = {}
    for line in patch.read_text(encoding="utf-8").split("\n--- ")[0].splitlines():
        key, colon, value = line.partition(": ")
        if colon and key.isalpha():
            found.setdefault(key, []).append(value.strip())
    return found


def expectations(patch: Path) -> dict[str, str]:
    """The verdict by test."""
    return dict(line.split() for line in header(patch).get("Expect", []))


@pytest.mark.parametrize("patch", MUTANTS, ids=lambda patch: f"{patch.parent.name}-{patch.stem}")
def test_a_mutant_gets_its_verdict(patch, tmp_path):
    expected = expectations(patch)
    assert header(patch).get("What") and expected, "What: and Expect: are missing"
    assert set(expected.values()) <= set(Verdict)
    status, labs, output = grade(str(int(patch.parent.name)), "--patch", str(patch),
                                 "--test", ",".join(expected), directory=tmp_path)
    assert labs, output
    found = {test["name"]: test["verdict"] for test in labs[0]["tests"]}
    assert found == expected, output
    assert status == 1 and labs[0]["points"] < labs[0]["max"], output


def test_there_are_mutants_of_every_kind():
    seen = {verdict for patch in MUTANTS for verdict in expectations(patch).values()}
    assert len(MUTANTS) >= 10
    assert {"WRONG", "PANIC", "FAULT", "STACK_OVERFLOW", "TRIPLE_FAULT", "DEADLOCK", "HANG",
            "BUILD_FAIL"} <= seen
