# SPDX-License-Identifier: MIT
"""Makes the tree that students get: without solutions, as a directory and as a .tar.gz.

An allow-list names its files, so a file that nobody thought of is not in it. Nor is a file that git
does not know. Solutions are taken out (course.workspace.without_solutions()); a file that
an instructor has tried a lab in is refused. There is no git history. The same tree makes the same
archive, byte for byte, with the same compiler. The heaps that lab 2's tests must catch are objects in
labs/objects/, and so are the reference's frames and heap, if they are to be in it.
"""
from __future__ import annotations

import asyncio
import gzip
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from course import answers, build, manifest
from course.lab import Lab, load, select
from course.student import NAME_FILE, name_of
from course.table import LabError
from course.workspace import without_solutions
from machine.host import ROOT, temporary_directory

NAME = "ouroboros-labs"

# Patterns of paths in the tree, and of paths in a lab's directory.
FILES = ("LICENSE", "Makefile", ".gitattributes", ".gitignore", ".devcontainer/*.json",
         ".vscode/*.json", "boot/*.S", "boot/*.awk", "boot/*.in", "boot/ask-name", "boot/check-tools",
         "boot/compile-commands", "boot/find-grub", "boot/link", "boot/mkinitramfs", "boot/mkiso", "kernel/*.[chS]",
         "docs/*.md", "docs/diagrams/*.svg", "labs/diff-files", "labs/patch-layer",
         "grader/*.py", "grader/find-python", "grader/setup.sh", "grader/reports/*.html",
         *(f"grader/{room}/*.py" for room in ("machine", "debugger", "debugger/inside", "course", "proof",
                                              "judging", "reports", "classroom")))
LAB_FILES = ("README.md", "README.zh.md", "lab.toml", "name.txt", "answers.toml", "hints.toml", "*.c", "*.pml", "proof.toml",
             "variants/*.patch")

# What these patterns match, but is of no use without solutions and instructors.
LEFT_OUT = {"docs/index.md", "docs/performance.md", "docs/diagrams/performance.svg", "docs/fuzzing.md",
            *(f"docs/diagrams/door-{who}.svg" for who in ("student", "instructor", "engineer")),
            "grader/benchmark.py", "grader/film.py", "grader/debugger/film.py", "grader/fuzzing.py",
            "grader/handout.py", "grader/course/handout.py",
            "grader/mutants.py", "grader/classroom/mutants.py"}

# Pages that tell the answers of a lab, by the first lab with which they may be handed out.
TELL_ANSWERS = {"docs/case-study.md": 3, "docs/case-study.zh.md": 3, "docs/real-systems.md": 3, "docs/proving.md": 7}

# The handout's own first pages. A line that names a lab or a page which is not in it is left out.
PAGES = ("README.md", "README.zh.md")

# What of a page is for labs from one on, between marks of which a reader sees nothing.
_FROM_LAB = re.compile(r"^ *<!-- from lab (\d+) -->\n\n?((?:(?! *<!--).*\n)*?) *<!-- end -->\n\n?", re.MULTILINE)


def tracked() -> set[str]:
    """The files that git knows, as paths in the tree. Raises LabError if there is no git."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, text=True, capture_output=True,
                              check=False)
    except FileNotFoundError:
        raise LabError("git must tell what belongs to this tree, and git is not installed") from None
    if done.returncode != 0:
        raise LabError(f"git must tell what belongs to this tree: {done.stderr.strip()}")
    return set(done.stdout.split("\0"))


def files(labs: list[Lab]) -> Iterator[str]:
    """The files that students get, as paths in the tree. Raises LabError for a pattern in vain."""
    known, last = tracked(), labs[-1].number
    patterns = [*FILES, *(f"labs/{given.name}/{pattern}" for given in labs for pattern in LAB_FILES)]
    for pattern in patterns:
        found = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))
        if not found and pattern in FILES:
            raise LabError(f"{pattern}: there is no such file to hand out")
        for name in found:
            if name not in known:
                print(f"handout: git does not know {name}, so it is left out", file=sys.stderr)
            elif name not in LEFT_OUT and TELL_ANSWERS.get(name, 0) <= last:
                yield name


def check_students_files(into: Path, given: Lab) -> None:
    """Raises LabError if a file that students edit is missing, or holds somebody's solution."""
    for name in given.paths:
        if not (into / name).is_file():
            raise LabError(f"{name}, which students edit, is not handed out")
    for name in (path for path in given.paths if path.endswith((".c", ".pml", "/proof.toml"))):
        if (into / name).read_bytes() == (ROOT / name).read_bytes():
            raise LabError(f"{name} has no solution between marks: all its text would be "
                           f"handed out. Try: git checkout {name}")
    if NAME_FILE in given.paths and name_of(into):
        raise LabError(f"{NAME_FILE} has a name in it. Try: git checkout {NAME_FILE}")
    if given.answers:
        name = f"labs/{given.name}/{given.answers}"
        if (found := answers.read(given, into)).any:
            raise LabError(found.trouble or next(iter(found.broken.values()), "") or f"{name} has answers in it. Try: git checkout {name}")


def page(text: str, last: int) -> str:
    """A page as it is handed out with the labs up to `last`: without what is marked as from a later one."""
    kept = _FROM_LAB.sub(lambda found: found[2] if int(found[1]) <= last else "", text)
    if "<!-- from lab" in kept or "<!-- end -->" in kept:
        raise LabError("a page has a mark without its other half, or one in another")
    return kept.rstrip("\n") + "\n"


def first_page(text: str, tree: Path) -> str:
    """A first page, with only what is in the tree."""
    named = re.compile(r"labs/\d\d-[\w-]+|docs/[\w.-]+\.md")
    return "".join(line for line in text.splitlines(keepends=True)
                   if all((tree / name).exists() for name in named.findall(line)))


def add_objects(into: Path, lab: int, heaps: list[str]) -> None:
    """Adds the objects that HEAP names. Raises MachineError if they cannot be made."""
    with temporary_directory() as private:
        asyncio.run(build.bring_objects(Path(private), into, f"LAB={lab}", f"HEAP={' '.join(heaps)}"))
    for made in (into / build.OBJECTS).glob("*/*.o"):
        made.chmod(0o644)


def make_tree(into: Path, labs: list[Lab], given: bool = False) -> None:
    """
    Makes the tree in `into`, which must not exist. `given`: with the reference's frames and heap,
    as objects, for the labs after them.
    """
    for name in files(labs):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        contents = without_solutions(name)
        if name.endswith(".md"):
            contents = page(contents.decode(), labs[-1].number).encode()
        target.write_bytes(contents)
        target.chmod(0o755 if (ROOT / name).stat().st_mode & 0o100 else 0o644)
    for name in PAGES:
        text = page((ROOT / "labs/handout" / name).read_text(encoding="utf-8"), labs[-1].number)
        (into / name).write_text(first_page(text, into), encoding="utf-8")
    for each in labs:
        check_students_files(into, each)
        if heaps := load(into / "labs" / each.name).heaps:
            add_objects(into, each.number, heaps)
    if given and labs[-1].number >= build.GIVEN_FROM:
        add_objects(into, build.GIVEN_FROM, [build.GIVEN])
    manifest.write(into, [path for each in labs for path in each.paths])


def make_archive(archive: Path, tree: Path) -> None:
    """Packs a tree, with nothing of who did it, when and where."""
    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with archive.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) \
            as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(tree, NAME, filter=plain)       # a directory's entries in the order of their names


def make(into: Path, labs: list[Lab], given: bool = False) -> None:
    """Makes both in directory `into`, in the place of what was there, or changes nothing."""
    if (into / NAME / ".git").exists():
        raise LabError(f"{into / NAME} is a git repository: move it to where it is to stay")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".new-") as directory:
        tree, archive, old = (Path(directory, name) for name in (NAME, f"{NAME}.tar.gz", "old"))
        make_tree(tree, labs, given)
        make_archive(archive, tree)
        try:
            if os.path.lexists(into / NAME):
                (into / NAME).rename(old)
            tree.rename(into / NAME)
            archive.replace(into / f"{NAME}.tar.gz")
        except BaseException:
            if os.path.lexists(old):
                if (into / NAME).exists():
                    (into / NAME).rename(tree)
                old.rename(into / NAME)
            raise


def first_labs(words: str | None) -> list[Lab]:
    """The labs of "0-N", or all. Raises LabError."""
    every = select([])
    if words is None:
        return every
    match = re.fullmatch(r"0(?:-([0-9]+))?", words)
    last = int(match[1] or 0) if match else -1
    if last not in [given.number for given in every]:
        raise LabError(f'labs "{words}": each lab stands on those before it, so they are handed '
                       f"out from the first one on: 0, 0-1, … 0-{every[-1].number}")
    return [given for given in every if given.number <= last]
