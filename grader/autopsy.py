# SPDX-License-Identifier: MIT
"""Runs inside GDB, attached to a stopped machine: says in JSON what the CPU was doing.

It prints one line, a mark and a JSON object, which findings.py reads. The mark comes in the
environment variable AUTOPSY_MARK, expressions to evaluate, a JSON list, in AUTOPSY_VALUES.
"""
import json
import os

import gdb

MAX_FRAMES = 1000


def attempt(function, *arguments):
    """function(…), or None where GDB cannot tell."""
    try:
        return function(*arguments)
    except (gdb.error, UnicodeDecodeError):     # a MemoryError of GDB's is a gdb.error
        return None


def backtrace():
    """All frames, innermost first, inlined ones included."""
    frames = []
    frame = attempt(gdb.newest_frame)
    while frame is not None and len(frames) < MAX_FRAMES:
        line = attempt(frame.find_sal)
        if line is None or attempt(frame.name) is None:
            break
        frames.append({
            "function": frame.name(),
            "file": os.path.basename(line.symtab.filename) if line.symtab else "",
            "line": line.line,
            "trap": frame.type() == gdb.SIGTRAMP_FRAME,
        })
        frame = attempt(frame.older)
    return frames


def text(pointer):
    """The C string at a pointer, also if it is damaged, or None."""
    return attempt(lambda: pointer.string(errors="replace")) if int(pointer) else None


def place(pointer):
    """A struct place, or None."""
    if not int(pointer):
        return None
    return {"function": text(pointer["function"]), "file": text(pointer["file"]),
            "line": int(pointer["line"])}


def lock(value):
    """A struct spinlock."""
    return {"name": text(value["name"]), "locked": bool(int(value["locked"])),
            "owner": int(value["owner"]), "taken_at": place(value["taken_at"])}


def cpu():
    """What this_cpu says: who it is and what it waits for."""
    state = gdb.parse_and_eval("this_cpu")
    waits_for = state["waits_for"]
    return {"id": int(state["id"]),
            "waits_for": lock(waits_for.dereference()) if int(waits_for) else None,
            "waits_at": place(state["waits_at"])}


def value(expression):
    """A C expression's value: a string for text, an integer for all else."""
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
print(os.environ["AUTOPSY_MARK"] + json.dumps({
    "frames": backtrace(),
    "cpu": attempt(cpu),
    "available_bytes": attempt(available_bytes),
    "values": {expression: attempt(value, expression)
               for expression in json.loads(os.environ.get("AUTOPSY_VALUES", "[]"))},
}))
gdb.execute("disconnect")       # detaching would let the machine go on
