# SPDX-License-Identifier: MIT
"""How the commands write numbers, sizes and bytes. All of it is ASCII."""
from __future__ import annotations


def printable(data: bytes) -> str:
    """Bytes as ASCII, with \\x.. for all that a terminal might take amiss."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in data)


def plural(number: int, word: str) -> str:
    """As in "1 page" and "2,000 pages"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def in_units(nr_bytes: int) -> str:
    """A size in the largest unit that it is a multiple of."""
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if nr_bytes and nr_bytes % (1 << bits) == 0:
            return f"{nr_bytes >> bits} {unit}"
    return f"{nr_bytes} bytes"


def span(start: int, end: int) -> str:
    """A range of physical memory and its size."""
    return f"{start:#013x} - {end - 1:#013x}  {(end - start + 1023) >> 10:>10,} KiB"


def some(numbers: list[int], most: int) -> str:
    """The first of some numbers, and how many more there are, as in "5, 3 and 7 more"."""
    shown = ", ".join(f"{number:,}" for number in numbers[:most])
    return f"{shown} and {len(numbers) - most:,} more" if len(numbers) > most else shown


def some_notes(notes: list[str], most: int) -> list[str]:
    """The first of some notes, and how many more there are."""
    rest = [f"and {len(notes) - most} more of that kind"] if len(notes) > most else []
    return notes[:most] + rest
