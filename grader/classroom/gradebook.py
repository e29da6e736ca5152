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


def _or_empty(points: int | None) -> str | int:
    return "" if points is None else points


def gradebook(results: list[Result]) -> str:
    """
    The CSV file: one line a submission. What could not be judged has no points. Where something was
    decided by hand, the last columns say what was judged, and why it does not count.
    """
    labs = labs_of(results)
    file = io.StringIO()
    # With all texts in quotes, a semicolon in one does not start a new cell anywhere.
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    decided = any(result.override for result in results)
    writer.writerow(["name", "points", "max", "infra", "reason"]
                    + [column for lab in labs for column in (lab.name, f"{lab.name} verdicts")]
                    + ["judged", "late days", "by hand because"] * decided)
    for result in results:
        by_hand = result.override
        row: list[str | int] = [
            _harmless(result.name), _or_empty(result.counted), result.max or "",
            "yes" if result.again else "no", _harmless(short(" / ".join(result.reasons)))]
        for column in labs:
            lab = result.lab(column.name)
            row += [_or_empty(result.counted_in(column.name)), "" if lab is None else lab.verdicts]
        if decided:
            row += ["" if result.again or result.absent else result.points,
                    by_hand.late_days if by_hand else "", _harmless(by_hand.reason) if by_hand else ""]
        writer.writerow(row)
    return file.getvalue()
