"""Known-bad submissions: each must get the verdict, for the test, that its patch names."""
import asyncio

import pytest

from classroom import mutants
from course import lab
from judging.verdict import Verdict

PATCHES = mutants.patches()
GOOD_DIFF = """
--- a/labs/01-frames/frame.c
+++ b/labs/01-frames/frame.c
@@ -1,3 +1,3 @@
-/* SPDX-License-Identifier: MIT */
+/* SPDX-License-Identifier: none */
 /*
  * frame.c: owns all free physical memory. A binary buddy allocator.
"""


def name(patch):
    return f"{patch.parent.name}-{patch.stem}"


@pytest.fixture(scope="module")
def graded():
    """What became of all mutants, by patch. They are graded together, which is much faster."""
    return {mutant.patch: mutant for mutant in asyncio.run(mutants.grade(PATCHES))[0]}


@pytest.mark.parametrize("patch", PATCHES, ids=name)
def test_a_mutant_gets_its_verdict(patch, graded):
    mutant = graded[patch]
    assert (mutant.error, mutant.found) == ("", mutant.expected)
    assert mutant.is_caught


def test_there_are_mutants_of_every_kind():
    verdicts = {line.split()[1] for patch in PATCHES for line in mutants.header(patch)["Expect"]}
    assert verdicts == set(Verdict) - {"PASS", "NOT_IMPLEMENTED", "INFRA"}
    numbers = [int(patch.parent.name) for patch in PATCHES]
    assert all(numbers.count(number) >= least for number, least in {1: 15, 2: 15, 3: 8, 4: 15, 7: 15}.items())


@pytest.mark.parametrize("header, diff, error", [
    ("", GOOD_DIFF, "its header must be"),
    ("What: it is wrong\n", GOOD_DIFF, "its header must be"),
    ("Expect: frame.double_free_panics WRONG\n", GOOD_DIFF, "its header must be"),
    ("What: it is wrong\nExpect: frame.deaf WRONG\n", GOOD_DIFF, "lab 1 has no test frame.deaf"),
    ("What: it is right\nExpect: frame.double_free_panics PASS\n", GOOD_DIFF, "'PASS' is not"),
    ("What: it is ours\nExpect: frame.double_free_panics INFRA\n", GOOD_DIFF, "'INFRA' is not"),
    ("What: it is wrong\nExpect: frame.double_free_panics WRONG\n",
     GOOD_DIFF.replace("MIT", "MIT, once"), "FAILED"),
    ("What: it is right\nExpect: frame.double_free_panics WRONG\n", GOOD_DIFF, ""),
])
def test_what_is_not_a_mutant_is_not_caught(header, diff, error, tmp_path):
    patch = tmp_path / "01" / "x.patch"
    patch.parent.mkdir()
    patch.write_text(header + diff)
    (mutant,), _ = asyncio.run(mutants.grade([patch]))
    assert not mutant.is_caught
    assert error in mutant.error and bool(mutant.error) == bool(error)
    assert "0 of 1 caught" in mutants.summary([mutant], [])[-1]


def test_the_reference_is_graded_beside_them():
    found, (reference,) = asyncio.run(mutants.grade([], [lab.load(lab.available()[1])]))
    assert mutants.summary(found, [reference])[0] == \
        "lab 1: 0 of 0 caught; the reference has 100 of 100 points"
