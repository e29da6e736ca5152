"""The handout's skeleton, and what becomes of it as one exercise after the other is solved."""
import re
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, grade

from course import lab
from course.lab import students_files

MOST = 40           # points that one exercise may bring; less than half

GIVEN = ("alias_sweep.", "rescue_fails.")     # tests of a file that is handed out whole, with errors in it

LABS = [number for number, path in lab.available().items() if lab.load(path).sources or lab.load(path).model]


def exercises(up_to):
    """The exercises of the labs up to one, in order."""
    paths = [path for number, place in lab.available().items() if number <= up_to for path in lab.load(place).paths]
    found = {number for path in paths
             for number in re.findall(r"(?:/\*|#) BEGIN SOLUTION (\d+\.\d+)", (ROOT / path).read_text())}
    mended = {given.parent.name.replace("-", ".") for path in paths for given in (ROOT / path).parent.glob(f"given/*/{Path(path).name}")}
    return sorted(found | mended)


def submission(solved, directory):
    """Writes what a student hands in who has solved these exercises. Return: the directory."""
    for name in students_files():
        file = directory / "submission" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(subprocess.run([ROOT / "labs/skeleton", ROOT / name, *solved],
                                        stdout=subprocess.PIPE, check=True).stdout)
    return directory / "submission"


def grade_solved(solved, directory, *arguments):
    """Grades such a submission. Return: the exit status, and the labs with their numbers."""
    status, labs, output = grade("--tree", str(submission(solved, directory)), *arguments,
                                 directory=directory)
    assert labs, output
    return status, {graded["lab"]: graded for graded in labs}


def test_the_skeleton_gets_nothing(tmp_path):
    status, labs = grade_solved([], tmp_path)
    assert status == 1 and set(labs) == set(lab.available())
    for graded in labs.values():
        assert graded["points"] == 0
        verdicts = {test["verdict"] for test in graded["tests"] if not test["name"].startswith(GIVEN)}
        assert verdicts == {"NOT_IMPLEMENTED"}, graded


def points_in_handout(exercise):
    """What the lab's own page says that an exercise brings: the last column of its row."""
    number = int(exercise.partition(".")[0])
    page = (lab.available()[number] / "README.md").read_text()
    return int(re.search(rf"^\| {re.escape(exercise)} \|.*\| (\d+) \|$", page, re.MULTILINE)[1])


def written(number):
    """The points of what is written: the rest is for answers, and boots that are predicted."""
    chosen = lab.load(lab.available()[number])
    tests = [test for boot in chosen.boots if not boot.predict for test in boot.tests]
    return sum(test.points for part in (chosen.model, chosen.proofs) if part for test in [*part.tests]) \
        + sum(test.points for test in tests)


@pytest.mark.parametrize("number", LABS)
def test_each_exercise_raises_the_points(number, tmp_path):
    all_exercises, points = exercises(number), 0
    for index, exercise in enumerate(all_exercises):
        if not exercise.startswith(f"{number}."):
            continue
        _, labs = grade_solved(all_exercises[:index + 1], tmp_path, str(number))
        gained = labs[number]["points"] - points
        assert gained > 0 and gained == points_in_handout(exercise), (exercise, labs[number])
        assert gained <= MOST, (exercise, gained)
        points = labs[number]["points"]
    assert points == written(number)


def test_what_is_solved_later_takes_nothing_away(tmp_path):
    _, labs = grade_solved(exercises(max(LABS)), tmp_path)
    assert {number: labs[number]["points"] for number in LABS} == \
        {number: written(number) for number in LABS}
