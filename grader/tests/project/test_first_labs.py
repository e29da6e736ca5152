"""A handout of the first labs: every command on its pages can be typed in it."""
import fnmatch
import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from pages import PAGES, Page
from trees import LABS, unpacked

from course import handout
from course.table import LabError

NUMBERS = [each.number for each in LABS]
PLACEHOLDER = re.compile(r"…|\b(?:N|M|NN|NAME|name|file|function|PATH|DIR|FILE)\b")


@dataclass
class Handout:
    """What there is in one, by what commands call it."""
    path: Path

    @cached_property
    def labs(self) -> set[str]:
        return {str(int(path.name[:2])) for path in self.path.glob("labs/[0-9]*")}

    @cached_property
    def targets(self) -> set[str]:
        return set(re.findall(r"^([\w-]+):", (self.path / "Makefile").read_text(), re.M))

    @cached_property
    def kernel_tests(self) -> set[str]:
        return {f"{suite}.{name}" for file in self.path.glob("*/**/*_test.c")
                for suite, name in re.findall(r"KTEST\w*\((\w+), (\w+)", file.read_text())}

    @cached_property
    def graded_tests(self) -> set[str]:
        tables = [tomllib.loads(file.read_text()) for file in self.path.glob("labs/*/lab.toml")]
        return {test["name"] for table in tables for boot in table.get("boot", []) for test in boot["test"]}

    def has_tests(self, globs: str, known: set[str]) -> bool:
        return all(fnmatch.filter(known, glob) for glob in globs.split(","))

    def lacks(self, line: str) -> list[str]:
        """The words of a command that name what is not in it."""
        program, *words = shlex.split(line)
        if program == "make":
            return [word for word in words if not self._make_knows(word)]
        if program.startswith("grader/"):
            return [word for word in [program, *words] if not self._grader_knows(word, words)]
        return []

    def _make_knows(self, word: str) -> bool:
        name, given, value = word.partition("=")
        if not given:
            return word in self.targets or word.startswith("print-")
        if PLACEHOLDER.search(value):
            return True
        match name:
            case "LAB" | "FROM" | "TO":
                return value in self.labs
            case "VARIANT":
                return any(self.path.glob(f"labs/*/variants/{value}.patch"))
            case "TEST":
                return value == "nosuch" or self.has_tests(value, self.kernel_tests)
            case "PATCH":
                return (self.path / value).exists()
        return True

    def _grader_knows(self, word: str, words: list[str]) -> bool:
        before = words[words.index(word) - 1] if word in words[1:] else ""
        if word.isdecimal():
            return before in ("--jobs", "--repeat", "-j") or word in self.labs
        if before == "--test":
            return self.has_tests(word, self.graded_tests)
        return not word.startswith("grader/") or (self.path / word).exists()


def commands(page: Page) -> list[str]:
    """What a reader of a page may type at a shell: in blocks, and in sentences."""
    lines = [command.line for block in page.blocks if block.is_run for command in block.commands]
    return lines + [span for span in page.spans if re.match(r"make \S|grader/\S+ ", span)]


@pytest.fixture(scope="module", params=NUMBERS)
def first_labs(request, tmp_path_factory):
    """A handout up to each lab."""
    return Handout(unpacked(tmp_path_factory.mktemp("handout"), "--labs", f"0-{request.param}"))


def test_every_command_can_be_typed_in_it(first_labs):
    lacking = {(str(path.relative_to(first_labs.path)), line): words for path in first_labs.path.rglob("*.md")
               for line in commands(Page(path)) if (words := first_labs.lacks(line))}
    assert not lacking
    assert len(commands(Page(first_labs.path / "docs/kernel-options.md"))) > 8


def test_no_page_shows_a_mark(first_labs):
    assert not [path for path in first_labs.path.rglob("*.md") if "<!--" in path.read_text()]


def test_a_command_that_names_what_is_not_there_is_noticed(first_labs):
    number = max(map(int, first_labs.labs)) + 1
    for line, word in ((f"make run LAB={number}", f"LAB={number}"), ("make mutants", "mutants"),
                       ("make run LAB=0 TEST='none.*'", "TEST=none.*"), (f"grader/grade.py {number}", str(number)),
                       ("make run LAB=0 VARIANT=deaf", "VARIANT=deaf"), ("grader/mutants.py", "grader/mutants.py")):
        assert first_labs.lacks(line) == [word], line


def test_what_is_of_later_labs_is_left_out():
    text = "a\n\n<!-- from lab 2 -->\n\n## B\n\nb\n\n<!-- end -->\n\n- c\n  <!-- from lab 3 -->\n- d\n  <!-- end -->\n- e\n"
    assert handout.page(text, 1) == "a\n\n- c\n- e\n"
    assert handout.page(text, 2) == "a\n\n## B\n\nb\n\n- c\n- e\n"
    assert handout.page(text, 3) == "a\n\n## B\n\nb\n\n- c\n- d\n- e\n"


@pytest.mark.parametrize("text", ["<!-- from lab 2 -->\na\n", "a\n<!-- end -->\n",
                                  "<!-- from lab 2 -->\n<!-- from lab 3 -->\n<!-- end -->\n<!-- end -->\n"])
def test_a_mark_without_its_other_half_is_refused(text):
    with pytest.raises(LabError, match="a mark without its other half"):
        handout.page(text, 4)


def test_marks_name_labs_that_there_are():
    for page in PAGES:
        named = re.findall(r"<!-- from lab (\d+) -->", page.path.read_text())
        assert {int(number) for number in named} <= set(NUMBERS), page.name
