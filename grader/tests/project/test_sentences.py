"""Labs 1 and 2: a contract is a test, and a test is a contract.

The head of each test file lists the sentences of the headers that it tests: the sentence on the
left, its tests on the right, where "…" stands for a part of a name.
"""
import re
from pathlib import Path

import pytest
from conftest import ROOT

from course import lab

LABS = [lab.load(lab.available()[number]) for number in (1, 2)]
LISTS = [file for each in LABS for file in sorted(each.path.glob("*_test.c"))
         if "tested here" in file.read_text()]


def ktests_in(file: Path) -> list[str]:
    """The names of a file's tests, without their suites."""
    return re.findall(r"^KTEST\(\w+, (\w+)\)", file.read_text(), re.MULTILINE)


TESTS = {name for file in LISTS for name in ktests_in(file)}


def named_in(file: Path) -> list[re.Pattern]:
    """What a file's list names, as patterns; words of a sentence are among them."""
    head = file.read_text().partition("tested here")[2].partition("*/")[0]
    right = [line.rpartition("  ")[2] for line in head.splitlines() if re.search(r"\S.*  ", line)]
    words = re.findall(r"(?<![\w(.])(?:heap\w*\.)?([a-z…][\w…]*)(?![\w(.])", "\n".join(right))
    return [re.compile(word.replace("…", r"\w*")) for word in words]


@pytest.mark.parametrize("each", LABS, ids=lambda each: each.name)
def test_a_test_that_has_points_stands_for_a_sentence(each):
    named = [pattern for file in LISTS for pattern in named_in(file)]
    for test in each.tests:
        suite, _, name = (test.ktest or "").partition(".")
        if suite == "frame" or suite.startswith("heap"):
            assert any(pattern.fullmatch(name) for pattern in named), test.name


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.stem)
def test_what_a_list_names_is_a_test(file):
    named = [pattern for pattern in named_in(file) if "_" in pattern.pattern or "w*" in pattern.pattern]
    assert named or ktests_in(file)
    for pattern in named:
        assert any(pattern.fullmatch(name) for name in TESTS), pattern.pattern


def test_no_test_of_frames_or_heap_is_worth_nothing():
    graded = {test.ktest for each in LABS for test in each.tests}
    for file in LISTS:
        for suite, name in re.findall(r"^KTEST\((\w+), (\w+)\)", file.read_text(), re.MULTILINE):
            assert suite == "pages" or f"{suite}.{name}" in graded, f"{file.name}: {suite}.{name}"


def test_the_headers_say_where_the_lists_are():
    for header in ("frame.h", "heap.h"):
        assert "Each sentence has a test by name" in (ROOT / "kernel" / header).read_text()
