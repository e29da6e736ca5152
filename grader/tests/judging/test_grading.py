"""grading.py: which tests get a boot of their own; commands.py: what shows a failure again."""
import asyncio
import re
import subprocess
from types import SimpleNamespace

import pytest
from conftest import ROOT, as_printed
from processes import DEADLINE

from course import lab
from course.build import Stage
from judging import commands, grading
from judging.record import Panic, Record, Results
from judging.verdict import Verdict
from machine.abi import Outcome, PanicKind
from machine.ending import Cause, Ending

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
    verdicts, booted = run_ktests(("", "heap.a"), ("ok 1 heap.b\n", "heap.c"), "ok 1 heap.d\n",
                                  ("", "heap.c"))
    assert verdicts == ["PANIC", "PASS", "PANIC", "PASS"]
    assert booted[1:] == ["heap.b,heap.c,heap.d", "heap.d", "heap.c"]


@pytest.mark.parametrize("console", [
    "ok 1 heap.a\nok 2 heap.b\nok 3 heap.c\nok 4 heap.d\n",
    "not ok 1 heap.a\nok 2 heap.b\nok 3 heap.c\nok 4 heap.d\n",
    "".join(f"not ok 1 heap.{letter} # TODO 2.1 in kmalloc\n" for letter in "abcd"),
])
def test_no_boot_is_wasted(console):
    assert len(run_ktests(console)[1]) == 1


def test_what_was_typed_is_typed_again_under_gdb():
    boot = lab.Boot((), cmdline="log=error", input=("heap", "fill"))
    run, debug = commands.show_again(lab.load(lab.available()[3]), boot, None, "", lab.Test("boot.x", 1, ""),
                                     "log=error", Verdict.HANG)
    assert run == "make run LAB=3 LOG=error   # then type: heap, fill"
    assert debug == "make debug LAB=3 LOG=error TYPE='heap; fill' BREAK=machine_announce_panic"
    session = subprocess.run(debug, shell=True, input="backtrace\nquit\n", cwd=ROOT, text=True,
                             capture_output=True, timeout=DEADLINE, check=False)
    assert re.search("Breakpoint 1, machine_announce_panic", session.stdout), session.stdout
    assert re.search(r"heap_rescue(?s:.*) fill ", session.stdout), session.stdout
