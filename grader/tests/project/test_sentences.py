"""A contract is a test, and a test is a contract.

sentences.toml has each sentence of the labs' headers with its tests, or with the reason why it has
none. The head of each test file of labs 1 and 2 lists the sentences that it tests: the sentence on
the left, its tests on the right, where "…" stands for a part of a name.
"""
import re
import tomllib
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


# ---- each sentence of a header

SENTENCES = tomllib.loads(Path(__file__).with_name("sentences.toml").read_text())


def sentences(header: str) -> list[str]:
    """
    The sentences of a header's comments, each as one line. Those that every header has are left
    out: its title, and whatever test_contracts.py tests.
    """
    found: list[str] = []
    for comment in re.findall(r"/\*(.*?)\*/", header, re.DOTALL):
        lines = [re.sub(r"^\s*\* ?", "", line) for line in comment.splitlines()]
        text = "\n".join("" if line.startswith("    ") else re.sub(r"^ *- ", "\n", line) for line in lines)
        for paragraph in re.split(r"\n\s*\n", text):
            rest = re.sub(r"SPDX.*|\w+\.h: [^.]*\.|Locks: .*Callable from:\s[^.]*\.", "", paragraph, flags=re.DOTALL)
            found += re.split(r"(?<=[^.]\.)\s+|;\s+|:\n", rest)
    return [" ".join(sentence.split()).rstrip(":") for sentence in found if sentence.strip()]


def flaws(header: str, entries: dict[str, list[str] | str]) -> list[str]:
    """Which sentences have no entry, and which entries have no sentence."""
    said = sentences(header)
    return ([f"no entry: {sentence}" for sentence in said if not sentence.startswith(tuple(entries))]
            + [f"no sentence: {entry}" for entry in entries
               if not any(sentence.startswith(entry) for sentence in said)])


@pytest.mark.parametrize("name", SENTENCES)
def test_each_sentence_has_a_test_or_a_reason(name):
    assert flaws((ROOT / "kernel" / name).read_text(), SENTENCES[name]) == []


def test_a_sentence_without_a_test_is_noticed():
    header = "/*\n * It is so. It may\n * be; it\n * is not:\n *  - Never.\n */\nint a; /* An a. */"
    assert sentences(header) == ["It is so.", "It may be", "it is not", "Never.", "An a."]
    assert flaws(header, {"It is so": "", "It may be": "", "it is not": "", "Never": "", "But": ""}) == [
        "no entry: An a.", "no sentence: But"]


def test_what_stands_for_a_sentence_is_a_test():
    tests = {f"{suite}.{name}" for file in ROOT.glob("**/*_test.c")
             for suite, name in re.findall(r"^KTEST\((\w+), (\w+)\)", file.read_text(), re.MULTILINE)}
    tests |= {test.name.partition("@")[0] for number in lab.available()
              for test in lab.load(lab.available()[number]).tests}
    tests |= {f"pytest.{name}" for file in ROOT.glob("grader/tests/**/test_*.py")
              for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    known = tests | {test.partition(".")[2] for test in tests}
    named = {name for entries in SENTENCES.values() for entry in entries.values()
             if isinstance(entry, list) for name in entry}
    assert named <= known, named - known
