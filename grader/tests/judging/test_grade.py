"""grade.py as a program: its exit status, its JSON, and what it does when things go wrong."""
import asyncio
import io
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import GRADER, ROOT, as_printed, grade
from rich.console import Console

from course import answers, lab
from course.build import Builder, BuildFailure, Stage, Tree
from judging import commands, conduct, grading
from judging.record import Panic, Record, Results
from judging.result import LabScore, Score
from judging.verdict import PASSED, Finding, Verdict
from machine.abi import Outcome, PanicKind
from machine.ending import Cause, Ending
from machine.host import MachineError
from reports import terminal as report

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
                     "max": points, "notes": []}]
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


def test_the_command_to_debug_stops_where_it_went_wrong():
    done = run("3", "--test", "boot.debug_deadlocks", "--patch",
               "grader/mutants/03/endless-loop.patch")
    command = next(line.strip() for line in done.stdout.splitlines()
                   if line.startswith("    make debug "))
    session = subprocess.run(command, shell=True, input="backtrace\nquit\n", cwd=ROOT, text=True,
                             capture_output=True, timeout=120, check=False)
    assert re.search(r"Breakpoint 1, machine_announce_panic", session.stdout), session.stdout
    assert "heap_rescue" in session.stdout and "kmain" in session.stdout


def test_what_was_typed_is_typed_again_under_gdb():
    boot = lab.Boot((), cmdline="log=error", input=("heap", "fill"))
    run, debug = commands.show_again(lab.load(lab.available()[3]), boot, None, lab.Test("boot.x", 1, ""),
                                     "log=error", Verdict.HANG)
    assert run == "make run LAB=3 LOG=error   # then type: heap, fill"
    assert debug == "make debug LAB=3 LOG=error TYPE='heap; fill' BREAK=machine_announce_panic"
    session = subprocess.run(debug, shell=True, input="backtrace\nquit\n", cwd=ROOT, text=True,
                             capture_output=True, timeout=120, check=False)
    assert re.search("Breakpoint 1, machine_announce_panic", session.stdout), session.stdout
    assert re.search(r"heap_rescue(?s:.*) fill ", session.stdout), session.stdout


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
        return Builder(tmp_path, conduct.inspect, Tree(tmp_path))
    return replace


@pytest.mark.parametrize("complaint", [
    "labs/02-heap/heap.c:7:2: error: 'x' undeclared\nmake: *** [Makefile:1: x.o] Error 1\n",
    "heap.c:9: undefined reference to `frobnicate'\ncollect2: error: ld returned 1 exit status\n",
    "/usr/bin/ld: heap.o: multiple definition of `kmalloc'\n",
])
def test_the_compilers_complaint_is_the_students(fake_make, complaint):
    builder = fake_make(complaint)
    with pytest.raises(BuildFailure) as caught:
        asyncio.run(builder.build(Stage(2)))
    assert complaint.splitlines()[0] in str(caught.value)


@pytest.mark.parametrize("complaint", [
    "", "Makefile:29: *** none of these is installed: gcc. Try: make setup.  Stop.\n",
    "make: *** No rule to make target 'x'.  Stop.\n",
    "mkiso: grub-mkrescue failed\nmake: *** [Makefile:150: iso] Error 1\n",
])
def test_any_other_complaint_is_ours(fake_make, complaint):
    with pytest.raises(MachineError):
        asyncio.run(fake_make(complaint).build(Stage(2)))


# ---- tests that fail because of another

KTESTS = [lab.Test(f"heap.{letter}", 25, f"about {letter}", ktest=f"heap.{letter}")
          for letter in "abcd"]


def record_of(console, crashed):
    """A boot that printed this and ended well, or with a panic in the test `crashed`."""
    tests = as_printed(console)
    if crashed is None:
        return Record(Ending(Cause.REBOOT), console, tests=tests)
    rest = dict.fromkeys((test.ktest for test in KTESTS), Outcome.NOT_RUN)
    tests = Results(Outcome.RUNNING, rest | tests.outcomes | {crashed: Outcome.RUNNING})
    return Record(Ending(Cause.PANIC), console, Panic(PanicKind.BUG, "oh"), tests=tests)


def run_ktests(*boots):
    """
    Grades KTESTS on boots that show these consoles, or consoles and a test that crashes then.
    Return: the verdicts and what was booted.
    """
    class CannedGrader(grading.Grader):
        async def _boot(self, stage, boot, cmdline, wanted=[]):
            booted.append(cmdline.rpartition("ktest=")[2])
            shown = waiting.pop(0)
            console, crashed = (shown, None) if isinstance(shown, str) else shown
            return record_of("KTAP version 1\n1..4\n" + console, crashed)

    class CannedBuilder:
        async def build(self, stage):
            return SimpleNamespace(image=SimpleNamespace(
                ktests=["heap_a", "heap_b", "heap_c", "heap_d", "heap_e"]))

        def seed(self, stage):
            return 1

    booted, waiting = [], list(boots)
    found = asyncio.run(CannedGrader(CannedBuilder(), None, None)._run_ktests(
        Stage(2), lab.Boot(tuple(KTESTS)), "log=info seed=1", KTESTS, {}))
    return [found[test.name].verdict for test in KTESTS], booted


def test_what_may_have_failed_because_of_another_is_run_alone():
    verdicts, booted = run_ktests(
        "not ok 1 heap.a\nok 2 heap.b\nok 3 heap.c # SKIP no memory\nnot ok 4 heap.d\n",
        "ok 1 heap.c\n", "not ok 1 heap.d\n")
    assert verdicts == ["WRONG", "PASS", "PASS", "WRONG"]
    assert booted[1:] == ["heap.c", "heap.d"]


def test_a_crash_that_may_come_of_an_earlier_failure_is_run_alone():
    verdicts, booted = run_ktests(("not ok 1 heap.a\n", "heap.b"), "ok 1 heap.c\nok 2 heap.d\n",
                                  "ok 1 heap.b\n")
    assert verdicts == ["WRONG", "PASS", "PASS", "PASS"]
    assert booted[1:] == ["heap.c,heap.d", "heap.b"]


def test_what_comes_after_a_crash_runs_in_another_boot():
    verdicts, booted = run_ktests(("", "heap.a"), ("ok 1 heap.b\n", "heap.c"), "ok 1 heap.d\n")
    assert verdicts == ["PANIC", "PASS", "PANIC", "PASS"]
    assert booted[1:] == ["heap.b,heap.c,heap.d", "heap.d"]


@pytest.mark.parametrize("console", [
    "ok 1 heap.a\nok 2 heap.b\nok 3 heap.c\nok 4 heap.d\n",
    "ok 1 heap.a\nnot ok 2 heap.b\nok 3 heap.c\nok 4 heap.d\n",
    "".join(f"not ok 1 heap.{letter} # TODO 2.1 in kmalloc\n" for letter in "abcd"),
])
def test_no_boot_is_wasted(console):
    assert len(run_ktests(console)[1]) == 1


# ---- answers.toml

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


# ---- what is shown

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


def test_a_build_failure_is_shown_once_with_the_command_that_builds(tmp_path):
    done = run("2", "--patch", "grader/mutants/02/build-error.patch")
    assert done.returncode == 1
    assert done.stdout.count("error:") == 1, done.stdout
    assert "\n    make elf LAB=2 PATCH=grader/mutants/02/build-error.patch\n" in done.stdout
    assert " more\n" in done.stdout and "make run" not in done.stdout


def test_a_report_that_cannot_be_written_is_not_points_lost(tmp_path):
    done = subprocess.run([sys.executable, str(GRADER / "grade.py"), "0", "--test", LAB_0], cwd=ROOT,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True,
                          check=False)
    assert done.returncode == 3
