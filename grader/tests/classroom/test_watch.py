"""`make watch`: a verdict on every save, and the keys."""
import asyncio
import io
import os
import re
import subprocess

import pytest
from processes import Terminal, qemus_of, until
from rich.console import Console
from trees import copied

from classroom import watch as watch_module
from course import lab as labs
from course.hints import READ
from judging.grading import Task
from judging.result import LabScore, Score
from judging.verdict import Finding, Verdict
from machine.host import PREFIX

KEYS = "h hint   d GDB   r rewind   t picture   g grade again   q quit"
FULL = r"Lab 1 · The frame allocator +100/100 +\d+\.\d\d s"
LESS = r"Lab 1 · The frame allocator +\d\d?/100 +\d+\.\d\d s"
WRONG = "frame.exhaustion_is_a_return_value"


@pytest.fixture
def tree(tmp_path):
    return copied(tmp_path / "tree")


@pytest.fixture
def source(tree):
    return tree / "labs/01-frames/frame.c"


def watch(tree, *words):
    return Terminal("make", "watch", "LAB=1", *words, directory=tree, TMPDIR=str(tree.parent))


def left_behind(tree):
    return [*tree.parent.glob(f"{PREFIX}*"), *qemus_of(tree.parent)]


def broken(text):
    """Nothing left is no longer said in the way that the contract has it."""
    changed, nr = re.subn(r"return PADDR_NONE;", "return 0;", text)
    assert nr
    return changed


def test_a_save_a_hint_gdb_the_past_and_a_cure(tree, source):
    terminal = watch(tree)
    terminal.expect(FULL)
    terminal.expect(KEYS)
    good = source.read_text()
    source.write_text(broken(good))
    failed = terminal.expect(r"WRONG (frame\.\S+)")[1]
    terminal.expect(r"frame_test\.c:\d+: expected")
    terminal.expect(LESS)
    terminal.expect(KEYS)
    terminal.type("h")
    terminal.expect(r"for which exercise \(1\.1, ")
    terminal.type("1.2\r")
    terminal.expect("1.2, 1/3: ")
    assert (tree / "labs/01-frames" / READ).read_text().endswith("1.2 1\n")
    terminal.expect(KEYS)
    terminal.type("d")
    terminal.expect(rf"make debug LAB=1 TEST={failed.partition('@')[0]}.* BREAK=ktest_fail")
    terminal.expect(r"Breakpoint 1, ktest_fail")
    terminal.expect(r"\(gdb\) ")
    terminal.type("quit\r")
    terminal.expect(KEYS)
    terminal.type("r")
    terminal.expect(r"You are at instruction [\d,]+, at a check that fails")
    terminal.expect(r"\(gdb\) ")
    terminal.type("quit\r")
    terminal.expect(KEYS)
    source.write_text(good)
    terminal.expect(FULL)
    terminal.type("d")
    terminal.expect("nothing has failed")
    terminal.type("q")
    assert terminal.status() == 0
    assert not left_behind(tree)


def test_the_test_that_failed_is_graded_first(monkeypatch):
    lab, = labs.select(["1"])
    failing = lab.tests[7]
    asked = []

    async def graded(self, task, recordings=None):
        asked.append(task.tests)
        return LabScore(task.lab, [Score(test, Finding(
            Verdict.WRONG if test == failing else Verdict.PASS, "")) for test in task.tests])

    monkeypatch.setattr(watch_module._Watch, "_graded", graded)
    keyboard = watch_module._Keyboard(asyncio.Queue())
    watched = watch_module._Watch(Task(lab, lab.tests, None), Console(file=io.StringIO()), keyboard)
    asyncio.run(watched.grade())
    assert asked == [lab.tests] and watched.first.test == failing
    asyncio.run(watched.grade())
    assert asked == [lab.tests, [failing], lab.tests]


def test_what_does_not_compile_is_shown_with_its_line(tree, source):
    terminal = watch(tree)
    terminal.expect(FULL)
    source.write_text("int oops\n" + source.read_text())
    terminal.expect(r"BUILD_FAIL")
    terminal.expect(r"frame\.c:\d+:")
    terminal.expect(r"Lab 1 · The frame allocator +0/100")
    terminal.type("d")
    terminal.expect("make elf LAB=1")
    terminal.expect(re.escape(KEYS))
    terminal.type("\x03")
    terminal.status()                       # make's own: it has Ctrl-C, too
    until(lambda: not left_behind(tree))


def test_a_save_while_it_grades_begins_anew(tree, source):
    """Three times, as an editor would that saves a piece after another."""
    good = source.read_text()
    source.write_text(broken(good))
    terminal = watch(tree)
    terminal.expect(r"WRONG frame\.\S+")
    for nr in range(3):
        source.write_text(broken(good) + f"/* {nr} */\n")
        terminal.expect(r"WRONG frame\.\S+")
    source.write_text(good)
    terminal.expect(FULL)
    assert not re.search(LESS, terminal.before)
    terminal.type("q")
    assert terminal.status() == 0
    assert not left_behind(tree)


def test_a_closed_terminal_leaves_nothing(tree):
    terminal = watch(tree)
    terminal.expect(FULL)
    terminal.type("g")

    os.close(terminal.file)
    until(lambda: not left_behind(tree))
    Terminal.running.discard(terminal.pid)
    os.waitpid(terminal.pid, 0)


@pytest.mark.parametrize("words, says", [
    (["LAB=1", "HEAP=given"], "HEAP=given is for the labs from 3 on"),
    (["LAB="], "which lab? Say LAB=N"), (["LAB=99"], 'there is no lab "99"')])
def test_what_cannot_be_watched(words, says, tree):
    done = subprocess.run(["make", "watch", *words], cwd=tree, text=True, capture_output=True, check=False)
    assert done.returncode == 2 and says in done.stderr
