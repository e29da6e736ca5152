# SPDX-License-Identifier: MIT
"""What students get: the tree without solutions, as a directory and as a .tar.gz.

An allow-list says what is in it, so that what nobody thought of is not. The solutions in
C files, and the lines of a lab.toml that give an answer away, are taken out by labs/skeleton;
there is no git history. The same tree makes the same archive, byte for byte.

    handout.py --into DIRECTORY [--labs 0-N]

Exit status: 0 made, 1 something is missing or wrong, 2 usage.
"""
from __future__ import annotations

import argparse
import gzip
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import lab
from lab import ROOT, Lab, LabError

NAME = "ouroboros-labs"

# Patterns of paths in the tree, and of paths in a lab's directory.
FILES = ("LICENSE", "Makefile", ".gitignore", ".vscode/*.json",
         "boot/*.S", "boot/*.awk", "boot/*.in", "boot/compile-commands", "boot/link",
         "boot/mkinitramfs", "boot/mkiso", "kernel/*.[chS]",
         "docs/*.md", "docs/diagrams/*.svg", "labs/diff-files", "labs/patch-layer",
         "grader/*.py", "grader/*.html", "grader/debugger/*.py", "grader/find-python",
         "grader/setup.sh")
LAB_FILES = ("README.md", "README.zh.md", "lab.toml", "answers.toml", "*.c", "variants/*.patch")

# What these patterns match, but is of no use without solutions and instructors.
LEFT_OUT = {"docs/index.md", "grader/handout.py", "grader/mutants.py"}

# The handout's own first pages. A line that speaks of a lab which is not in it is left out.
PAGES = ("README.md", "README.zh.md")


def files(labs: list[Lab]) -> Iterator[Path]:
    """The files that students get, as paths in the tree. Raises LabError for a pattern in vain."""
    for pattern in FILES:
        found = sorted(ROOT.glob(pattern))
        if not found:
            raise LabError(f"{pattern}: there is no such file to hand out")
        yield from found
    for given in labs:
        for pattern in LAB_FILES:
            yield from sorted(given.path.glob(pattern))


def without_solutions(file: Path) -> bytes:
    """What students get of a file."""
    if file.suffix not in (".c", ".toml"):
        return file.read_bytes()
    return subprocess.run([ROOT / "labs/skeleton", file], stdout=subprocess.PIPE, check=True).stdout


def page(file: Path, labs: list[Lab]) -> str:
    """A first page, with only the labs that are handed out."""
    given = {lab.name for lab in labs}
    return "".join(line for line in file.read_text(encoding="utf-8").splitlines(keepends=True)
                   if set(re.findall(r"labs/(\d\d-[\w-]+)", line)) <= given)


def make_tree(into: Path, labs: list[Lab]) -> None:
    """Makes the tree in `into`, which must not exist."""
    for file in files(labs):
        name = file.relative_to(ROOT)
        if str(name) in LEFT_OUT:
            continue
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(without_solutions(file))
        target.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
    for name in PAGES:
        (into / name).write_text(page(ROOT / "labs/handout" / name, labs), encoding="utf-8")


def make_archive(archive: Path, tree: Path) -> None:
    """Packs a tree, with nothing of who did it, when and where."""
    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return entry

    with archive.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) \
            as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(tree, NAME, filter=plain)       # a directory's entries in the order of their names


def make(into: Path, labs: list[Lab]) -> None:
    """Makes both in directory `into`, in the place of what was there, or changes nothing."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".new-") as directory:
        tree, archive = Path(directory, NAME), Path(directory, f"{NAME}.tar.gz")
        make_tree(tree, labs)
        make_archive(archive, tree)
        if (into / NAME).exists():
            shutil.move(into / NAME, Path(directory, "old"))
        tree.rename(into / NAME)
        archive.replace(into / f"{NAME}.tar.gz")


def first_labs(words: str | None) -> list[Lab]:
    """The labs of "0-N", or all. Raises LabError."""
    every = lab.select([])
    last = max(given.number for given in every)
    if words is None:
        return every
    match = re.fullmatch(r"0(?:-([0-9]+))?", words)
    if not match or int(match[1] or 0) > last:
        raise LabError(f'labs "{words}": each lab stands on those before it, so they are handed '
                       f"out from the first one on: 0, 0-1, … 0-{last}")
    return every[:int(match[1] or 0) + 1]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="handout.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, required=True, metavar="DIRECTORY")
    parser.add_argument("--labs", metavar="0-N", help="only the first labs (all)")
    arguments = parser.parse_args(words)
    try:
        labs = first_labs(arguments.labs)
        make(arguments.into, labs)
    except (LabError, OSError, subprocess.CalledProcessError) as error:
        print(f"handout: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.into / NAME}: labs {', '.join(str(given.number) for given in labs)}; "
          f"packed: {arguments.into / NAME}.tar.gz")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
