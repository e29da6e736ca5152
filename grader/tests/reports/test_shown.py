"""What a person at a terminal is shown of a result."""
import io

import pytest
from conftest import ROOT
from rich.console import Console

from course import lab
from judging.result import LabScore, Score
from judging.verdict import PASSED, Finding, Verdict
from reports import terminal as report

COMMAND = "make run LAB=2 LOG=debug PATCH=a/patch/with/a/name/that/is/quite/long.patch TEST=heap.a"


def shown(*scores, width=80, labs=1):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    lab_2 = lab.Lab(2, ROOT / "labs/02-heap", "The heap", (), "", ())
    report.show(console, [LabScore(lab_2, list(scores))] * labs, False)
    return console.file.getvalue()


def score(finding, name="heap.a", about="what it is about", run=COMMAND):
    return Score(lab.Test(name, 10, about), finding, run)


@pytest.mark.parametrize("width", [20, 60, 80, 100, 200])
def test_points_verdict_and_name_are_never_cut(width):
    name = "frame.free_blocks_are_as_large_as_can_be_whatever_came_before"
    lines = shown(score(PASSED, name), score(Finding(Verdict.NOT_IMPLEMENTED, "x"), "heap.b"),
                  width=width).splitlines()
    assert lines[1].startswith(f"  10/10  PASS             {name}")
    assert lines[2].startswith("   0/10  NOT_IMPLEMENTED  heap.b")
    assert ("what it" in lines[1]) == ("what it is about" in lines[1]) == (width == 200)


@pytest.mark.parametrize("width", [20, 80, 200])
def test_the_command_is_a_line_of_its_own(width):
    assert f"\n    {COMMAND}\n" in shown(score(Finding(Verdict.WRONG, "x")), width=width)


def test_one_cause_is_explained_once():
    text = shown(*(score(Finding(Verdict.PANIC, f"along {number}", cause="here"), f"heap.{number}")
                   for number in range(29)), score(Finding(Verdict.PANIC, "elsewhere"), "heap.z"))
    assert "PANIC heap.0, heap.1, heap.2 and 26 more\n" in text
    assert "PANIC heap.z\n" in text
    assert "along 0" in text and "along 1" not in text and text.count(COMMAND) == 2


def test_the_scores_are_the_last_lines():
    bad = score(Finding(Verdict.WRONG, "x"))
    line = "Lab 2 · The heap  0/10"
    assert shown(bad).splitlines()[-2:] == ["", line]
    assert shown(bad, labs=2).splitlines()[-3:] == [line, line, "All labs  0/20"]
    assert shown(score(PASSED), labs=2).count("10/10") == 2      # and not again


def test_a_question_is_not_what_was_expected():
    question = Score(lab.Question("answers.x", 10, "where it starts", "x", "elf.entry"),
                     Finding(Verdict.WRONG, "x = 5"))
    assert "question  where it starts" in shown(question)
    assert "expected  what it is about" in shown(score(Finding(Verdict.WRONG, "x")))
