"""Hints: three steps for each exercise, none of them the answer, and who has read which."""
import json
import re
import subprocess

import pytest
from conftest import ROOT, grade

from course import hints, lab
from course.table import LabError

LABS = list(lab.available().values())
SHORT = 14                      # characters: a line that says no more is no solution


def exercises(path):
    """What a lab's own page asks for: the exercises in a table, and the steps that have none."""
    page = (path / "README.md").read_text()
    for section in page.split("\n## "):
        found = re.findall(r"^\| (\d\.\d+) \|", section, re.MULTILINE)
        if not found and (step := re.match(r"Step (\d): ", section)):
            found = [f"{int(path.name[:2])}.step{step[1]}"]
        yield from found


def words(text):
    return re.sub(r"\W+", " ", text).strip()


def solutions(path):
    """The lines that a lab's skeleton has not, and the answers of its reference."""
    for file in sorted(path.glob("*.c")):
        given = subprocess.run([ROOT / "labs/skeleton", file], text=True, stdout=subprocess.PIPE,
                               check=True).stdout.splitlines()
        yield from (line.strip() for line in file.read_text().splitlines() if line not in given)
    for file in path.glob("reference/*.toml"):
        yield from re.findall(r'^\w+ = (?:"(.+)"|\[.*\])$', file.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.name)
def test_each_exercise_has_three_hints_in_both_languages(path):
    found = hints.load(path)
    assert list(found) == list(exercises(path))
    for steps in found.values():
        assert set(steps) == set(hints.LANGUAGES)
        assert all(len(each) == hints.NR_STEPS and all(each) for each in steps.values())
        assert all(re.search(r"[\u4e00-\u9fff]", step) for step in steps["zh"])
        assert all(step.isascii() for step in steps["en"])


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.name)
def test_no_hint_has_a_line_of_a_solution(path):
    lines = {words(line) for line in solutions(path) if len(words(line)) >= SHORT}
    for steps in hints.load(path).values():
        for step in (*steps["en"], *steps["zh"]):
            assert not [line for line in lines if line in words(step)], step


@pytest.fixture
def tree(tmp_path):
    """Two labs that have hints."""
    for name, exercise in (("01-one", "1.1"), ("02-two", "2.1")):
        path = tmp_path / "labs" / name
        path.mkdir(parents=True)
        (path / hints.FILE).write_text(f'["{exercise}"]\nen = ["a", "b", "c"]\nzh = ["甲", "乙", "丙"]\n')
    return tmp_path


def test_each_call_shows_the_next_step_and_then_the_last(tree):
    assert [hints.take("1.1", "en", tree) for _ in range(4)] == \
        ["1.1, 1/3: a", "1.1, 2/3: b", "1.1, 3/3: c", "1.1, 3/3: c"]
    assert hints.take("2.1", "zh", tree) == "2.1, 1/3: 甲"
    assert (tree / "labs/01-one" / hints.READ).read_text() == hints.HEAD + "1.1 3\n"


@pytest.mark.parametrize("exercise", ["", "7.1", "1.2", "x", "../1"])
def test_there_is_no_hint_on_what_is_no_exercise(exercise, tree):
    with pytest.raises(LabError, match="there are hints on: 1.1, 2.1"):
        hints.take(exercise, "en", tree)


@pytest.mark.parametrize("text, found", [
    (b"", {}), (b"1.1 2\n", {"1.1": 2}), (b"# 1.1 2\n3.step2 1\n", {"3.step2": 1}), (b"1.1 2\r\n2.1 9\r\n", {"1.1": 2, "2.1": 3}),
    (b"\xff\xfe\n1.1\n1.1 0\n1.1 99\nno hints at all\n", {})])
def test_only_lines_that_say_what_was_read_count(text, found):
    assert hints.parse_read(text) == found


def test_make_hint_speaks_the_readers_language():
    read = ROOT / "labs/04-static-log" / hints.READ
    assert not read.exists()
    try:
        said = [subprocess.run(["make", "-s", "hint", *words], cwd=ROOT, text=True,
                               env={"PATH": "/usr/bin:/bin", "LANG": language}, capture_output=True,
                               check=False) for language, *words in (
            ("C.UTF-8", "EX=4.1"), ("zh_CN.UTF-8", "EX=4.1"), ("C.UTF-8",))]
    finally:
        read.unlink(missing_ok=True)
    assert said[0].stdout.startswith("4.1, 1/3: Where ") and said[1].stdout.startswith("4.1, 2/3: 顺序")
    assert said[2].returncode != 0 and \
        said[2].stderr.startswith("hint: on which exercise? Say make hint EX=2.1; there are hints on: 0.1,")


def test_what_was_read_goes_to_the_instructor(tmp_path):
    for name, text in (("04-static-log/log.c", "#error not yet\n"),
                       (f"04-static-log/{hints.READ}", "4.1 3\n4.2 1\n")):
        (tmp_path / "alice/labs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "alice/labs" / name).write_text(text)
    grade("--tree", str(tmp_path / "alice"), "4", directory=tmp_path)
    submission = json.loads((tmp_path / "grade.json").read_text())["submission"]
    assert submission["hints"] == {"4.1": 3, "4.2": 1} and submission["ignored"] == []
