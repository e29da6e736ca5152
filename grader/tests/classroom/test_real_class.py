"""A class graded by grade.py itself."""
import csv
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from conftest import GRADER, ROOT

from course.lab import students_files
from reports.results import read


@pytest.fixture(scope="module")
def real_class(tmp_path_factory):
    """Five students: full points, a known mistake, nothing done, an archive, a broken one."""
    directory = tmp_path_factory.mktemp("class")
    reference = {name: (ROOT / name).read_bytes() for name in students_files()}
    heap = "labs/02-heap/heap.c"
    for name, files in {"full": reference, "build": reference | {heap: b"int x = ;\n"},
                        "nothing": {heap: None}, "packed": reference}.items():
        for path, contents in files.items():
            if contents is not None:
                (directory / "in" / name / path).parent.mkdir(parents=True, exist_ok=True)
                (directory / "in" / name / path).write_bytes(contents)
        (directory / "in" / name / "labs").mkdir(parents=True, exist_ok=True)
    mutant = directory / "in/mutant"
    shutil.copytree(directory / "in/full", mutant)
    patch = ROOT / "grader/mutants/02/double-free-unnoticed.patch"
    subprocess.run(["patch", "-s", "-p1", "-i", patch], cwd=mutant, check=True)
    with tarfile.open(directory / "in/packed.tar.gz", "w:gz") as archive:
        archive.add(directory / "in/packed", "packed")
    shutil.rmtree(directory / "in/packed")
    with zipfile.ZipFile(directory / "broken.zip", "w") as archive:
        archive.writestr("a", b"x" * 1000)
    (directory / "in/broken.zip").write_bytes((directory / "broken.zip").read_bytes()[:60])
    return directory


def verdicts(report):
    return {file.stem: {outcome.verdict for lab in read(file).labs for outcome in lab.outcomes}
            for file in report.glob("results/*.json")}


def check(report):
    """Is the right thing said of every one of real_class?"""
    found = verdicts(report)
    assert found["full"] == found["packed"] == {"PASS"}
    assert found["build"] == {"BUILD_FAIL"}
    assert found["nothing"] == found["broken"] == {"NOT_IMPLEMENTED"}
    assert "WRONG" in found["mutant"] and "PASS" in found["mutant"]
    rows = csv.DictReader((report / "grades.csv").open(newline=""))
    points = {row["name"]: int(row["points"]) for row in rows}
    assert points.pop("mutant") in range(50, 100)
    assert points == {"full": 100, "packed": 100, "build": 0, "nothing": 0, "broken": 0}


def test_a_class_end_to_end(real_class):
    command = [sys.executable, GRADER / "grade.py", "class", "in", "-j", "2", "--out", "report",
               "--lab", "2"]
    first = subprocess.run(command, cwd=real_class, text=True, capture_output=True)
    assert first.returncode == 1, first.stdout + first.stderr       # for broken.zip
    assert "2 with nothing to grade: broken, nothing" in first.stdout
    check(real_class / "report")
    assert "report/index.html" in first.stdout


@pytest.mark.skipif(not shutil.which("parallel"), reason="GNU parallel is not installed")
def test_the_recipe_for_gnu_parallel(real_class):
    recipe = (ROOT / "docs/instructor/class.md").read_text().partition("```sh parallel\n")[2].partition("```")[0]
    assert "parallel" in recipe
    done = subprocess.run(["bash", "-e", "-c", recipe], cwd=real_class, text=True,
                          capture_output=True, env={**os.environ, "OUROBOROS": str(ROOT), "LABS": "2"})
    assert done.returncode == 0, done.stdout + done.stderr
    check(real_class / "report")
    assert Path(real_class / "report/index.html").exists()
