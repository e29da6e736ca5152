"""build.py: whose fault it is when make fails."""
import asyncio
import subprocess

import pytest
from trees import copied

from course.build import BLANK_LINE, Builder, BuildFailure, Stage, Tree, with_command_line
from judging import conduct
from machine.host import MachineError


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


def test_nothing_but_the_command_line_is_filled_in():
    """Whatever a student's kernel has in it."""
    kernel = b"".join(bytes([letter]) * 600 for letter in range(256))
    made = with_command_line(kernel + BLANK_LINE + kernel, "log=info")
    assert made == kernel + b"log=info".ljust(len(BLANK_LINE)) + kernel


def test_what_is_compiled_first_changes_nothing_for_the_others(tmp_path):
    """Some files have flags of their own. They are not the ones that build/flags remembers."""
    tree = copied(tmp_path / "tree")
    ways = "build/obj/labs/02-heap/heap_test.c.o", "build/obj/kernel/string.c.o", "build/obj/kernel/panic.c.o"
    remembered = set()
    for first in ways:
        subprocess.run(["make", "-s", "-C", tree, first], check=True, stdout=subprocess.DEVNULL)
        remembered.add((tree / "build/flags").read_text())
    assert len(remembered) == 1
