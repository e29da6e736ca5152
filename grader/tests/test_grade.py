"""grade.py as a program: its exit status, its JSON, and what it does when things go wrong."""
import asyncio
import subprocess
import sys

import pytest
from conftest import GRADER, ROOT, grade

import build
from build import Builder, BuildFailure, Stage
from machine import MachineError

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
    (["--jobs", "0"], "at least 1"),
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
    assert labs == [{"lab": 0, "name": "00-boot", "points": points, "max": points, "tests": [
        {"name": LAB_0, "verdict": "PASS", "points": points, "max": points, "detail": ""}]}]


PATCH = """\
--- a/labs/03-deadlock/rescue.c
+++ b/labs/03-deadlock/rescue.c
@@ -1,1 +1,1 @@
-/* this line is not there */
+/* nor is this */
"""


def test_a_patch_that_does_not_apply_is_our_fault(tmp_path):
    (tmp_path / "bad.patch").write_text(PATCH)
    status, labs, output = grade("3", "--test", "boot.info_boots", "--patch",
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
    done = run("3", "--test", "boot.debug_deadlocks", "--patch",
               "labs/03-deadlock/variants/muted.patch")
    assert done.returncode == 1
    for words in ("WRONG boot.debug_deadlocks", "no deadlock, but the monitor's prompt",
                  "make run LAB=3 LOG=debug PATCH=labs/03-deadlock/variants/muted.patch"):
        assert words in done.stdout


def test_two_graders_at_once_do_not_disturb_each_other():
    both = [subprocess.Popen([sys.executable, str(GRADER / "grade.py"), "3", "--test", "boot.*_boots,boot.debug_*"],
                             cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(2)]
    for grader in both:
        output, _ = grader.communicate(timeout=120)
        assert grader.returncode == 0, output


# ---- whose fault it is when make fails

@pytest.fixture
def fake_make(tmp_path, monkeypatch):
    """A function that replaces make by a script that complains and fails."""
    def replace(complaint):
        (tmp_path / "complaint").write_text(complaint)
        make = tmp_path / "make"
        make.write_text(f"#!/bin/sh\ncat {tmp_path}/complaint >&2\nexit 2\n")
        make.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(build, "LOCK", tmp_path / "lock")
        return Builder(tmp_path)
    return replace


@pytest.mark.parametrize("complaint", [
    "labs/02-heap/heap.c:7:2: error: 'x' undeclared\nmake: *** [Makefile:1: x.o] Error 1\n",
    "heap.c:9: undefined reference to `frobnicate'\ncollect2: error: ld returned 1 exit status\n",
    "/usr/bin/ld: heap.o: multiple definition of `kmalloc'\n",
])
def test_the_compilers_complaint_is_the_students(fake_make, complaint):
    builder = fake_make(complaint)
    with pytest.raises(BuildFailure) as caught:
        asyncio.run(builder.elf(Stage(2)))
    assert complaint.splitlines()[0] in str(caught.value)


@pytest.mark.parametrize("complaint", [
    "", "Makefile:29: *** none of these is installed: gcc. Try: make setup.  Stop.\n",
    "make: *** No rule to make target 'x'.  Stop.\n",
    "mkiso: grub-mkrescue failed\nmake: *** [Makefile:150: iso] Error 1\n",
])
def test_any_other_complaint_is_ours(fake_make, complaint):
    with pytest.raises(MachineError):
        asyncio.run(fake_make(complaint).elf(Stage(2)))
