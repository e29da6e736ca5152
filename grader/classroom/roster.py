# SPDX-License-Identifier: MIT
"""A list of students, as a table (CSV) with a heading, and the same list with their points.

It may be a table of the instructor's own, or the export of a learning platform, which takes it back:

    Canvas    the gradebook: Student, ID, …, Section, and a column for each assignment. Source of the
              form: Canvas' lib/gradebook_importer.rb
    Moodle    an assignment's grading worksheet: Identifier, …, Grade, Last modified (grade). Source:
              Moodle's mod/assign/feedback/offline/importgradeslib.php

A row belongs to a submission if one of its cells is the submission's name, or an e-mail address of
that name. It also does if it has the number that the platform put into the submission's name.
"""
from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from course.table import LabError
from reports.results import LabResult, Result

# What identifies a student in Canvas' form; assignments follow.
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Integration ID", "Root Account", "Section")
MAXIMA = "Points Possible"          # what the row of these begins with
MOODLE = ("Identifier", "Grade", "Last modified (grade)")
MAXIMUM = "Maximum Grade"


@dataclass
class Roster:
    """The table."""
    file: Path
    heading: list[str]
    rows: list[list[str]]           # of students
    maxima: list[str]               # Canvas' row of points, or nothing

    @property
    def platform(self) -> str:
        if self.heading[:2] == list(CANVAS[:2]) and "Section" in self.heading:
            return "canvas"
        return "moodle" if set(MOODLE) <= set(self.heading) else ""

    def cell(self, row: list[str], name: str) -> str:
        return row[self.heading.index(name)] if name in self.heading else ""

    def who(self, row: list[str]) -> str:
        """How a student of this list is to be called who has handed in nothing."""
        named = next((self.cell(row, name) for name in ("Student", "Full name") if self.cell(row, name)), "")
        return named or next(cell for cell in row if cell)

    def _number(self, row: list[str]) -> str:
        """The number that the platform puts into the names of this student's files."""
        if self.platform == "canvas":
            return self.cell(row, "ID")
        match = re.search(r"\d+$", self.cell(row, "Identifier"))
        return match[0] if match else ""

    def match(self, names: Iterable[str]) -> dict[str, list[str]]:
        """The rows of the submissions with these names. Raises LabError if one could be two people's."""
        found: dict[str, list[str]] = {}
        for name in names:
            number = re.search(r"_(\d+)$", name)
            rows = [row for row in self.rows if _same(name) in _names(row)
                    or number and number[1] == self._number(row)]
            if len(rows) > 1:
                raise LabError(f"{self.file}: {name} could be {self.who(rows[0])} or {self.who(rows[1])}")
            if rows:
                if other := next((other for other, row in found.items() if row is rows[0]), None):
                    raise LabError(f"{self.file}: {self.who(rows[0])} would have two submissions: "
                                   f"{other} and {name}")
                found[name] = rows[0]
        return found


def _same(text: str) -> str:
    """A name in the form in which names are compared."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def _names(row: list[str]) -> set[str]:
    cells = {_same(cell) for cell in row}
    return cells | {cell.partition("@")[0] for cell in cells if "@" in cell}


def read(file: Path) -> Roster:
    """Reads a list, with commas, semicolons or tabs between its cells. Raises LabError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        rows = [[cell.strip() for cell in row] for row in csv.reader(
            io.StringIO(text), delimiter=max(",;\t", key=first.count)) if any(cell.strip() for cell in row)]
    except (OSError, ValueError, csv.Error) as error:
        raise LabError(f"{file}: {error}") from None
    if len(rows) < 2:
        raise LabError(f"{file}: no student is in it, only {len(rows)} line{'s' * (len(rows) != 1)}")
    heading, *rest = rows
    roster = Roster(file, heading, [row + [""] * (len(heading) - len(row)) for row in rest], [])
    if roster.platform == "canvas":
        people = [row for row in roster.rows if roster.cell(row, "ID") and row[0] != "Student, Test"]
        roster.maxima = next((row for row in roster.rows if row[0].startswith(MAXIMA)), [])
        roster.rows = people
    return roster


# ---- what the platforms take back


def _assignment(roster: Roster, lab: LabResult) -> str:
    """The heading of the assignment that is a lab, if there is one; else one that Canvas will ask about."""
    named = re.compile(rf"\blab\W*0*{lab.number}\b|\b{re.escape(lab.name)}\b", re.IGNORECASE)
    last = roster.heading.index("Section")
    found = [name for name in roster.heading[last + 1:] if named.search(name)]
    return found[0] if len(found) == 1 else f"Lab {lab.number}"


def _table(rows: list[list[str]]) -> str:
    """As plain as can be: no platform wants quotes or a byte order mark where none is needed."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def canvas(roster: Roster, results: list[Result], labs: list[LabResult]) -> str:
    """What Canvas' gradebook imports: a column a lab, a row for each student with points."""
    info = [name for name in CANVAS if name in roster.heading]
    matched = roster.match(result.name for result in results)
    rows = [info + [_assignment(roster, lab) for lab in labs],
            [f"    {MAXIMA}"] + [""] * (len(info) - 1) + [str(lab.max) for lab in labs]]
    for result in results:
        points = [result.counted_in(lab.name) for lab in labs]
        if result.name in matched and any(number is not None for number in points):
            row = matched[result.name]
            rows.append([roster.cell(row, name) for name in info]
                        + ["" if number is None else str(number) for number in points])
    return _table(rows)


def moodle(roster: Roster, results: list[Result], most: int) -> str:
    """The grading worksheet with the points of all labs, which are `most`, as its Grade."""
    matched = roster.match(result.name for result in results)
    rows = {id(matched[result.name]): result for result in results if result.name in matched}
    lines = [roster.heading]
    for row in roster.rows:
        result, line = rows.get(id(row)), list(row)
        if result is not None and result.counted is not None:
            maximum = roster.cell(row, MAXIMUM).replace(",", ".")
            share = float(maximum) / most if re.fullmatch(r"\d+(\.\d+)?", maximum) and most else 1
            line[roster.heading.index("Grade")] = f"{result.counted * share:.2f}"
        lines.append(line)
    return _table(lines)
