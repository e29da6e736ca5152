"""grade.py as a program: its exit status, its JSON, and what it does when things go wrong."""
import re
import subprocess
import sys

import pytest
from conftest import GRADER, ROOT, grade
from processes import DEADLINE
from trees import copied

from course.workspace import without_solutions

LAB_0 = "boot.monitor"      # a cheap test of lab 0


def run(*arguments):
    return subprocess.run([sys.executable, str(GRADER / "grade.py"), *arguments], cwd=ROOT,
                          text=True, capture_output=True, check=False)


@pytest.mark.parametrize("arguments, message", [
    (["99"], "there is no lab '99'; there are: 00-boot"),
    (["--lab", "nine"], "there is no lab 'nine'"),
    (["0", "--test", "no.such"], "no test no.such"),
    (["0", "--variant", "muted"], "no variant muted"),
    (["3", "--patch", "missing.patch"], "no such file"),
    (["0", "--test", "boot.monitor,boot.misspelt"], "no test boot.misspelt"),
    (["--jobs", "0"], "at least 1"),
    (["--repeat", "0"], "at least 1"),
    (["--tree", "no-such-submission"], "no such file"),
    (["--tree", ".", "--keep", "labs"], "exists already"),
    (["--keep", "new"], "say --tree as well"),
    (["--tree", ".", "--patch", "x.patch"], "not allowed with"),
    (["--json", "no/such/directory/x.json"], "no directory no/such/directory"),
    (["--nonsense"], "unrecognized"),
])
def test_a_wrong_call_says_what_is_wrong(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_full_points_give_0_and_this_json(tmp_path):
    status, labs, output = grade("0", "--test", LAB_0, directory=tmp_path)
    assert status == 0, output
    points = labs[0]["max"]
    (test,) = labs[0].pop("tests")
    assert labs == [{"lab": 0, "name": "00-boot", "title": "The machine and its tools", "points": points,
                     "max": points, "notes": [], "heap": "own"}]
    about = test.pop("about")
    assert about and test == {
        "name": LAB_0, "verdict": "PASS", "points": points, "max": points, "detail": "",
        "cause": "", "console": [], "run": "", "debug": "", "own": None, "reference": None}


PATCH = """\
--- a/labs/03-deadlock/rescue.c
+++ b/labs/03-deadlock/rescue.c
@@ -1,1 +1,1 @@
-/* this line is not there */
+/* nor is this */
"""


def test_a_patch_that_does_not_apply_is_our_fault(tmp_path):
    (tmp_path / "bad.patch").write_text(PATCH)
    status, labs, output = grade("3", "--test", "boot.info", "--patch",
                                 str(tmp_path / "bad.patch"), directory=tmp_path)
    assert status == 3, output
    assert [test["verdict"] for test in labs[0]["tests"]] == ["INFRA"]


def test_a_machine_without_qemu_is_not_the_students_fault(tmp_path):
    (tmp_path / "bin").mkdir()
    for tool in ("make", "sh", "env"):
        (tmp_path / "bin" / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run([sys.executable, str(GRADER / "grade.py"), "0", "--test", LAB_0],
                          cwd=ROOT, env={"PATH": str(tmp_path / "bin")}, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 3
    assert "INFRA" in done.stdout


def test_a_failure_is_explained_with_the_command_that_shows_it():
    done = run("3", "--test", "boot.debug", "--patch",
               "labs/03-deadlock/variants/muted.patch")
    assert done.returncode == 1
    for words in ("WRONG boot.debug", "no deadlock, but the monitor's prompt",
                  "make run LAB=3 LOG=debug PATCH=labs/03-deadlock/variants/muted.patch"):
        assert words in done.stdout


def test_the_command_to_debug_stops_where_it_went_wrong():
    done = run("3", "--test", "boot.debug", "--patch",
               "grader/mutants/03/endless-loop.patch")
    command = next(line.strip() for line in done.stdout.splitlines()
                   if line.startswith("    make debug "))
    session = subprocess.run(command, shell=True, input="backtrace\nquit\n", cwd=ROOT, text=True,
                             capture_output=True, timeout=DEADLINE, check=False)
    assert re.search(r"Breakpoint 1, machine_announce_panic", session.stdout), session.stdout
    assert "heap_rescue" in session.stdout and "kmain" in session.stdout


def test_two_graders_at_once_do_not_disturb_each_other():
    both = [subprocess.Popen([sys.executable, str(GRADER / "grade.py"), "3", "--test", "boot.info,boot.debug"],
                             cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(2)]
    for grader in both:
        output, _ = grader.communicate(timeout=DEADLINE)
        assert grader.returncode == 0, output


def test_a_build_failure_is_shown_once_with_the_command_that_builds(tmp_path):
    done = run("2", "--patch", "grader/mutants/02/build-error.patch")
    assert done.returncode == 1
    assert done.stdout.count("error:") == 1, done.stdout
    assert "\n    make elf LAB=2 PATCH=grader/mutants/02/build-error.patch\n" in done.stdout
    assert " more\n" in done.stdout and "make run" not in done.stdout


def test_a_report_that_cannot_be_written_is_not_points_lost(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, str(GRADER / "grade.py"), "0", "--test", LAB_0],
                              cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3


def test_what_stands_in_for_the_students_heap_is_named(tmp_path):
    status, labs, output = grade("3", "--heap", "given", "--test", "boot.info", directory=tmp_path)
    assert status == 0 and labs[0]["heap"] == "given", output
    assert any(note.startswith("HEAP=given: ") for note in labs[0]["notes"])
    done = run("2", "--heap", "given")
    assert done.returncode == 2 and "stands in for labs 1 and 2" in done.stderr


def test_what_of_an_earlier_lab_is_missing_is_said_with_what_to_do(tmp_path):
    tree = copied(tmp_path / "tree")
    (tree / "labs/01-frames/frame.c").write_bytes(without_solutions("labs/01-frames/frame.c"))
    command = [sys.executable, tree / "grader/grade.py", "4", "--test", "log.interrupts_are_as_they_were"]
    alone = subprocess.run(command, text=True, capture_output=True, check=False).stdout
    assert "Lab 1 is not done yet, and lab 4 stands on it." in alone and "HEAP=" not in alone
    (tree / "labs/objects/given").mkdir(parents=True)
    beside = subprocess.run(command, text=True, capture_output=True, check=False).stdout
    assert "make grade LAB=4 HEAP=given" in beside
