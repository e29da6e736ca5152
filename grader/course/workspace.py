# SPDX-License-Identifier: MIT
"""A tree made for one submission: ours without solutions, with the student's files in it.

What we have built already comes along, with its dates, so that make compiles only what the
student wrote. Nothing that holds a solution does: no source of a file that a student edits, no
reference answers, no kernel, and neither the grader nor its mutants. Where our earlier labs stand in
for the student's, their objects do.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from course.build import Tree
from course.sealing import SEALED_BOOT, seal
from course.table import LabError
from machine.host import ROOT, MachineError

SOURCES = ("Makefile", "boot", "kernel", "labs")
BUILT = ("flags", "kernel.ld", "initramfs.cpio", "obj/boot", "obj/kernel", "obj/labs")

# Our files, sources and built. What an editor, a compiler or patch has left behind is not.
_OURS = re.compile(r"[^.]+|.*\.(c|h|S|awk|in|toml|pml|patch|[cS]\.o|S\.o\.d|c\.s|c\.s\.d|c\.s\.tree)")

# Of a lab.toml: the lines of a test that say how its boot ends. What is booted tells as much where
# a boot waits for several predictions.
DEMANDS = re.compile(r"(?m)^( *)(expect = .*\n(?: *(?:console|console_never|lock|frames|memory) = .*\n)*)")
SEVERAL = re.compile(r"(?m)^(predict = .*,.*\n)((?:\w+ = .*\n)+)")

# A protocol that a student's model must follow without having seen it: all but its name.
HIDDEN = re.compile(r'(?m)^( +)name = "(hidden-\d+)"\n((?:\1\w+ = .*\n)+)')


def sealed(table: str) -> str:
    """
    A lab.toml in which no test says how a boot ends that is to be predicted, and no hidden protocol
    what it does: course.sealing.
    """
    def sealed_part(part: str) -> str:
        name = re.search(r'(?m)^ +name = "(.*)"$', part)
        pattern, name = (DEMANDS, name[1]) if name else (SEVERAL, SEALED_BOOT)
        return pattern.sub(lambda lines: f'{lines[1]}sealed = "{seal(name, lines[2])}"\n', part)

    table = HIDDEN.sub(lambda lines: f'{lines[1]}name = "{lines[2]}"\n{lines[1]}sealed = '
                                     f'"{seal(lines[2], lines[3])}"\n', table)
    return "".join(
        "".join(map(sealed_part, re.split(r"(?m)^(?= +\[)", boot)))
        if re.search(r"(?m)^predict = ", boot) else boot
        for boot in re.split(r"(?m)^(?=\[)", table))


def without_solutions(name: str) -> bytes:
    """
    What students get of a file: labs/skeleton takes out solutions, and lines of a lab.toml that give
    an answer away. How a boot ends that is to be predicted is sealed. Raises LabError. In a handout
    nothing has solutions in it.
    """
    file, skeleton = ROOT / name, ROOT / "labs/skeleton"
    if file.suffix not in (".c", ".pml", ".toml") or not skeleton.exists():
        return file.read_bytes()
    done = subprocess.run(["sh", skeleton, file], capture_output=True, check=False)
    if done.returncode != 0:
        raise LabError(done.stderr.decode().strip())
    return sealed(done.stdout.decode()).encode() if file.name == "lab.toml" else done.stdout


def make(into: Path, students_files: list[str], files: Mapping[str, bytes],
         compiled: Collection[str] = ()) -> Tree:
    """
    Makes the tree in `into`. `students_files` are the paths of all files that students edit,
    `files` the contents of those that there are. Of the sources `compiled` it has our objects, and
    empty files in place of what these are made of. Our own tree must have been built. Raises
    MachineError where make could not work.
    """
    if re.search(r"\s", str(into)):
        raise MachineError(f'make cannot work in "{into.parent.parent}", as that has a blank in it. Set '
                           "TMPDIR to another directory")
    hidden = {ROOT / name for name in students_files} | \
        {ROOT / f"build/obj/{name}.{end}" for name in students_files for end in ("o", "s", "s.d", "s.tree")}

    def left_out(directory: str, names: list[str]) -> list[str]:
        paths = {name: Path(directory, name) for name in names}
        return [name for name, path in paths.items()
                if path in hidden or name == "reference"
                or not (path.is_dir() or _OURS.fullmatch(name))]

    for name in SOURCES + tuple(f"build/{built}" for built in BUILT):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=left_out)
        else:
            shutil.copy2(ROOT / name, target)
    for table in into.glob("labs/*/lab.toml"):
        table.write_bytes(without_solutions(str(table.relative_to(into))))
    for name, contents in files.items():
        (into / name).write_bytes(contents)
    for name in compiled:
        made = f"build/obj/{name}"
        shutil.copy2(ROOT / f"{made}.o", into / f"{made}.o")
        made_at = (ROOT / f"{made}.o").stat().st_mtime_ns
        for emptied in (name, f"{made}.s", f"{made}.s.d", f"{made}.s.tree"):     # no younger than the object: make leaves it
            (into / emptied).write_bytes(b"")
            os.utime(into / emptied, ns=(made_at, made_at))
    return Tree(into, foreign=True)
