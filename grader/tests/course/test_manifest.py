"""What a student has changed of the given files, and that this is never called our fault."""
import subprocess

import pytest
from conftest import GRADER
from trees import unpacked

from course import manifest

LOG, RESCUE, TOML = (f"labs/{name}" for name in ("04-static-log/log.c", "03-deadlock/rescue.c",
                                                 "01-frames/lab.toml"))


@pytest.fixture
def tree(tmp_path):
    """A small handout, with its manifest."""
    for name in ("Makefile", "kernel/a.c", "kernel/README.md", LOG, RESCUE, "grader/grade.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    manifest.write(tmp_path, [LOG])
    return tmp_path


def test_what_is_as_it_was_given_or_is_the_students_is_not_named(tree):
    assert manifest.changed(tree) == []
    (tree / LOG).write_text("solved\n")
    (tree / "kernel/README.md").write_text("notes\n")
    (tree / "notes.txt").write_text("notes\n")
    assert manifest.changed(tree) == []


def test_what_is_changed_or_gone_or_new_is_named(tree):
    (tree / RESCUE).write_text("changed\n")
    (tree / "kernel/a.c").unlink()
    (tree / "labs/04-static-log/heap.c").write_text("it would win\n")
    changed = ["kernel/a.c", RESCUE, "labs/04-static-log/heap.c"]
    assert manifest.changed(tree) == changed
    assert "the handout once more" in manifest.advice(changed, tree)
    (tree / ".git").mkdir()
    assert manifest.advice(changed, tree).endswith(f"git checkout {' '.join(changed)}")


def test_each_of_several_handouts_counts(tree):
    (tree / RESCUE).write_text("a later handout's\n")
    list_of_first, = (tree / manifest.DIRECTORY).iterdir()
    list_of_first.rename(tree / "first.txt")
    (tree / manifest.DIRECTORY).rmdir()
    manifest.write(tree, [LOG])
    (tree / "first.txt").rename(list_of_first)
    assert manifest.changed(tree) == []
    (tree / RESCUE).write_text(f"{RESCUE}\n")
    assert manifest.changed(tree) == []


def test_a_tree_without_a_list_is_not_a_students():
    assert manifest.changed() == []


def make_grade(tree, number):
    done = subprocess.run(["make", "-s", "grade", f"LAB={number}"], cwd=tree, text=True,
                          capture_output=True, check=False)
    return " ".join((done.stdout + done.stderr).split())


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("changed"))


@pytest.mark.parametrize("name, change", [
    (RESCUE, lambda text: text + '#include "nowhere.h"\n'),
    ("boot/link", lambda text: text.replace("set -eu\n", "set -eu\nexit 9\n")),
    (TOML, lambda text: "this is not TOML"),
    ("kernel/panic.h", lambda text: text.replace("PANIC_TODO", "PANIC_ELSE")),
    ("boot/mkiso", lambda text: "#!/bin/sh\nexit 7\n"),
])
def test_make_grade_names_a_given_file_that_was_changed_and_does_not_call_it_infra(
        name, change, students):
    file = students / name
    before = file.read_text()
    file.write_text(change(before))
    try:
        said = make_grade(students, 4 if name == RESCUE else 1)
    finally:
        file.write_text(before)
    assert f"you changed {name}" in said, said
    assert "INFRA" not in said, said
    assert "you changed" not in make_grade(students, 1)


def test_a_handout_has_its_manifest(students):
    assert (GRADER / "grade.py").is_file() and manifest.changed(students) == []
    text = next((students / manifest.DIRECTORY).iterdir()).read_text()
    assert f"{manifest.STUDENTS}  {LOG}\n" in text and f"  {RESCUE}\n" in text
