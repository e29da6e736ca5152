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


@pytest.mark.parametrize("data, line, words", [
    (b'entry = ""\nlimit = 4 2\n', 2, "not valid TOML: Expected newline or end of document"),
    (b'\n\nentry = "\n', 3, "not valid TOML: "),
    (b'entry = ""\nlimit = [1,', 2, "not valid TOML: "),
    (b"entry = 1\nentry = 1\n", 2, "not valid TOML: Cannot overwrite a value"),
    (b"entry = 1\n# caf\xe9\n", 2, "not UTF-8"),
])
def test_answers_that_cannot_be_read_are_wrong(questions, data, line, words, tmp_path):
    chosen = questions(data)
    graded = asyncio.run(grading.Grader(Builder(tmp_path, conduct.inspect, Tree(tmp_path)), asyncio.Semaphore(1),
                                         grading.Watcher())
                         .grade([grading.Task(chosen, chosen.tests, None)]))[0]
    assert graded.points == 0
    for score in graded.scores:
        assert score.finding.verdict is Verdict.WRONG
        assert f"answers.toml:{line}: {words}" in score.finding.detail


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
