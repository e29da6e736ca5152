# SPDX-License-Identifier: MIT
"""Adds to the addresses that a test has printed the lines of source that they belong to.

The kernel knows its functions by name, and no lines: those are in the ELF file. Relies on
binutils' addr2line.
"""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

from machine import sandbox
from machine.host import MachineError
from machine.tools import binutil

TOOL_LIMIT = 60             # seconds of the host's time

# As a test says it: "# … 0xffffffff80203abc in log_record+0x4c".
_PLACE = re.compile(r"^(#.*\b(0x[0-9a-f]{16}) in \w+\+0x[0-9a-f]+)$", re.MULTILINE)


def _line_at(address: str, elf: Path) -> str:
    """ (FILE:LINE) of an address, with a blank before it, or ""."""
    try:
        said = subprocess.run([binutil("addr2line"), "-s", "-e", str(elf), address], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=TOOL_LIMIT,
                              check=True, errors="replace", env=sandbox.environment(),
                              preexec_fn=sandbox.COMPILE.apply).stdout
    except (MachineError, OSError, subprocess.SubprocessError):
        return ""
    found = re.match(r"([\w.-]+\.[chS]):(\d+)", said)
    return f" ({found[1]}:{found[2]})" if found else ""


def with_lines(console: str, elf: Path) -> str:
    """What was printed, with a line of source behind each place that a test has named."""
    return _PLACE.sub(lambda place: place[1] + _line_at(place[2], elf), console)
