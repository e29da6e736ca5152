"""A class graded by grade.py itself."""
import csv
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import slurm
from conftest import GRADER, ROOT
from processes import until

from course.lab import students_files
from machine.host import PREFIX
from reports import formats
from reports.results import read

SOME = "heap.contents,heap.double_free"         # of lab 2, to see that a recipe works


@pytest.fixture(scope="module")
def real_class(tmp_path_factory):
    """Full points, a known mistake, nothing done, an archive, a broken one, a link that leads nowhere."""
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
    (directory / "in/gone").symlink_to("nowhere")
    return directory


def verdicts(report):
    return {file.stem: {outcome.verdict for lab in read(file).labs for outcome in lab.outcomes}
            for file in report.glob("results/*.json")}


def check(report):
    """Is the right thing said of every one of real_class?"""
    found = verdicts(report)
    assert found["full"] == found["packed"] == {"PASS"}
    assert found["build"] == {"BUILD_FAIL"}
    assert found["nothing"] == found["broken"] == found["gone"] == {"NOT_IMPLEMENTED"}
    assert "WRONG" in found["mutant"] and "PASS" in found["mutant"]
    rows = csv.DictReader((report / "grades.csv").open(newline=""))
    points = {row["name"]: int(row["points"]) for row in rows}
    assert points.pop("mutant") in range(50, 100)
    assert points == {"full": 100, "packed": 100, "build": 0, "nothing": 0, "broken": 0, "gone": 0}


def test_a_class_end_to_end(real_class):
    command = [sys.executable, GRADER / "grade.py", "class", "in", "-j", "2", "--out", "report",
               "--lab", "2"]
    first = subprocess.run(command, cwd=real_class, text=True, capture_output=True)
    assert first.returncode == 1, first.stdout + first.stderr       # for broken.zip and the like
    assert "3 with nothing to grade: broken, gone, nothing" in first.stdout
    check(real_class / "report")
    assert "report/index.html" in first.stdout


def recipe(name):
    """A block of the page by its name, as it stands there."""
    text = (ROOT / "docs/instructor/class.md").read_text().partition(f"```sh {name}\n")[2].partition("```")[0]
    assert text
    return text


def follow(name, place, environment=os.environ):
    """Types a block of the page at a shell."""
    return subprocess.Popen(["bash", "-e", "-c", recipe(name)], cwd=place, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**environment, "OUROBOROS": str(ROOT), "LABS": f"2 --test {SOME}"})


def check_some(report):
    """The same as check() for the tests that a recipe has run."""
    found = verdicts(report)
    assert found["full"] == found["packed"] == {"PASS"} and found["build"] == {"BUILD_FAIL"}
    assert found["nothing"] == found["broken"] == found["gone"] == {"NOT_IMPLEMENTED"} and found["mutant"] == {"PASS", "WRONG"}


@pytest.fixture
def again(real_class):
    """The class without results, and with a file that is nobody's."""
    shutil.rmtree(real_class / "report", ignore_errors=True)
    (real_class / "in/NOTES.txt").write_text("ask bob\n")
    return real_class


# What several students get wrong in one way, each on a line of their own, or in a program of their own.
SAME = {
    "does not compile": {"ann": "int x = ;\n", "bea": "\n/* mine */\n\nint x = ;\n"},
    "does not link": {"cam": "void frame_init(void) { nowhere(); }\n",
                      "dan": "\n\n/* of Dan */ void frame_init(void)\n{\n\tnowhere();\n}\n"},
    "reads what it may not": {"eli": 'asm(".incbin \\"kernel/heap.c\\"");\n', "fay": '\n\nasm(".incbin \\"kernel/heap.c\\"");\n'},
    "includes what is not there": {"gus": '#include "mine.h"\n', "hal": '\n\n#include "mine.h"\n'},
    "names its file": {"ida": "#error in file\nconst char *const here = __FILE__;\n",
                       "jon": "\n#error in file\nconst char *const here = __BASE_FILE__;\n"},
}
FRAME = "labs/01-frames/frame.c"


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """A class in which each mistake is made twice, graded. Return: the report, and all that was said."""
    directory = tmp_path_factory.mktemp("alike")
    texts = {name: text for students in SAME.values() for name, text in students.items()}
    mutant = (ROOT / "grader/mutants/01/no-coalescing.patch").read_text()
    for name in ("kim", "leo"):
        tree = directory / "in" / name
        (tree / FRAME).parent.mkdir(parents=True)
        shutil.copy(ROOT / FRAME, tree / FRAME)
        subprocess.run(["patch", "-s", "-p1"], cwd=tree, input=mutant, text=True, check=True)
        texts[name] = (tree / FRAME).read_text()
    texts["leo"] = "/*\n * By Leo.\n */\n\n" + texts["leo"]
    for name, text in texts.items():
        (directory / "in" / name / FRAME).parent.mkdir(parents=True, exist_ok=True)
        (directory / "in" / name / FRAME).write_text(text)
    private = directory / "of-our-own"
    private.mkdir()
    done = subprocess.run([sys.executable, GRADER / "grade.py", "class", "in", "-j", "2", "--out", "report", "--lab", "1"],
                          cwd=directory, text=True, capture_output=True, check=False,
                          env=os.environ | {"TMPDIR": str(private)})
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "report", done.stdout + done.stderr


def test_the_same_mistake_of_two_students_is_one_cluster_on_the_page(alike):
    report, _ = alike
    page = (report / "index.html").read_text()
    clusters = {frozenset(re.findall(r'<a href="#s\d+">(\w+)</a>', names)) for names in re.findall(
        r'<ul class="names">(.*?)</ul>', page.partition("<h2>Points</h2>")[0], re.DOTALL)}
    for what, students in SAME.items():
        assert frozenset(students) in clusters, (what, clusters)
    assert frozenset({"kim", "leo"}) in clusters
    assert all(len(names) == 2 for names in clusters), clusters
    assert "Failures of one submission each" not in page


def test_nothing_that_is_said_has_the_path_of_a_temporary_tree(alike):
    report, said = alike
    outputs = {str(file): file.read_text() for file in report.rglob("*") if file.is_file()} | {"said": said}
    assert len(outputs) > 2 * len(SAME) * 2
    for name, text in outputs.items():
        assert "of-our-own" not in text and PREFIX not in text, name


def test_no_form_of_a_result_has_one_whatever_fails(tmp_path):
    """A file that does not build, and a QEMU that says all that it was told."""
    for name in ("of-our-own", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/qemu-system-x86_64").write_text('#!/bin/sh\necho "cannot open $*" >&2\nexit 1\n')
    (tmp_path / "bin/qemu-system-x86_64").chmod(0o755)
    environment = os.environ | {"TMPDIR": str(tmp_path / "of-our-own")}
    for number, (words, text) in enumerate([
            ({}, "int x = ;\n"), ({"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, (ROOT / FRAME).read_text())]):
        tree = tmp_path / str(number)
        (tree / FRAME).parent.mkdir(parents=True)
        (tree / FRAME).write_text(text)
        files = {name: tree / f"out.{name}" for name in formats.FORMATS}
        done = subprocess.run(
            [sys.executable, GRADER / "grade.py", "--tree", tree, "1", "--test", "frame.double_free_panics",
             *(word for name, file in files.items() for word in (f"--{name}", file))],
            text=True, capture_output=True, check=False, env=environment | words)
        assert done.returncode == (3 if words else 1), done.stdout + done.stderr
        for output in [done.stdout, done.stderr, *(file.read_text() for file in files.values())]:
            assert "of-our-own" not in output and PREFIX not in output, output


@pytest.mark.skipif(not shutil.which("parallel"), reason="GNU parallel is not installed")
def test_the_recipe_for_gnu_parallel(again):
    """Given again, it grades whoever has no result that can be kept, and nobody else."""
    done = follow("parallel", again)
    output = done.communicate()[0]
    assert done.returncode == 0, output
    check_some(again / "report")
    assert Path(again / "report/index.html").exists() and not (again / "report/results/NOTES.json").exists()
    results = {file.stem: file for file in again.glob("report/results/*.json")}
    kept = results["full"].stat().st_mtime_ns
    results["build"].unlink()
    results["nothing"].write_text(results["nothing"].read_text().replace('"infra": false', '"infra": true'))
    done = follow("parallel", again)
    assert done.communicate() and done.returncode == 0
    check_some(again / "report")
    assert results["full"].stat().st_mtime_ns == kept


@pytest.mark.skipif(not slurm.is_here(), reason="Slurm is not installed, or this is not root")
def test_the_recipe_for_slurm(again, tmp_path):
    """One task is cancelled, a node fails; the recipe says so, and given again, it makes the rest good."""
    (again / "grade.sbatch").write_text(recipe("grade.sbatch"))
    with slurm.Cluster(tmp_path) as cluster:
        def working():
            return [line.split() for line in cluster.run(
                "squeue", "-h", "-r", "-t", "running", "-o", "%F_%K %K").splitlines()]

        first = follow("slurm", again, cluster.environment)
        until(lambda: [*again.glob("report/logs/*")])
        (task, number), *_ = until(working)
        cluster.run("scancel", task)
        until(lambda: [each for each in working() if each[1] != number])
        cluster.kill_node()
        cluster.start_node()
        output = first.communicate()[0]
        assert first.returncode == 3 and "to be graded again" in output, output
        second = follow("slurm", again, cluster.environment)
        output = second.communicate()[0]
        assert second.returncode == 0, output
    check_some(again / "report")
    assert {file.stem for file in again.glob("report/logs/*")} == set(verdicts(again / "report"))
