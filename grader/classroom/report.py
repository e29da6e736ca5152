# SPDX-License-Identifier: MIT
"""The report on a class: a CSV file for the gradebook and a page that explains the points.

    grade.py report FILES_OR_DIR… --out REPORT/ [--roster students.csv] [--bom]

Made from the submissions' JSON files alone, wherever they were graded, and from what lies beside
it: REPORT/overrides.toml (overrides.py), REPORT/similar.json (similar.py), and a list of the students (roster.py), which also makes
canvas.csv or moodle.csv of a list that is in such a form. Points of a submission that could not be
judged are left empty, everywhere: they are not 0.

Exit status: 0, 2 usage, 3 somebody is to be graded again, or some files are damaged, which the report leaves out.
"""
from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from classroom import overrides, roster
from classroom.gradebook import gradebook
from course.archive import shown
from course.table import LabError
from reports import alike, formats
from reports.alike import Pair
from reports.class_page import Page
from reports.results import Damaged, Result, absent, labs_of, namesakes, read

BOM = "\ufeff"              # by which Excel knows UTF-8


@dataclass(frozen=True)
class Beside:
    """What a report is made of beside the results."""
    overrides: dict[str, overrides.Given]
    similar: list[Pair]             # submissions
    roster: roster.Roster | None
    bom: bool                       # is grades.csv to begin with a byte order mark?


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT",
                        help="the directory of the report; overrides.toml in it is heeded")
    parser.add_argument("--roster", type=Path, metavar="CSV",
                        help="all students, to see who handed in nothing; Canvas' or Moodle's gets the "
                             "points in its form")
    parser.add_argument("--bom", action="store_true",
                        help="begin grades.csv with a byte order mark, for Excel")


def beside(options: argparse.Namespace) -> Beside:
    """Reads what these options name. Raises LabError."""
    return Beside(overrides.read(options.out / overrides.FILE), alike.read(options.out / alike.FILE),
                  roster.read(options.roster) if options.roster else None, options.bom)


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


def _complete(results: list[Result], given: Beside) -> list[Result]:
    """The results with those who handed in nothing, and with the overrides. Raises LabError."""
    labs = labs_of(results)
    if students := given.roster:
        matched = students.match(result.name for result in results)
        there = [id(row) for row in matched.values()]
        results = results + [absent(formats.clean(students.who(row)), labs) for row in students.rows
                             if id(row) not in there]
        if others := [result.name for result in results if not result.absent and result.name not in matched]:
            print(f"grade.py report: not in {students.file}: {', '.join(map(shown, others))}", file=sys.stderr)
    names = {result.name for result in results}
    if unknown := given.overrides.keys() - names:
        raise LabError(f"{overrides.FILE}: nobody is called {', '.join(sorted(unknown))}")
    results = [overrides.apply(result, given.overrides[result.name], labs)
               if result.name in given.overrides else result for result in results]
    return sorted(results, key=lambda result: result.name)


def _for_platform(results: list[Result], given: Beside, out: Path) -> list[Path]:
    """Writes the list in the form that its platform takes back, if it is of one. Return: the file."""
    students, labs = given.roster, labs_of(results)
    if not students or not students.platform:
        return []
    file = out / f"{students.platform}.csv"
    formats.replace(file, roster.canvas(students, results, labs) if students.platform == "canvas"
                    else roster.moodle(students, results, sum(lab.max for lab in labs)))
    return [file]


def make(files: list[Path], out: Path, given: Beside) -> bool:
    """
    Writes the report; names the damaged files. Return: was there none, and is nobody to be graded
    again? Raises LabError for what does not fit the results.
    """
    results, whole = [], True
    for file in files:
        try:
            results.append(read(file))
        except Damaged as error:
            whole = False
            print(f"grade.py report: {shown(str(file))} is damaged: {shown(str(error))}",
                  file=sys.stderr)
    whole = whole and not any(result.again for result in results)
    if results:
        results = _complete(results, given)
        out.mkdir(parents=True, exist_ok=True)
        formats.replace(out / "grades.csv", (BOM if given.bom else "") + gradebook(results))
        written = [out / "index.html", out / "grades.csv", *_for_platform(results, given, out)]
        formats.replace(out / "index.html", Page(results, given.similar).html())
        for same in namesakes(results):
            print(f"The same student's name, and so the same machine: {same[0].student!r} in "
                  + ", ".join(shown(result.name) for result in same))
        nr_absent = sum(result.absent for result in results)
        nr = len(results) - nr_absent
        print(f"{', '.join(map(str, written[:-1]))} and {written[-1]}: {nr} submission{'s' * (nr != 1)}"
              + (f", {nr_absent} handed in nothing" if nr_absent else ""))
    return whole


def main(arguments: list[str]) -> int:
    """`grade.py report`."""
    parser = argparse.ArgumentParser(prog="grade.py report", description=__doc__.splitlines()[0],
                                     epilog=__doc__.splitlines()[-1])
    parser.add_argument("results", nargs="+", type=Path, metavar="FILE_OR_DIR",
                        help="results' JSON files, or directories of them")
    parser.add_argument("--list", type=Path, metavar="FILE",
                        help="what grade.py list printed: those without a result are to be graded again")
    add_options(parser)
    options = parser.parse_args(arguments)
    try:
        files = find(options.results)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    if not files:
        parser.error("there is no .json file")
    listed = options.list.read_text().splitlines() if options.list else []
    missing = {line.partition("\t")[0] for line in listed} - {file.stem for file in files}
    if missing:
        print("to be graded again, as there is no result: " + ", ".join(map(shown, sorted(missing))))
    try:
        return 0 if make(files, options.out, beside(options)) and not missing else 3
    except LabError as error:
        parser.error(str(error))
