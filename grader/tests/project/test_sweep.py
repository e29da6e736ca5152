"""Allocations that fail on purpose: what they cost, the sweep's words, and where it says one can stop."""
import re
import subprocess

import pytest
from conftest import GRADER, ROOT
from processes import DEADLINE

from debugger.sweep import how_to_stop, lines_about

ALIAS = ROOT / "grader/mutants/06/alias-leaked.patch"


def make(*words):
    return subprocess.run(["make", "-s", *words], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=DEADLINE, check=False)


def test_a_plan_that_is_none_costs_nothing():
    """No allocator, and nobody who calls one, has an instruction of fail.c: only these call it."""
    assert make("elf", "LAB=6").returncode == 0
    elf = make("print-ELF", "LAB=6").stdout.split()[-1]
    listed = subprocess.run(["objdump", "-d", "--no-show-raw-insn", ROOT / elf], text=True, check=True,
                            capture_output=True).stdout
    functions = {re.match(r"[0-9a-f]+ <(\w+)", text)[1]: text for text in listed.split("\n\n")
                 if re.match(r"[0-9a-f]+ <\w", text)}
    callers = {name for name, text in functions.items()
               if re.search(r"<(fail_(begin|end|init|at|count)|allocation_fails)[+>]", text.partition("\n")[2])}
    tests = "".join(file.read_text() for file in ROOT.glob("*/**/*_test.c"))
    assert {"kmalloc", "kzalloc", "krealloc", "frame_alloc"} <= functions.keys() - callers
    assert {name for name in callers if not name.startswith(("ktest_", "fail")) and f"{name}(" not in tests} == {
        "kmain", "run_one", "trap_dispatch"}


def test_a_test_begins_with_the_plan_of_the_command_line(tmp_path):
    done = make("run", "LAB=6", f"ISO={tmp_path}/x.iso", "TEST=store.create_and_remove,store.names",
                "OPTIONS=initramfs=off fail_nth=1")
    assert done.stdout.count("# allocations that failed on purpose: 1;") == 2, done.stdout
    assert "not ok 1 store.create_and_remove\n" in done.stdout and "not ok 2 store.names\n" in done.stdout


def test_a_sweep_says_how_to_stop_at_what_it_found(tmp_path):
    done = make("sweep", "LAB=6", f"ISO={tmp_path}/x.iso", "TEST=alias_sweep.set_loses_no_object,alias.*",
                f"PATCH={ALIAS}")
    assert done.returncode != 0 and "ok 1 alias.what_is_set_is_there\n" in done.stdout, done.stdout
    lines = how_to_stop(f"LAB=6 PATCH={ALIAS}", "alias_sweep.set_loses_no_object", 3)
    assert "\n".join(["not ok 2 alias_sweep.set_loses_no_object", *lines]) in done.stdout, done.stdout


def test_a_sweep_says_where_a_kernel_died(tmp_path):
    patch = GRADER / "mutants/06/alias-line-not-checked.patch"
    done = make("sweep", "LAB=6", f"ISO={tmp_path}/x.iso", "TEST=alias_sweep.*", f"PATCH={patch}")
    found = re.search(r"has not lived to the end of (\S+): .*\n    stop there:  make debug .* TEST=(\S+) BREAK="
                      r"'allocation_fails if fail_number == (\d+)'\n", done.stdout)
    assert found and found[1] == found[2] == "alias_sweep.set_leaves_no_lock_held", done.stdout


@pytest.mark.parametrize("console, shown", [
    ("KTAP version 1\n1..1\n# seed 1\n# 3 allocations failed\nok 1 a.b\n", ["# 3 allocations failed", "ok 1 a.b"]),
    ("# x.c:1: expected\n# allocations that failed on purpose: 7; …\nnot ok 1 a.b\nok 2 a.c\n",
     ["# x.c:1: expected", "not ok 1 a.b", *how_to_stop("LAB=6", "a.b", 7), "ok 2 a.c"]),
    ("not ok 1 a.b\n", ["not ok 1 a.b"]),
])
def test_what_a_sweep_shows(console, shown):
    assert list(lines_about(console, "LAB=6")) == shown


@pytest.mark.parametrize("mutant", sorted((GRADER / "mutants/06").glob("alias-*.patch")), ids=lambda path: path.stem)
def test_the_errors_that_are_handed_out_are_these_mutants(mutant, tmp_path):
    """Without any of them alias.c is the one that the handout has."""
    text = (ROOT / "labs/06-every-failure/alias.c").read_text()
    given = subprocess.run(["sh", "labs/skeleton", "labs/06-every-failure/alias.c"], cwd=ROOT, text=True,
                           capture_output=True, check=True).stdout
    removed = [line[1:] for line in mutant.read_text().splitlines() if re.match(r"-(?!-- )", line)]
    assert removed and all(given.count(line) < text.count(line) for line in removed)
