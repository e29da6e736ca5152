"""The reference solutions: full points, every time, also on a busy machine."""
import functools
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import GRADER, ROOT, grade
from processes import DEADLINE
from trees import LABS, patch_for

from course import lab


BUSY = 3            # times as long as on two cores that have nothing else to do


@functools.cache
def reference(number):
    """What grading the reference's lab brings: status, labs, output; and the seconds it takes."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.monotonic()
        return *grade(str(number), directory=Path(directory)), time.monotonic() - began


@pytest.mark.parametrize("number", sorted(lab.available()))
def test_the_reference_gets_full_points(number):
    status, labs, output, _ = reference(number)
    assert status == 0, output
    assert [(graded["lab"], graded["points"], graded["max"]) for graded in labs] == \
        [(number, 100, 100)]


def test_grading_takes_no_longer_than_the_first_page_says():
    minutes = int(re.search(r"\*\*(\d+)\*\* minutes", (ROOT / "README.md").read_text())[1])
    seconds = sum(reference(number)[-1] for number in lab.available())
    assert seconds <= BUSY * 60 * minutes


def test_four_busy_loops_beside_it_change_no_verdict(tmp_path):
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        status, labs, output = grade("3", "4", directory=tmp_path)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert status == 0, output


STORE = "labs/06-every-failure/store.c"
MODEL = "labs/07-proof/rescue.pml"


@pytest.mark.parametrize("number, file, design", [
    (1, "labs/01-frames/frame.c", "frame.c"), (2, "labs/02-heap/heap.c", "heap.c"),
    (4, "labs/04-static-log/log.c", "log.c"), (5, "labs/05-anywhere/log.c", "per-context/log.c"),
    (5, "labs/05-anywhere/log.c", "two-counts/log.c"), (5, "labs/05-anywhere/log.c", "both-lost/log.c"),
    (6, STORE, "store.c"), (6, STORE, "logged/store.c"), (6, STORE, "one-object/store.c"),
    (6, STORE, "chunks/store.c"), (7, MODEL, "one-process.pml"), (7, MODEL, "unrolled.pml")])
def test_another_design_gets_full_points(number, file, design, tmp_path):
    """It is unlike ours, and keeps the contract: nothing else may be asked for."""
    patch = tmp_path / "other.patch"
    patch.write_text(patch_for(file, (GRADER / "tests/designs" / design).read_text()))
    status, labs, output = grade(str(number), "--patch", str(patch), directory=tmp_path)
    assert status == 0 and labs[0]["points"] == 100, output


def test_what_the_rescue_brings_may_lie_behind_the_reserve(tmp_path):
    """So it does where frames are handed out from the lowest on: the runs merge."""
    patch = tmp_path / "lowest-first.patch"
    patch.write_text(patch_for("labs/01-frames/frame.c",
                               (GRADER / "tests/designs/lowest-first/frame.c").read_text()))
    status, labs, output = grade("2", "--patch", str(patch), "--test", "heap*,boot.*", directory=tmp_path)
    assert status == 0 and {test["verdict"] for test in labs[0]["tests"]} == {"PASS"}, output


@pytest.mark.parametrize("number, file", [(1, "labs/01-frames/frame.c"), (2, "labs/02-heap/heap.c")])
def test_what_never_allocates_earns_next_to_nothing(number, file, tmp_path):
    """Each test that needs memory looks first whether it got some."""
    patch = tmp_path / "stub.patch"
    patch.write_text(patch_for(file, (GRADER / "tests/stubs" / file.rpartition("/")[2]).read_text()))
    names = [test.name for test in lab.select([str(number)])[0].tests if not test.name.startswith("catch.")]
    _, labs, output = grade(str(number), "--patch", str(patch), directory=tmp_path)
    passed = {test["name"]: test["points"] for test in labs[0]["tests"] if test["name"] in names and test["points"]}
    assert 0 < sum(passed.values()) <= 5, passed


def test_a_logger_that_keeps_nothing_earns_what_the_console_shows(tmp_path):
    """It takes no lock either; its records are whole."""
    patch = tmp_path / "stub.patch"
    patch.write_text(patch_for("labs/04-static-log/log.c", (GRADER / "tests/stubs/log.c").read_text()))
    _, labs, output = grade("4", "--patch", str(patch), directory=tmp_path)
    assert 0 < labs[0]["points"] <= 20, output


@pytest.mark.parametrize("number", [3, 4])
def test_the_story_and_its_variants_are_the_same_on_another_heap(number, tmp_path):
    heap = "labs/02-heap/heap.c"
    other = (GRADER / "tests/designs/heap.c").read_text()
    patch = tmp_path / "other-heap.patch"
    patch.write_text(patch_for(heap, other))
    _, labs, output = grade(str(number), "--patch", str(patch), directory=tmp_path)
    failed = {test["name"] for test in labs[0]["tests"] if test["verdict"] != "PASS"}
    personal = {question.name for question in lab.select([str(number)])[0].questions if question.personal}
    assert failed == personal, output       # the machine is another one


def run(directory, *words):
    """`make run` with these words and no input: it ends at the monitor's prompt, or with a panic."""
    return subprocess.run(["make", "-s", "run", f"ISO={directory}/x.iso", *words], cwd=ROOT,
                          stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=DEADLINE,
                          check=False)


@pytest.mark.parametrize("lab, setting", [
    (0, "MEM=5M"), (3, "MEM=5M"), *((LABS[-1].number, setting)
                                    for setting in ("FIRMWARE=uefi", "MEM=6M", "MEM=16M", "MEM=6G"))])
def test_a_stage_boots_everywhere(lab, setting, tmp_path):
    """All in 6 MiB. The tests of the later ones need more than the 5 that are the least."""
    done = run(tmp_path, f"LAB={lab}", f"LOG={'info' if lab == 3 else 'debug'}", setting)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ouroboros" in done.stdout and done.stdout.endswith("ouroboros> ")


def test_the_story_as_the_readme_tells_it(tmp_path):
    hang = run(tmp_path, "LAB=3", "LOG=debug")
    assert hang.returncode != 0
    assert re.search(r"\nLOCKUP: cpu0 makes no progress\ncpu0 waits for heap_lock in kmalloc \(heap.c:\d+\)\n"
                     r"cpu0 holds heap_lock since \w+ \(heap.c:\d+\)\nthe cycle: kmalloc -> .*heap_rescue -> "
                     r"log_debug -> log_record -> kmalloc\n", hang.stdout)
    for function in ("log_record", "log_debug", "heap_rescue", "table_grow", "kmain"):
        assert re.search(rf"0x[0-9a-f]+ {function}\+", hang.stdout)
    assert run(tmp_path, "LAB=3", "LOG=info").returncode == 0
    assert run(tmp_path, "LAB=4", "LOG=debug").returncode == 0
