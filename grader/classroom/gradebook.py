# SPDX-License-Identifier: MIT
"""The points of a class as a CSV file, for a spreadsheet or a learning platform."""
from __future__ import annotations

import csv
import io
import unicodedata

from reports.results import Result, labs_of, short


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula, and no line of the file for its end."""
    text = " ".join(text.split())
    return f"'{text}" if unicodedata.normalize("NFKC", text)[:1] in tuple("=+-@") else text


def gradebook(results: list[Result]) -> str:
    """The CSV file: one line a submission. What could not be judged has no points."""
    labs = labs_of(results)
    file = io.StringIO()
    # With all texts in quotes, a semicolon in one does not start a new cell anywhere.
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(["name", "points", "max", "infra", "reason"]
                    + [column for lab in labs for column in (lab.name, f"{lab.name} verdicts")])
    for result in results:
        row: list[str | int] = [_harmless(result.name), "" if result.again else result.points,
                                "" if result.error else result.max, "yes" if result.again else "no",
                                _harmless(short(" / ".join(result.reasons)))]
        for column in labs:
            lab = result.lab(column.name)
            row += ["", ""] if lab is None else ["" if lab.infra else lab.points, lab.verdicts]
        writer.writerow(row)
    return file.getvalue()
