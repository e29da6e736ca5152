# SPDX-License-Identifier: MIT
"""Runs inside GDB, attached to a stopped machine: says in JSON what the CPU was doing.

It prints one line, a mark and a JSON object, which findings.py reads. The mark comes in the
environment variable AUTOPSY_MARK, expressions to evaluate, a JSON list, in AUTOPSY_VALUES.
Relies on: debugger/inside.
"""
import gdb
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

sys.dont_write_bytecode = True          # the package is not ours to write into
sys.path.append(str(Path(__file__).resolve().parents[1]))

from debugger.inside import kernel  # noqa: E402
from debugger.inside.reader import SPINLOCK, Memory, Note  # noqa: E402


def attempt(function, *arguments):
    """function(…), or None where GDB cannot tell."""
    try:
        return function(*arguments)
    except (gdb.error, Note, StopIteration, UnicodeDecodeError):    # its MemoryError is a gdb.error
        return None


def cpu():
    """What this_cpu says: who it is and what it waits for."""
    return asdict(kernel.cpu(Memory(), SPINLOCK.variable("this_cpu")))


def value(expression):
    """The value of a C expression, or of "in FUNCTION: EXPRESSION": a string for text, else an integer."""
    if expression.startswith("in "):
        function, _, expression = expression.removeprefix("in ").partition(": ")
        next(frame for frame in kernel.frames() if frame.name() == function).select()
    result = gdb.parse_and_eval(expression)
    kind = result.type.strip_typedefs()
    if kind.code in (gdb.TYPE_CODE_ARRAY, gdb.TYPE_CODE_PTR) and kind.target().sizeof == 1:
        return result.string()
    return int(result)


def available_bytes():
    """How much memory the boot loader said is available."""
    information = gdb.parse_and_eval("bootinfo")
    ranges = (information["ranges"][index] for index in range(int(information["nr_ranges"])))
    return sum(int(item["bytes"]) for item in ranges if int(item["type"]) == 1)


gdb.execute("set backtrace past-main on")
attached = gdb.selected_thread() is not None        # without a machine GDB would read the ELF file
print(os.environ["AUTOPSY_MARK"] + json.dumps({
    "attached": attached,
    "frames": [asdict(frame) for frame in kernel.backtrace()] if attached else [],
    "cpu": attempt(cpu),
    "available_bytes": attempt(available_bytes),
    "values": {expression: attempt(value, expression)
               for expression in json.loads(os.environ.get("AUTOPSY_VALUES", "[]"))},
}))
if attached:
    gdb.execute("disconnect")   # detaching would let the machine go on
