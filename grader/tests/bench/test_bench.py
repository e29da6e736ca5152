# SPDX-License-Identifier: MIT
"""The benchmark: what it measures with, and that the reference code keeps within its bounds."""
import itertools
import platform
import re
import shutil
import subprocess

import pytest

from bench import page
from bench.bounds import BOUNDS, BY_THE_CLOCK
from bench.counting import BENCH, BenchError, Run, costs_in, count, count_record, environment, run
from bench.measuring import (HEAP_WORKLOADS, HEAPS, boot, footprint, frames, heap, in_kernel,
                             junk, later, metadata, net, record, times)
from machine.host import ROOT

pytestmark = pytest.mark.skipif(
    not shutil.which("valgrind") or f"{platform.system()} {platform.machine()}" != "Linux x86_64",
    reason="the benchmark needs valgrind on x86_64 Linux")

# How many operations are enough where all of them take very long: first-fit's list is in pieces.
ENOUGH = {("first-fit", "b"): "50000"}

# Two rounds of two calls each, as callgrind writes them.
DUMP = """\
part: 1
fn=step_heap
0x10 1 400
calls=9 0x20 3
0x10 1 77
fn=round_of_heap
0x30 5 1
calls=1 0x10 1
0x32 5 40
calls=1 0x10 1
0x31 5 30
part: 2
fn=round_of_heap
calls=1 0x10 1
0x32 5 60
calls=1 0x10 1
0x31 5 50
"""


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "--silent", "bench-build"], cwd=ROOT, check=True)


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def brief():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return {"heap": heap(briefly=True), "footprint": footprint(briefly=True),
                "frames": frames(briefly=True), "junk": junk(), "metadata": metadata(), "record": record(),
                "boot": boot(), "later": later()}


def test_an_operation_costs_what_was_counted_at_its_place():
    assert list(costs_in(iter(DUMP.splitlines(True)), "round_of_")) == [30, 40, 50, 60]


def test_the_cost_of_the_workload_itself_does_not_count():
    assert net(Run("", [30, 90, 50]), Run("", [10, 11, 12])) == \
        {"operations": 3, "mean": 45.7, "worst": 79}


# A busy machine has other seconds: only make bench-check looks at what a clock says.
@pytest.mark.parametrize("bound", [bound for bound in BOUNDS if bound.unit != BY_THE_CLOCK],
                         ids=lambda bound: bound.what)
def test_a_bound_is_kept(bound, brief):
    if page.measured_with() not in (ROOT / "docs" / "performance.md").read_text():
        pytest.skip(f"the bounds are not of {page.measured_with()}")
    assert bound.is_kept(brief), f"{bound.measure(brief)} {bound.unit}, bound {bound.bound}"


def test_who_falls_short_of_an_aim_says_why():
    assert all(bound.why and bound.aim < bound.bound for bound in BOUNDS if bound.aim is not None)
    assert not any(bound.why for bound in BOUNDS if bound.aim is None)


def test_counts_are_the_same_every_time(brief):
    for kind, workload in (("heap", "a"), ("frames", "full")):
        again = net(count(kind, "ouroboros", workload), count(kind, "empty", workload))
        assert again == brief[kind][workload]["ouroboros"]
    assert count_record("log").costs == [brief["record"]["log"]["instructions"]]


@pytest.mark.parametrize(("subject", "workload"), itertools.product(
    [name for name in HEAPS if name not in ("glibc", "mimalloc", "jemalloc", "tcmalloc")],
    HEAP_WORKLOADS))
def test_an_object_keeps_its_contents(subject, workload):
    nr_operations = [ENOUGH[subject, workload]] if (subject, workload) in ENOUGH else []
    assert "live" in run([BENCH, "footprint", subject, workload, *nr_operations])


def test_the_kernel_runs_the_same_workload(brief, tmp_path):
    found = in_kernel(tmp_path, "heap_a", "initramfs=off")
    ours = brief["heap"]["a"]["ouroboros"]
    assert found["operations"] == ours["operations"]
    assert ours["mean"] < found["mean"] <= 3 * ours["mean"], "with its locks and UBSan"


def test_a_logger_that_asks_the_heap_is_noticed(tmp_path):
    """The count of heap calls is the heap's own: here log.c asks for an object for each record."""
    log = ROOT / "labs" / "04-static-log" / "log.c"
    changed = tmp_path / "log.c"
    changed.write_text(log.read_text().replace(
        "	spin_lock(&log_lock);\n	nr_bytes = format",
        "	kfree(kmalloc(16));\n	spin_lock(&log_lock);\n	nr_bytes = format")
        .replace('#include "log.h"\n', '#include "heap.h"\n#include "log.h"\n'))
    objects = [str(path) for path in (ROOT / "build" / "bench").rglob("*.c.o")
               if path.parts[-2:] != ("04-static-log", "log.c.o")
               and (ROOT / path.relative_to(ROOT / "build" / "bench")).with_suffix("").exists()]
    flags = ["-O2", "-ffreestanding", "-iquote", "kernel", "-include", "grader/bench/host/shim.h"]
    subprocess.run(["gcc", *flags, "-fvisibility=hidden", "-o", str(tmp_path / "bench"),
                    str(changed), *objects], check=True, cwd=ROOT)
    assert ", 2 heap calls: " in run([str(tmp_path / "bench"), "record", "log"])


def test_the_clock_is_read_for_all_that_a_bound_compares():
    found = times(briefly=True)
    assert all(0 < found["heap"][name][subject] < 1e6 for name in "ab"
               for subject in ("ouroboros", "mimalloc"))


def test_a_wrong_word_is_reported():
    for words, complaint in ((["heap", "nobody", "a"], 'there is no heap "nobody"'),
                             (["heap", "knr", "z"], 'there is no workload "z"'),
                             (["record", "shout"], 'there is no record "shout"'), ([], "usage: ")):
        with pytest.raises(BenchError, match=re.escape(complaint)):
            run([BENCH, *words])


def test_a_missing_library_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr("bench.counting.LIBRARIES", ("/nowhere",))
    with pytest.raises(BenchError, match=r"libmimalloc.so is not installed \(Debian: libmimalloc-dev\)"):
        environment("mimalloc")


def test_the_page_shows_what_is_measured_now(brief):
    """Who makes the code faster or slower runs `make bench`. Another compiler counts otherwise."""
    text = (ROOT / "docs" / "performance.md").read_text()
    assert all(f"| {bound.what}" in text for bound in BOUNDS)
    if page.measured_with() not in text:
        pytest.skip(f"the page is not of {page.measured_with()}")
    for kind, name in itertools.chain(*(zip(itertools.repeat(kind), brief[kind])
                                        for kind in ("heap", "frames"))):
        shown = page.cell(brief[kind][name]["ouroboros"])
        assert shown in text, f"{kind}, {name}: {shown}; make bench writes the page anew"
    assert page.amount(brief["record"]["log"]["instructions"]) in text
