# SPDX-License-Identifier: MIT
"""Seals lines of a lab.toml, so that nobody reads them by chance who is to find out what they say.

No secret: the grader of the same tree opens a seal, and so can whoever wants to.
"""
from __future__ import annotations

import base64
import hashlib
import operator
import tomllib

from course.table import Table

SEALED_BOOT = "boot"        # in the place of a test's name, for what is sealed of a boot
SEAL_BYTES = 256            # what is sealed is filled up to a multiple of it: its length tells nothing


def _mask(name: str, data: bytes) -> bytes:
    """Mixes a digest of a name into these bytes, or takes it out again."""
    return bytes(map(operator.xor, data, hashlib.shake_256(name.encode()).digest(len(data))))


def seal(name: str, lines: str) -> str:
    """The lines of what has this name, as the value of its key `sealed`."""
    data = lines.encode()
    return base64.b64encode(_mask(name, data + b" " * (-len(data) % SEAL_BYTES))).decode()


def open_seal(name: str, table: Table) -> None:
    """Puts what is sealed into the table of what has this name. Raises LabError."""
    try:
        data = base64.b64decode(table.take("sealed", str, ""), validate=True)
        table.values |= tomllib.loads(_mask(name, data).decode())
    except ValueError:
        raise table.error(f"{name}: its seal is broken") from None
