"""The files for Autolab, PrairieLearn and VPL, run as these run them, with a grader that ends as told."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import GRADER
from readers import read_autolab, read_prairielearn, read_vpl

from judging.verdict import Verdict
from reports import formats

# Writes what is in ../answer to the file after --FORMAT, if it has anything, and ends with its status.
GRADE = """import sys
from pathlib import Path
lab, tree, handed_in, option, file = sys.argv[1:]
assert (lab, tree) == ("02-heap", "--tree") and Path(handed_in).exists(), sys.argv
answer = Path(__file__).parent / "answer"
if answer.exists():
    Path(file).write_text(answer.read_text())
    assert option == (Path(__file__).parent / "option").read_text()
sys.exit(int((Path(__file__).parent / "status").read_text()))
"""


def a_result(verdict):
    passed = verdict is Verdict.PASS
    test = {"name": "heap.large", "about": "", "verdict": verdict, "points": 4 if passed else 0, "max": 4,
            "detail": "", "cause": "", "console": [], "run": "", "debug": "", "own": None, "reference": None}
    return {"schema": "ouroboros-grade/1", "submission": None, "error": None, "sandbox": "",
            "infra": verdict is Verdict.INFRA, "points": test["points"], "max": 4,
            "labs": [{"lab": 2, "name": "02-heap", "title": "The heap", "notes": [], "tests": [test],
                      "points": test["points"], "max": 4}]}


def a_tree(tree: Path, option, verdict, status, what):
    (tree / "grader").mkdir(parents=True)
    shutil.copy2(GRADER / "find-python", tree / "grader")
    shutil.copytree(GRADER / "prairielearn", tree / "grader/prairielearn")
    (tree / "grader/grade.py").write_text(what)
    (tree / "grader/status").write_text(str(status))
    (tree / "grader/option").write_text(f"--{option}")
    if verdict:
        (tree / "grader/answer").write_text(formats.FORMATS[option](a_result(verdict)))
    return tree


def run(*words, directory, **environment):
    return subprocess.run([str(word) for word in words], cwd=directory, text=True, capture_output=True,
                          check=False, env=os.environ | environment).stdout


def on_autolab(directory, *how):
    """The score of the lab's problem; None for no score."""
    a_tree(directory / "ouroboros", "autolab", *how)
    run("tar", "-cf", "autograde.tar", "ouroboros", directory=directory)
    shutil.rmtree(directory / "ouroboros")
    shutil.copy(GRADER / "autolab/autograde-Makefile", directory / "Makefile")
    (directory / "handin.zip").touch()
    _, scores = read_autolab(run("make", "SECONDS=1", directory=directory))
    return scores["02-heap"]


def on_prairielearn(directory, *how):
    tree = a_tree(directory / "ouroboros", "prairielearn", *how)
    (directory / "student").mkdir()
    run(tree / "grader/prairielearn/grade", "02-heap", "1", directory, directory=directory)
    result = read_prairielearn((directory / "results/results.json").read_text())
    return result["score"] * 4 if result["gradable"] else None


def on_vpl(directory, *how):
    tree = a_tree(directory / "installed", "vpl", *how)
    work = directory / "work"
    (work / "labs").mkdir(parents=True)
    (work / "labs/my heap.c").touch()
    (work / "vpl_environment.sh").write_text(
        '#!/bin/bash\nexport VPL_MAXTIME=2\nexport VPL_SUBFILES="labs/my heap.c\n"\n')
    run(GRADER / "vpl/vpl_evaluate.sh", directory=work)
    printed = run(work / "vpl_execution", directory=work, TREE=str(tree))
    assert (work / "handed-in/labs/my heap.c").exists()
    if "<|--" in printed:
        return read_vpl(printed)[2]
    assert printed == "Comment :=>>NOT FINAL: the instructor must run the grader again.\n"
    return None


@pytest.mark.parametrize("verdict, status, points, grade", [
    (Verdict.PASS, 0, 4, GRADE), (Verdict.WRONG, 1, 0, GRADE), (Verdict.INFRA, 3, None, GRADE),
    (None, 1, None, GRADE), (None, 0, None, "syntax error"),
    (None, 0, None, "import time; time.sleep(1000)"),
], ids=["passed", "lost", "INFRA", "no result", "broken", "endless"])
@pytest.mark.parametrize("platform", [on_autolab, on_prairielearn, on_vpl])
def test_a_platform_gets_the_points_and_never_a_zero_for_what_was_not_judged(
        platform, verdict, status, points, grade, tmp_path):
    assert platform(tmp_path, verdict, status, grade) == points
