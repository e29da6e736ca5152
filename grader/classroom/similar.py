# SPDX-License-Identifier: MIT
"""Says whose files are alike, and exports them for a tool that looks closer.

    grade.py similar SUBMISSIONS… --out REPORT/ [--lab N …] [--other-years DIR …] [--at-least 60]

    REPORT/similar/submissions/NAME/02-heap/heap.c      what students wrote, in C
    REPORT/similar/base/02-heap/heap.c                  what they were given, which counts for nothing
    REPORT/similar/other-years/DIR/NAME/…               the same of other years
    REPORT/similar.json                                 the pairs; `grade.py report` links them

Files that are equal but for white space are named without any tool. Dolos (`dolos`) or JPlag (`jplag`,
or JPLAG=its .jar) adds its pairs if it is installed. Nothing leaves this machine. A pair is a reason to
read both files, and not yet a finding.

Exit status: 0, whatever was found; 2 usage; 3 the tool failed.
"""
from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from classroom.intake import NEWEST, Refused, find
from course import submission
from course.archive import SubmissionError, shown
from course.lab import Lab, NoSuchLab, select, students_files
from course.table import LabError
from course.workspace import without_solutions
from reports import alike
from reports.alike import Pair

LIMIT = 1800                # seconds of the host's time for a tool
STUDENTS, BASE, OTHER_YEARS = "submissions", "base", "other-years"


class ToolFailed(Exception):
    """A tool that is installed did not do what it should."""


class Export:
    """The files as the tools want them, one directory a submission; and who wrote which."""

    def __init__(self, into: Path, labs: list[Lab]):
        self.into = into
        self.sources = [source for lab in labs for source in lab.sources]
        self.people: dict[Path, str] = {}           # by the directory of their files
        shutil.rmtree(into, ignore_errors=True)
        for source in self.sources:
            self._put(into / BASE, source, without_solutions(source))

    def _put(self, directory: Path, source: str, contents: bytes) -> None:
        file = directory / source.removeprefix("labs/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents)

    def add(self, paths: list[Path], out: Path, year: str = "") -> None:
        """Adds the submissions of a class, or of another year. Raises Refused."""
        for candidate in find(paths, out, NEWEST)[0]:
            directory = self.into / (f"{OTHER_YEARS}/{year}" if year else STUDENTS) / candidate.name
            try:
                files = submission.read(candidate.path, students_files()).files
            except SubmissionError as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            self.people[directory] = f"{year}/{candidate.name}" if year else candidate.name
            for source in self.sources:
                if source in files:
                    self._put(directory, source, files[source])

    def written(self, source: str) -> dict[Path, str]:
        """The files of one name that differ from what was given, and whose they are."""
        name = source.removeprefix("labs/")
        given = _bare(self.into / BASE / name)
        return {file: person for directory, person in self.people.items()
                if (file := directory / name).is_file() and _bare(file) != given}

    def pairs(self, first: str, second: str, source: str, percent: int, by: str) -> Iterator[Pair]:
        """The pair, unless it is of one person or of other years alone."""
        if first != second and not {first, second} <= {
                person for directory, person in self.people.items() if OTHER_YEARS in directory.parts}:
            yield Pair(*sorted((first, second), key=lambda name: ("/" in name, name)), source, percent, by)


def _bare(file: Path) -> bytes:
    """A file's text without white space."""
    return b"".join(file.read_bytes().removeprefix(b"\xef\xbb\xbf").split())


def equal(export: Export) -> Iterator[Pair]:
    """The files that are equal but for white space: each with the first of its kind."""
    for source in export.sources:
        groups: dict[bytes, list[str]] = defaultdict(list)
        for file, person in export.written(source).items():
            groups[_bare(file)].append(person)
        for first, *others in groups.values():
            for other in others:
                yield from export.pairs(first, other, source, 100, "equal")


def _run(words: list[str | Path]) -> None:
    """Runs a tool. Raises ToolFailed."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolFailed(str(error)) from None
    if done.returncode != 0:
        raise ToolFailed(f"{words[0]} ended with status {done.returncode}: "
                         + shown(done.stdout.strip().rpartition("\n")[2]))


def _rows(file: Path, *columns: str) -> Iterator[list[str]]:
    """These columns of a tool's table. Raises ToolFailed."""
    try:
        with file.open(newline="", encoding="utf-8") as table:
            yield from ([row[column] for column in columns] for row in csv.DictReader(table))
    except (OSError, KeyError, ValueError) as error:
        raise ToolFailed(f"{file}: {error!r}") from None


def dolos(tool: str, export: Export) -> Iterator[Pair]:
    """Dolos compares files, so each file of the labs is a run. Its form: cli/src/cli/views/fileView.ts."""
    for source in export.sources:
        files = export.written(source)
        into = export.into / "dolos" / source.replace("/", "-")
        if len(files) < 2:
            continue
        into.parent.mkdir(exist_ok=True)
        _run([tool, "run", "--language", "c", "--ignore", export.into / BASE / source.removeprefix("labs/"),
              "--output-format", "csv", "--output-destination", into, *files])
        for left, right, similarity in _rows(into / "pairs.csv", "leftFilePath", "rightFilePath", "similarity"):
            yield from export.pairs(files[Path(left)], files[Path(right)], source,
                                    round(100 * float(similarity)), "Dolos")


def jplag(tool: list[str], export: Export) -> Iterator[Pair]:
    """JPlag compares whole submissions. Its options: cli/options/CliOptions.java, version 5 and 6."""
    into = export.into / "jplag"
    into.mkdir()
    years = sorted((export.into / OTHER_YEARS).glob("*"))
    _run([*tool, "--mode", "RUN", "--language", "c", "--base-code", export.into / BASE, "--csv-export",
          "--overwrite", "--result-file", into / "result", export.into / STUDENTS,
          *(["--old", ",".join(map(str, years))] if years else [])])
    people = {}                 # with several roots a submission is called ROOT/NAME
    for directory, person in export.people.items():
        people |= {f"{directory.parent.name}/{directory.name}": person, person: person}
    table = next(into.rglob("*.csv"), None)
    if table is None:
        raise ToolFailed(f"{tool[-1]} left no table in {into}")
    for left, right, similarity in _rows(table, "submissionName1", "submissionName2", "averageSimilarity"):
        yield from export.pairs(people[left], people[right], "", round(100 * float(similarity)), "JPlag")


def closer(export: Export) -> Iterator[Pair]:
    """What an installed tool finds. Raises ToolFailed."""
    try:
        if tool := shutil.which("dolos"):
            yield from dolos(tool, export)
        elif jar := os.environ.get("JPLAG"):
            yield from jplag(["java", "-jar", jar], export)
        elif tool := shutil.which("jplag"):
            yield from jplag([tool], export)
        else:
            print("Neither dolos nor jplag is installed, so only equal files are named.", file=sys.stderr)
    except (KeyError, ValueError) as error:
        raise ToolFailed(f"its table names something strange: {error!r}") from None


def _line(pair: Pair) -> str:
    return shown(f"{pair.percent:3} %  {pair.first}  {pair.second}  {pair.file or 'all files'}  ({pair.by})")


def _similar(options: argparse.Namespace) -> None:
    """Does what the command line asks for. Raises Refused, LabError, NoSuchLab or ToolFailed."""
    export = Export(options.out / "similar", select(options.lab))
    export.add(options.submissions, options.out)
    for year in options.other_years:
        export.add([year], options.out, year.resolve().name)
    found = {(pair.first, pair.second, pair.file): pair for pair in closer(export)
             if pair.percent >= options.at_least}
    found |= {(pair.first, pair.second, pair.file): pair for pair in equal(export)}
    pairs = sorted(found.values(), key=lambda pair: (-pair.percent, pair.first, pair.second, pair.file))
    alike.write(options.out / alike.FILE, pairs)
    for pair in pairs:
        print(_line(pair))
    print(f"{options.out / alike.FILE}: {len(pairs)} pair{'s' * (len(pairs) != 1)}. "
          "`grade.py report` shows them on the class page.")


def main(arguments: list[str]) -> int:
    """`grade.py similar`."""
    parser = argparse.ArgumentParser(prog="grade.py similar", description=__doc__.splitlines()[0],
                                     epilog=__doc__.strip().splitlines()[-1])
    parser.add_argument("submissions", nargs="+", type=Path, metavar="SUBMISSIONS",
                        help="a directory of submissions, or a submission")
    parser.add_argument("--out", type=Path, required=True, metavar="REPORT", help="the directory of the report")
    parser.add_argument("--lab", action="append", default=[], metavar="N",
                        help="a lab's number or name; may be given several times (all)")
    parser.add_argument("--other-years", nargs="+", type=Path, default=[], metavar="DIR",
                        help="directories of submissions of other years, each called as its year")
    parser.add_argument("--at-least", type=int, default=60, metavar="PERCENT",
                        help="how much must be alike, by the tool (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        _similar(options)
    except (Refused, NoSuchLab) as error:
        print(f"grade.py similar: {error}", file=sys.stderr)
        return 2
    except (ToolFailed, LabError) as error:
        print(f"grade.py similar: {error}", file=sys.stderr)
        return 3
    return 0
