"""Submissions graded as an instructor does it: grade.py --tree, with what students send in."""
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import xml.etree.ElementTree as ET
import zipfile

import pytest
from conftest import ROOT, grade
from trees import LABS, Student, copied

from course import workspace
from course.lab import students_files
from judging.grading import Task, Watcher
from judging.submitted import SubmissionGrader
from machine import sandbox

FRAME, HEAP, LOG = (f"labs/{name}" for name in
                    ("01-frames/frame.c", "02-heap/heap.c", "04-static-log/log.c"))
ANSWERS = "labs/03-deadlock/answers.toml"


@pytest.fixture
def submission(tmp_path):
    """A function that makes a submission of the reference solutions, but for these files."""
    def make(**changed):
        tree = tmp_path / "alice"
        shutil.rmtree(tree, ignore_errors=True)
        files = {name: (ROOT / name).read_bytes() for name in students_files()} | changed
        for name, contents in files.items():
            if contents is not None:
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_bytes(contents.encode() if isinstance(contents, str) else contents)
        return tree
    return make


def source(name, old=None, new=None):
    """A reference solution, with its one `old` replaced."""
    text = (ROOT / name).read_text()
    if old is not None:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def verdicts(labs):
    return {test["name"]: test["verdict"] for graded in labs for test in graded["tests"]}


def grade_tree(tree, *arguments, directory):
    """Grades a submission. Return: the exit status, the whole JSON, and what was printed."""
    status, _, output = grade("--tree", str(tree), *arguments, directory=directory)
    return status, json.loads((directory / "grade.json").read_text()), output


@pytest.mark.parametrize("kind", ["directory", "tar.gz", "zip"])
def test_the_reference_gets_full_points_however_it_is_packed(kind, submission, tmp_path):
    tree = submission()
    if kind == "tar.gz":
        with tarfile.open(tmp_path / "alice.tar.gz", "w:gz") as archive:
            archive.add(tree, "alice")
        tree = tmp_path / "alice.tar.gz"
    elif kind == "zip":
        with zipfile.ZipFile(tmp_path / "alice.zip", "w") as archive:
            for file in tree.rglob("*.c"):
                archive.write(file, file.relative_to(tree.parent))
        tree = tmp_path / "alice.zip"
    status, result, output = grade_tree(tree, "4", directory=tmp_path)
    assert status == 0, output
    assert result["submission"]["name"] == "alice" and len(result["submission"]["digest"]) == 64
    assert (result["points"], result["infra"], result["error"]) == (100, False, None)


def test_what_no_lab_asks_for_is_ignored_and_named(submission, tmp_path):
    tree = submission(**{
        "Makefile": f"$(shell touch {tmp_path}/was-here)\nall elf iso:\n\ttouch {tmp_path}/was-here\n",
        "labs/01-frames/frame_test.c": "#error this replaces a test\n",
        "labs/02-heap/lab.toml": "this is not TOML",
        "kernel/ktest.c": "#error this replaces the harness\n"})
    status, result, output = grade_tree(tree, "1", "--test", "frame.double_free_panics",
                                        directory=tmp_path)
    assert status == 0, output
    ignored = ["Makefile", "kernel/ktest.c", "labs/01-frames/frame_test.c", "labs/02-heap/lab.toml"]
    assert result["submission"]["ignored"] == ignored
    assert all(name in output for name in ignored)
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize("missing, number", [(FRAME, 1), (HEAP, 2), (ANSWERS, 3), (LOG, 4)])
def test_a_missing_file_is_a_lab_that_is_not_implemented(missing, number, submission, tmp_path):
    status, result, output = grade_tree(submission(**{missing: None}), str(number),
                                        directory=tmp_path)
    assert status == 1, output
    found = verdicts(result["labs"])
    if missing == ANSWERS:                      # the rest of lab 3 is in a file of its own
        found = {name: verdict for name, verdict in found.items() if name.startswith("answers.")}
    assert set(found.values()) == {"NOT_IMPLEMENTED"}
    assert result["submission"]["missing"] == [missing]


@pytest.mark.parametrize("name, contents", [
    ("broken.zip", b"PK\3\4 and then nothing"), ("empty.tar.gz", b""), ("thesis.pdf", b"%PDF-1.4")])
def test_what_cannot_be_read_is_not_implemented_and_says_why(name, contents, tmp_path):
    (tmp_path / name).write_bytes(contents)
    status, result, output = grade_tree(tmp_path / name, "2", directory=tmp_path)
    assert status == 1, output
    assert (result["points"], result["max"]) == (0, 100)
    assert name in output and name in result["submission"]["trouble"]
    assert set(verdicts(result["labs"]).values()) == {"NOT_IMPLEMENTED"}


def test_a_submission_with_other_files_says_what_it_has(tmp_path):
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob/allocator.c").write_text("int x;\n")
    status, result, output = grade_tree(tmp_path / "bob", "1", directory=tmp_path)
    assert status == 1 and result["points"] == 0, output
    assert "none of the files that count; it has: " in result["submission"]["trouble"]
    assert "allocator.c" in result["submission"]["trouble"]


def test_a_tree_that_is_not_there_is_a_wrong_call(tmp_path):
    status, labs, output = grade("--tree", str(tmp_path / "nobody"), directory=tmp_path)
    assert status == 2 and "no such file" in output


# ---- the student's own earlier labs, and the reference ones

BAD_FRAMES = (ROOT / "kernel/frame.c").read_text()     # never has a frame


def test_a_broken_earlier_lab_does_not_cost_the_next(submission, tmp_path):
    tree = submission(**{FRAME: BAD_FRAMES})
    status, result, output = grade_tree(tree, "2", "--test", "heap.contents,boot.out_of_memory",
                                        directory=tmp_path)
    assert status == 0, output
    tests = {test["name"]: test for test in result["labs"][0]["tests"]}
    assert tests["heap.contents"]["verdict"] == "PASS"
    assert tests["heap.contents"]["own"]["verdict"] not in ("PASS", "INFRA")
    assert tests["heap.contents"]["own"]["points"] == 0 and "own labs:" in output
    assert "reference" in " ".join(result["labs"][0]["notes"])


def test_lab_toml_says_which_counts(submission, tmp_path):
    clone = copied(tmp_path / "clone")
    toml = clone / "labs/02-heap/lab.toml"
    toml.write_text(toml.read_text().replace("boots_to", 'earlier = "own"\nboots_to', 1))
    done = subprocess.run(
        [clone / "grader/grade.py", "--tree", submission(**{FRAME: BAD_FRAMES}), "2", "--test",
         "heap.contents", "--json", tmp_path / "own.json"], text=True, capture_output=True,
        check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    test, = json.loads((tmp_path / "own.json").read_text())["labs"][0]["tests"]
    assert test["points"] == 0 and test["verdict"] != "PASS"
    assert test["reference"]["verdict"] == "PASS" and "reference labs: PASS" in done.stdout


def test_good_earlier_labs_are_not_judged_twice(submission, tmp_path):
    tree = submission(**{HEAP: source(HEAP) + "\n#error unfinished\n"})
    status, result, output = grade_tree(tree, "2", directory=tmp_path)
    assert status == 1, output
    assert set(verdicts(result["labs"]).values()) == {"BUILD_FAIL"}
    assert all(test["own"] is None for test in result["labs"][0]["tests"])


# ---- attacks on the machine that grades

def graded_heap(text, submission, tmp_path):
    """The one finding for a heap.c, which every test of lab 2 must have."""
    status, result, output = grade_tree(submission(**{HEAP: text}), "2", "--test", "heap.contents",
                                        directory=tmp_path)
    assert status == 1, output
    test, = result["labs"][0]["tests"]
    assert test["points"] == 0
    return test["verdict"], test["detail"]


@pytest.fixture(params=["bubblewrap", "Landlock", "none"])
def surroundings(request, tmp_path, monkeypatch):
    """Where a submission is graded: with the sandbox of this kind. Return: what grade.py is told."""
    if request.param == "none":
        return "--sandbox", "none"
    if request.param == "Landlock":
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/bwrap").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin/bwrap").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run([sys.executable, "-c", "from machine import sandbox; print(sandbox.kind())"],
                          text=True, capture_output=True, check=True, cwd=ROOT / "grader")
    if done.stdout.strip() != request.param:
        pytest.skip(f"no {request.param} here")
    return "--sandbox", "required"


SECRET = "nr_other_calls"               # of our heap.c


@pytest.mark.parametrize("attack, words", [
    ('__asm__(".incbin \\"{file}\\"");', "makes the assembler read a file"),
    ('__asm__(".macro m a b\\n.\\\\a\\\\b \\"{file}\\"\\n.endm\\nm inc bin");', "uses .macro"),
    ('#include "{file}"', "heap.c"),
    ('#include "{file}"\n#error unfinished', "heap.c"),
    ('static const char stolen[] = {{\n#include "{file}"\n}};', "heap.c"),
], ids=["incbin", "macro", "include", "include-error", "include-inside"])
def test_no_solution_is_in_sight(attack, words, submission, tmp_path):
    """Also where there is no sandbox."""
    assert SECRET in source(HEAP)
    text = f'#include "heap.h"\n{attack.format(file=ROOT / HEAP)}\n'
    status, result, output = grade_tree(submission(**{HEAP: text}), "2", "--test", "heap.contents",
                                        "--sandbox", "none", directory=tmp_path)
    assert status == 1, output
    test, = result["labs"][0]["tests"]
    assert test["points"] == 0 and test["verdict"] in ("WRONG", "BUILD_FAIL")
    assert words in test["detail"]
    assert SECRET not in output + json.dumps(result)


def test_a_sandbox_of_either_kind_grades_alike(surroundings, submission, tmp_path):
    files = [file for each in LABS for file in each.paths if file.endswith((".toml", ".txt"))]
    tree = submission(**{file: Student.solution(file) for file in files})
    status, result, output = grade_tree(tree, "0", "3", *surroundings, directory=tmp_path)
    assert status == 0, output


def test_our_earlier_labs_stand_in_as_objects(tmp_path):
    """No tree that a submission is built in has a source of ours of a file that students edit."""
    async def graded():
        test, = (test for test in lab.tests if test.name == "log.a_record_has_number_time_level_and_text")
        grader = SubmissionGrader({LOG: (ROOT / LOG).read_bytes()}, tmp_path, asyncio.Semaphore(1), Watcher())
        return await grader.grade([Task(lab, [test], None)])

    lab, = (each for each in LABS if each.number == 4)
    score, = asyncio.run(graded())
    assert [each.finding.verdict for each in score.scores] == ["PASS"], score.scores
    tree = tmp_path / "reference-4"
    assert not [name for name in students_files() if name.endswith(".c") and name != LOG
                and (tree / name).exists() and (tree / name).read_bytes()]
    for text in [line for name in (FRAME, HEAP) for line in source(name).splitlines()
                 if re.fullmatch(r"\t.{50,};", line)]:
        found = subprocess.run(["grep", "-rlF", "--include=*.[chs]", "--", text, tree, tmp_path / "own"],
                               text=True, capture_output=True, check=False).stdout
        assert not found, text


@pytest.mark.parametrize("name", [HEAP, "labs/03-deadlock/reference/answers.toml"])
def test_no_solution_can_be_read_where_a_submission_is_built(name, surroundings, tmp_path, monkeypatch):
    """What make could read there, if somebody had it do so. Without a sandbox the file is out of reach for the
    compiler alone: test_no_solution_is_in_sight."""
    if "none" in surroundings:
        pytest.skip("nothing keeps make from reading without a sandbox")
    for cached in (sandbox._bwrap_trouble, sandbox._landlock_trouble):
        cached.cache_clear()
    tree = workspace.make(tmp_path / "tree", students_files(), {})
    (tmp_path / "tree/Makefile").write_text(f"all:\n\tcat Makefile; cat {ROOT / name}\n")
    (tmp_path / "private").mkdir()
    done = subprocess.run(tree.make(tmp_path / "private", "all"), cwd=tree.root, text=True,
                          env=tree.environment(tmp_path / "private"), capture_output=True, check=False)
    for cached in (sandbox._bwrap_trouble, sandbox._landlock_trouble):
        cached.cache_clear()
    assert done.returncode != 0 and done.stdout == (tmp_path / "tree/Makefile").read_text(), done


def test_no_tree_has_an_answer_or_how_a_predicted_boot_ends(submission, tmp_path):
    """What stands between marks, and how the boots end that lab 3's students have predicted."""
    grade("--tree", str(submission()), "0", "--keep", str(tmp_path / "kept"), directory=tmp_path)
    table = tomllib.loads((tmp_path / "kept/labs/03-deadlock/lab.toml").read_text())
    predicted = [boot for boot in table["boot"] if "predict" in boot]
    assert predicted
    for boot in predicted:
        for test in boot["test"]:
            assert not {"expect", "lock", "frames", "console"} & set(test), test["name"]


def test_a_compiler_without_end_is_ended(submission, tmp_path):
    macros = "\n".join(f"#define M{n} M{n + 1} M{n + 1} M{n + 1} M{n + 1}" for n in range(40))
    macros += "\n#define M40 1,"
    verdict, detail = graded_heap(f"{macros}\nint x[] = {{ M0 }};\n", submission, tmp_path)
    assert verdict == "BUILD_FAIL" and ("limit" in detail or "memory" in detail), detail


@pytest.mark.parametrize("text", [
    '#line 1 "x y"\nint x = ;\n',                                   # a place as no file has it
    "int x = " + 100000 * "(" + "1" + 100000 * ")" + ";\n",            # the compiler crashes
    '__asm__(".pushsection .debug_line\\n .long 1\\n .popsection");\n',
    "#define ONE _Pragma(\"message \\\"" + 100 * "a" + "\\\"\")\n"
    "#define TEN ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE\n" + 2000 * "TEN\n" + "#error x\n",
], ids=["line", "parentheses", "section", "output"])
def test_a_build_that_fails_for_whatever_reason_is_the_submissions(text, submission, tmp_path):
    verdict, detail = graded_heap(text, submission, tmp_path)
    assert verdict == "BUILD_FAIL" and len(detail) < 4000


def test_what_a_compiler_prints_does_not_choose_what_is_graded(submission, tmp_path):
    text = source(HEAP) + f'#pragma message "/etc/passwd"\n#pragma message "{ANSWERS}"\n'
    status, result, output = grade_tree(submission(**{HEAP: text}), "2", "--test", "heap.contents",
                                        directory=tmp_path)
    assert status == 0, output


def test_a_large_table_is_no_reason_not_to_be_graded(submission, tmp_path):
    text = source(FRAME) + "\nextern char table[24 << 20];\nchar table[24 << 20];\n"
    status, result, output = grade_tree(submission(**{FRAME: text}), "1", "--test",
                                        "frame.double_free_panics", directory=tmp_path)
    assert status == 0, output


@pytest.mark.parametrize("text", ["lock = " + 3000 * "[" + 3000 * "]", "lock = " + 5000 * "9"])
def test_answers_that_no_reader_can_bear_are_wrong(text, submission, tmp_path):
    status, result, output = grade_tree(submission(**{ANSWERS: text}), "1", "3", "--test",
                                        "answers.lock,frame.double_free_panics", directory=tmp_path)
    assert status == 1, output
    assert verdicts(result["labs"]) == {"frame.double_free_panics": "PASS", "answers.lock": "WRONG"}


def test_an_assembler_without_end_is_not_begun(submission, tmp_path):
    verdict, detail = graded_heap('__asm__(".macro m\\n m\\n m\\n .endm\\n m");\n', submission, tmp_path)
    assert verdict == "WRONG" and "uses .macro" in detail


def test_an_object_without_end_is_ended(submission, tmp_path):
    verdict, detail = graded_heap('__asm__(".data\\n.zero 10000000000");\n', submission, tmp_path)
    assert verdict == "BUILD_FAIL", detail


def test_a_flood_on_the_console_is_ended(submission, tmp_path):
    heap = source(HEAP, "void heap_init(void)\n{", "void heap_init(void)\n{\n"
                  "\tfor (;;)\n\t\tconsole_printf(\"Na, na, na, hey, hey\");\n")
    heap = heap.replace('#include "heap.h"', '#include "heap.h"\n#include "console.h"', 1)
    verdict, detail = graded_heap(heap, submission, tmp_path)
    assert verdict == "HANG"


# ---- outputs

def test_every_format_is_written_also_when_everything_goes_wrong(submission, tmp_path):
    files = {name: tmp_path / f"result.{name}" for name in ("junit", "ktap", "gradescope", "markdown")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    status, labs, output = grade("--tree", str(submission()), "4", *options, directory=tmp_path)
    assert status == 0, output
    ET.parse(files["junit"])
    assert json.loads(files["gradescope"].read_text())["tests"]
    for file in files.values():
        assert file.stat().st_size > 100
        file.unlink()
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4")
    grade("--tree", str(tmp_path / "broken.zip"), "4", *options, directory=tmp_path)
    assert all(file.stat().st_size > 100 for file in files.values())


def test_repeat_says_that_nothing_changed(submission, tmp_path):
    status, result, output = grade_tree(submission(), "1", "--test", "frame.double_free_panics",
                                        "--repeat", "3", directory=tmp_path)
    assert status == 0, output
    assert "3 times graded, 0 verdicts changed" in output


def test_a_submission_can_be_kept_and_run(submission, tmp_path):
    kept = tmp_path / "kept"
    status, _, output = grade_tree(submission(), "1", "--test", "frame.double_free_panics",
                                   "--keep", str(kept), directory=tmp_path)
    assert status == 0, output
    done = subprocess.run(["make", "-C", kept, "run", "LAB=1", "TEST=frame.double_free_panics"],
                          text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0 and "ok 1 frame.double_free_panics" in done.stdout


def test_a_kept_submission_is_what_is_graded_there(submission, tmp_path):
    kept = tmp_path / "kept"
    grade_tree(submission(**{FRAME: BAD_FRAMES}), "1", "--test", "frame.double_free_panics",
               "--keep", str(kept), directory=tmp_path)
    done = subprocess.run([kept / "grader/grade.py", "1", "--test", "frame.double_free_panics"],
                          text=True, capture_output=True, check=False)
    assert done.returncode == 1 and "0/3" in done.stdout
