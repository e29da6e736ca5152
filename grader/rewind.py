# SPDX-License-Identifier: MIT
"""`make rewind`: records a boot and opens it in GDB, where time runs both ways.

    rewind.py --iso ISO --elf ELF [--mem 64M] [--type LINE[; LINE]…] [-- GDB-ARGUMENTS]
    rewind.py RECORDING [-- GDB-ARGUMENTS]

The second form opens what `grade.py --record` has left.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import recording as recordings
from console import listen
from image import Image, Memory
from machine import BROKEN, Cause, Machine, Outcome
from qemu import MachineError, base_command, virtual_time
from recording import Recording
from terminal import (STAY_STOPPED, add_machine, call_in_foreground, clean_up_when_told_to_end,
                      gdb_command, gdb_flags, machine_of, private_directory, qemu_running,
                      words_for_gdb)

CONSOLE_LINES = 40      # of the guest's that are shown
GOING_BACK = Path(__file__).resolve().parent / "debugger/time_travel.py"


def lines_of(text: str) -> list[str]:
    """The lines that TYPE='a; b' asks for."""
    return [line.strip() for line in text.split(";") if line.strip()]


async def record(empty: Recording, lines: list[str]) -> Recording:
    """Boots a machine, types lines at its prompts, and records it until it ends."""
    async with Machine(empty.config, tape=empty.tape("record")) as machine:
        ending = await machine.run(lines)
        if ending.cause in BROKEN:
            raise MachineError(f"the machine broke down: {ending.cause.value} {ending.detail}")
        words = ending.cause.value
        if ending.cause is Cause.REBOOT:
            words = await _after_the_tests(machine, empty.elf) or words
        return empty.complete(await machine.end_recording(), words, machine.console)


async def _after_the_tests(machine: Machine, elf: Path) -> str:
    """Why the kernel ends a machine by itself, if there were tests to run."""
    outcome = (await Memory.of(machine, Image(elf))).number("ktests_outcome")
    return {Outcome.PASSED.value: "all tests passed",
            Outcome.FAILED.value: "some tests failed"}.get(outcome, "")


@contextlib.contextmanager
def replayed(recording: Recording, script: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Replays a recording. Gives the command of a GDB there, with a script, and its environment."""
    with private_directory() as place:
        snapshots = place / recordings.SNAPSHOTS
        shutil.copy(recording.directory / recordings.SNAPSHOTS, snapshots)
        tape = recording.tape("replay", snapshots)
        sources = recording.directory / recordings.SOURCES
        gdb = gdb_command(recording.elf, place / "gdb", [
            *(["-d", str(sources)] if sources.is_dir() else []),
            "-ex", f"source {script}"])
        listener = listen(place / "gdb")
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


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="rewind.py", description=__doc__.splitlines()[0],
                                     epilog="What follows -- goes to GDB.")
    parser.add_argument("recording", type=Path, nargs="?")
    add_machine(parser)
    parser.add_argument("--type", type=lines_of, default=[], metavar="LINE[; LINE]…")
    words, arguments = words_for_gdb(words)
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        if given.recording:
            return open_in_gdb(recordings.load(given.recording), arguments)
        config = machine_of(parser, given)
        with tempfile.TemporaryDirectory(prefix="ouroboros-") as directory:
            empty = recordings.new(Path(directory), config, given.elf)
            return open_in_gdb(asyncio.run(record(empty, given.type)), arguments)
    except (MachineError, OSError) as error:
        print(f"rewind.py: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
