# SPDX-License-Identifier: MIT
"""Records a boot, replays it, and opens it in GDB, where time runs both ways."""
from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

from debugger.attach import STAY_STOPPED, gdb_command, gdb_flags, qemu_running
from debugger.foreground import call_in_foreground
from debugger.place import GDB, listen, private_directory
from machine import recording as recordings
from machine.ending import BROKEN, Cause
from machine.host import ROOT, MachineError
from machine.machine import Machine
from machine.qemu import base_command, virtual_time
from machine.recording import Recording

CONSOLE_LINES = 40      # of the guest's that are shown
GOING_BACK = ROOT / "grader/debugger/inside/time_travel.py"


async def record(empty: Recording, lines: list[str]) -> Recording:
    """Boots a machine, types lines at its prompts, and records it until it ends."""
    async with Machine(empty.config, tape=empty.tape("record")) as machine:
        ending = await machine.run(lines)
        if ending.cause in BROKEN:
            raise MachineError(f"the machine broke down: {ending.cause.value} {ending.detail}")
        if ending.cause is Cause.NOT_LOADED:
            raise MachineError(f"{ending.cause.value}: {ending.detail}")
        return empty.complete(await machine.end_recording(), ending.cause.value, machine.console)


@contextlib.contextmanager
def replayed(recording: Recording, script: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Replays a recording. Gives the command of a GDB there, with a script, and its environment."""
    with private_directory() as place:
        snapshots = place / recordings.SNAPSHOTS
        shutil.copy(recording.directory / recordings.SNAPSHOTS, snapshots)
        tape = recording.tape("replay", snapshots)
        sources = recording.directory / recordings.SOURCES
        gdb = gdb_command(recording.elf, place / GDB, [
            *(["-d", str(sources)] if sources.is_dir() else []),
            "-ex", f"source {script}"])
        listener = listen(place / GDB)
        command = [*base_command(recording.config, "pause", tape), *virtual_time(tape), "-S",
                   "-action", "reboot=shutdown,shutdown=pause", *gdb_flags(listener),
                   "-chardev", "null,id=console", "-serial", "chardev:console"]
        with qemu_running(command, [listener], stdin=subprocess.DEVNULL, start_new_session=True):
            yield gdb, {"OUROBOROS_INSTRUCTIONS": str(recording.nr_instructions),
                        "OUROBOROS_ENDING": recording.ending}


def open_in_gdb(recording: Recording, arguments: list[str]) -> int:
    """Shows what the guest wrote, and opens GDB, which goes to where it went wrong first."""
    console = (recording.directory / recordings.CONSOLE).read_text(errors="replace")
    lines = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in console).splitlines()
    if len(lines) > CONSOLE_LINES:
        lines = [f"… {len(lines) - CONSOLE_LINES} lines …", *lines[-CONSOLE_LINES:]]
    print("\n".join(lines), flush=True)
    with replayed(recording, GOING_BACK) as (gdb, variables):
        return call_in_foreground([*gdb, "-ex", STAY_STOPPED, *arguments], **variables)
