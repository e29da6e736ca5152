"""docs/instructor/answers.md: every question and challenge has an answer, and its citations are true."""
import re

import citations
import pytest
from conftest import ROOT

from course import lab

TEXT = citations.PAGE.read_text()
LABS = list(lab.available().values())


@pytest.mark.parametrize("file, number, part", citations.CITATION.findall(TEXT))
def test_a_citation_is_true(file, number, part):
    assert int(number) in citations.lines_with(file, part), f"python3 grader/tests/citations.py; {part}"


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.name)
def test_each_question_and_challenge_has_an_answer_that_cites(path):
    page = (path / "README.md").read_text()
    questions = re.findall(r"^(\d)\. ", re.split(r"^## Questions.*$", page, flags=re.M)[1].partition("\n## ")[0], re.M)
    section = re.split(rf"^## Lab {int(path.name[:2])}$", TEXT, flags=re.M)[1].partition("\n## ")[0]
    answers = re.split(r"^\*\*(Question \d|Challenge)\.\*\* ", section, flags=re.M)[1:]
    assert answers[::2] == [*(f"Question {number}" for number in questions), "Challenge"]
    assert "hallenge" in page
    for name, answer in zip(answers[::2], answers[1::2]):
        assert name == "Challenge" or citations.CITATION.search(answer), name


def test_a_citation_that_moved_finds_its_line():
    match = citations.CITATION.match("`kernel/log.h:1` `void log_dump(void);`")
    number, = citations.lines_with("kernel/log.h", "void log_dump(void);")
    assert citations.nearest(match) == f"`kernel/log.h:{number}` `void log_dump(void);`"
    assert (ROOT / "kernel/log.h").read_text().splitlines()[number - 1] == "void log_dump(void);"
