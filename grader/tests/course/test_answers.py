"""answers.toml: which answers are graded, and that a file which cannot be read is named with its line."""
import asyncio

import pytest

from course import answers, lab
from course.build import Builder, Tree
from judging import conduct, grading
from judging.verdict import Verdict


@pytest.fixture
def questions(tmp_path):
    """A function that makes a lab of two questions whose answers.toml holds these bytes."""
    def make(data):
        path = tmp_path / "labs" / "00-questions"
        (path / "reference").mkdir(parents=True)
        (path / "reference" / "answers.toml").write_text("entry = 1\nlimit = 42\n")
        if data is not None:
            (path / "answers.toml").write_bytes(data)
        (path / "lab.toml").write_text('''
title = "Questions"
files = ["answers.toml"]
boots_to = ""
[answers]
file = "answers.toml"
question = [
  { name = "answers.entry", points = 50, key = "entry", fact = "constant:1" },
  { name = "answers.limit", points = 50, key = "limit", fact = "constant:42" },
]
''')
        return lab.load(path)
    return make


def judged(chosen, directory):
    """The verdicts on both answers, of a machine that shows 1 and 42."""
    grader = grading.Grader(Builder(directory, conduct.inspect, Tree(directory)),
                            asyncio.Semaphore(1), grading.Watcher())
    given = answers.read(chosen, directory)
    return [grader._judge_answer(question, given, measured)
            for question, measured in zip(chosen.questions, (1, 42))]


@pytest.mark.parametrize("data, line, words", [
    (b'entry = 1\nlimit = 4 2\n', 2, "not valid TOML: Expected newline or end of document"),
    (b'\n\nlimit = "\n\nentry = 1', 3, "not valid TOML: "),
    (b'entry = 1\nlimit = [1,', 2, "not valid TOML: "),
    (b"limit = 42\nlimit = 42\nentry = 0x1\n", 2, "not valid TOML: it is there twice"),
    (b'\xef\xbb\xbflimit = Forty\r\nentry = 1\r\n', 1, "not valid TOML: "),
])
def test_each_entry_is_judged_by_itself(questions, data, line, words, tmp_path):
    """One that cannot be read is wrong, and its line is named; the others count."""
    entry, limit = judged(questions(data), tmp_path)
    assert (entry.verdict, limit.verdict) == (Verdict.PASS, Verdict.WRONG)
    assert f"answers.toml:{line}: {words}" in limit.detail


@pytest.mark.parametrize("data", [
    b"entry = 1\nlimit = 42\n# caf\xe9\n", b"\xef\xbb\xbfentry = 1\r\nlimit = 42\r\n",
    "entry = 1\r\nlimit = 42".encode("utf-16"), b"I wrote:\nentry = 1\nlimit = 42\n",
], ids=["latin-1-comment", "byte-order-mark", "utf-16", "a-line-that-is-no-entry"])
def test_what_an_editor_makes_of_a_file_costs_nothing(questions, data, tmp_path):
    assert [finding.verdict for finding in judged(questions(data), tmp_path)] == 2 * [Verdict.PASS]


def test_a_file_that_cannot_be_read_is_wrong(questions, tmp_path):
    chosen = questions(None)
    (tmp_path / "labs/00-questions/answers.toml").mkdir()
    for finding in judged(chosen, tmp_path):
        assert finding.verdict is Verdict.WRONG and "Is a directory" in finding.detail


@pytest.mark.parametrize("data, values, words", [
    (b'entry = ""\nlimit = ""\n', {"entry": 1, "limit": 42}, "has no answer in it"),
    (None, {"entry": 1, "limit": 42}, "has no answer in it"),
    (b'entry = ""\nlimit = 3\n', {"entry": "", "limit": 3}, ""),
    (b'entri = 5\nlimit = ""\n', {"entri": 5, "limit": ""},
     "no question is called 'entri'; there are: entry, limit"),
])
def test_which_answers_are_graded(questions, data, values, words, tmp_path):
    given = answers.read(questions(data), tmp_path)
    assert (given.values, given.trouble) == (values, "")
    assert words in "\n".join(given.notes) and len(given.notes) == bool(words)
