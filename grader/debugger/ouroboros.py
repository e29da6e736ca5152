# SPDX-License-Identifier: MIT
"""GDB commands and pretty-printers for Ouroboros. In GDB: source grader/debugger/ouroboros.py

Sourcing it again, after GDB has read a new ELF, registers the pretty-printers for that one.
"""
import sys
from pathlib import Path

directory = str(Path(__file__).resolve().parent.parent)
if directory not in sys.path:
    sys.path.append(directory)

from debugger.inside import all_commands, beginnings, endings, printers  # noqa: E402, F401

all_commands.define()
printers.register()
beginnings.register()
