# SPDX-License-Identifier: MIT
"""The report on a class: a CSV file for the gradebook and a page that explains the points.

    grade.py report FILES_OR_DIR… --out REPORT/

Made from the submissions' JSON files alone, wherever they were graded. Points of a submission
that could not be judged are left empty, in both: they are not 0.

Exit status: 0, 2 usage, 3 some files are damaged; the report is made of the others.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from classroom.gradebook import gradebook
from course.archive import shown
from reports import formats
from reports.class_page import Page
from reports.results import Damaged, namesakes, read


def find(paths: list[Path]) -> list[Path]:
    """
    The results' files that these files and directories are. ValueError if two submissions have
    one name, FileNotFoundError for what is not there.
    """
    files: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or directory")
        for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
            first = files.setdefault(file.stem, file)
            if first.resolve() != file.resolve():
                raise ValueError(f"two results of one name: {first} and {file}")
    return list(files.values())


def make(files: list[Path], out: Path) -> bool:
    """Writes the report; names the damaged files. Return: was there none?"""
    results = []
    for file in files:
        try:
            results.append(read(file))
        except Damaged as error:
            print(f"grade.py report: {shown(str(file))} is damaged: {shown(str(error))}",
                  file=sys.stderr)
    if results:
        results.sort(key=lambda result: result.name)
        out.mkdir(parents=True, exist_ok=True)
        formats.replace(out / "grades.csv", gradebook(results))
        formats.replace(out / "index.html", Page(results).html())
        for same in namesakes(results):
            print(f"The same student's name, and so the same machine: {same[0].student!r} in "
                  + ", ".join(shown(result.name) for result in same))
        print(f"{out / 'index.html'} and {out / 'grades.csv'}: "
              f"{len(results)} submission{'' if len(results) == 1 else 's'}")
    return len(results) == len(files)


def main(arguments: list[str]) -> int:
    """`grade.py report`."""
    parser = argparse.ArgumentParser(prog="grade.py report", description=__doc__.splitlines()[0],
                                     epilog=__doc__.splitlines()[-1])
    parser.add_argument("results", nargs="+", type=Path, metavar="FILE_OR_DIR",
                        help="results' JSON files, or directories of them")
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT",
                        help="the directory for index.html and grades.csv")
    options = parser.parse_args(arguments)
    try:
        files = find(options.results)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if not files:
        parser.error("there is no .json file")
    return 0 if make(files, options.out) else 3
