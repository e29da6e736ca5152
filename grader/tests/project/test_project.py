"""The project as its users meet it: make's words, every in-kernel test, exercises left out."""
import re
import subprocess

import pytest
from conftest import ROOT
from processes import DEADLINE
from trees import LABS, patch_for

NUMBERS = " ".join(str(each.number) for each in LABS)


def make(*words):
    return subprocess.run(["make", "-s", *words], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=DEADLINE, check=False)


def run(directory, *words):
    return make("run", f"ISO={directory}/x.iso", *words)


@pytest.mark.parametrize("words, message", [
    (["run"], f"which lab? Say LAB=N; there are: {NUMBERS}"),
    (["run", "LAB=99"], f'there is no lab "99"; there are: {NUMBERS}'),
    (["run", "LAB=3", "VARIANT=deaf"],
     'lab 3 has no variant "deaf"; there are: log-lock muted raw-serial rescuing-flag unlocked'),
    (["run", "LAB=1", "VARIANT=muted"], "there are: none"),
    (["run", "VARIANT=muted"], "is a variant of which lab?"),
    (["run", "LAB=4", "FIRMWARE=coreboot"], "FIRMWARE=coreboot is neither bios nor uefi"),
    (["run", "LAB=4", "OPTIONS='"], "a character that GRUB would interpret"),
    (["run", "LAB=4", "PATCH=README.md"], "not a unified diff"),
    (["run", "LAB=4", "LOG=loud"], "LOG=loud is none of: error warn info debug"),
    (["grade", "LAB=3", "VARIANT=muted"], "grades the variants as well"),
    (["diff", "FROM=3"], "which stages? Say: make diff FROM=3 TO=4"),
    (["diff", "FROM=3", "TO=99"], f'which lab? "99" is none of: {NUMBERS}'),
])
def test_a_wrong_word_is_named_with_the_right_ones(words, message):
    done = make(*words)
    assert done.returncode != 0 and message in done.stderr, done.stdout + done.stderr


def test_the_last_layer_wins():
    files = make("files", "LAB=3").stdout.split()
    assert "labs/03-deadlock/log.c" in files and "kernel/log.c" not in files
    assert len({file.rpartition("/")[2] for file in files}) == len(files)


def test_headers_are_contracts_and_live_in_the_kernel_alone():
    assert not list(ROOT.glob("labs/**/*.h"))


def test_the_difference_of_two_stages_is_the_lesson():
    done = make("diff", "FROM=3", "TO=4")
    assert done.returncode == 0
    assert "--- labs/03-deadlock/log.c" in done.stdout and "+++ labs/04-static-log/log.c" in done.stdout


@pytest.mark.parametrize("stage, tests", [
    (0, "*"), (1, "*"), (2, "*"),
    # Lab 3 deadlocks when its heap is exhausted, as it should. From then on the heap takes all
    # frames before it is; so of lab 2's own tests those of catch_test.c, which come first, are left out.
    (3, "frame.*,pages.*,directory.*,initramfs.*,paging.*,spinlock.*"),
    (4, "b*,cl*,cp*,d*,f*,h*,i*,l*,m*,n*,o*,p*,s*"),
])
def test_all_tests_pass_in_every_stage_that_has_them(stage, tests, tmp_path):
    done = run(tmp_path, f"LAB={stage}", f"TEST={tests}", "OPTIONS=initramfs=off")
    assert done.returncode == 0 and "all tests passed" in done.stderr, done.stdout
    assert len(re.findall(r"^ok ", done.stdout, re.M)) > 30
    assert "does not count instructions" not in done.stdout


def test_the_tests_of_the_stock_are_skipped_where_the_heap_has_none_in_it(tmp_path):
    patch = tmp_path / "own.patch"
    patch.write_text(patch_for("labs/02-heap/heap.c", (ROOT / "grader/tests/designs/heap.c").read_text()))
    done = run(tmp_path, "LAB=2", f"PATCH={patch}", "TEST=pages.*", "OPTIONS=initramfs=off")
    assert done.returncode == 0, done.stdout
    results = re.findall(r"^(?:not )?ok .*", done.stdout, re.M)
    skipped = [line for line in results if line.endswith("# SKIP this heap does not keep its pages in the stock of pages.h")]
    assert results and skipped == results, done.stdout


def test_an_unknown_option_is_reported(tmp_path):
    done = run(tmp_path, "LAB=0", "OPTIONS=quiet log=loud")
    assert 'options: unknown option "quiet"' in done.stdout
    assert 'options: bad value in "log=loud"' in done.stdout


def test_leaving_out_makes_a_skeleton_of_the_file(tmp_path):
    solution = (ROOT / "labs/01-frames/frame.c").read_bytes()
    (tmp_path / "frame.c").write_bytes(solution)
    git = ["git", "-C", tmp_path, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    done = subprocess.run([ROOT / "labs/leave-out", "frame.c"], cwd=tmp_path, text=True,
                          capture_output=True, check=True)
    skeleton = subprocess.run([ROOT / "labs/skeleton", ROOT / "labs/01-frames/frame.c"],
                              capture_output=True, check=True).stdout
    assert (tmp_path / "frame.c").read_bytes() == skeleton != solution
    assert b'TODO("1.4")' in skeleton and b"SOLUTION" not in skeleton
    assert "frame.c: 4 exercises" in done.stdout


def test_leaving_out_spares_what_git_could_not_bring_back(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "mine.c").write_text("/* BEGIN SOLUTION 1.1 */\n/* END SOLUTION */\n")
    done = subprocess.run([ROOT / "labs/leave-out", "mine.c"], cwd=tmp_path, text=True,
                          capture_output=True, check=False)
    assert done.returncode != 0 and "SOLUTION" in (tmp_path / "mine.c").read_text()
