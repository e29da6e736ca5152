# SPDX-License-Identifier: MIT
"""`make rewind`: records a boot and opens it in GDB, where time runs both ways.

    rewind.py --iso ISO --elf ELF [--mem 64M] [--firmware …] [--type LINE] [-- GDB-ARGUMENTS]
    rewind.py RECORDING [-- GDB-ARGUMENTS]

The second form opens what `grade.py --record` has left.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import recording as recordings
from machine import BROKEN, Cause, Machine
from qemu import Config, MachineError, base_command, qemu_guard, virtual_time
from recording import Recording
from console import listen
from terminal import call_in_foreground, ended_with_us, gdb_command, gdb_flags

GOING_BACK = Path(__file__).resolve().parent / "debugger/time_travel.py"


def lines_of(text: str) -> list[str]:
    """The lines that TYPE='a; b' asks for."""
    return [line.strip() for line in text.split(";") if line.strip()]


async def record(empty: Recording, lines: list[str]) -> Recording:
    """Boots a machine, types lines at its prompts, and records it until it ends."""
    async with Machine(empty.config, tape=empty.tape("record")) as machine:
        ending = await machine.wait()
        for line in lines:
            if ending.cause is Cause.PROMPT:
                machine.type_line(line)
                ending = await machine.wait()
        if ending.cause in BROKEN:
            raise MachineError(f"the machine broke down: {ending.cause.value} {ending.detail}")
        return empty.complete(await machine.end_recording(), ending.cause.value, machine.console)


@contextlib.contextmanager
def replayed(recording: Recording, script: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Replays a recording. Gives the command of a GDB there, with a script, and its environment."""
    with tempfile.TemporaryDirectory(prefix="ouroboros-") as directory:
        place = Path(directory)
        snapshots = place / recordings.SNAPSHOTS
        shutil.copy(recording.directory / recordings.SNAPSHOTS, snapshots)
        tape = recording.tape("replay", snapshots)
        sources = recording.directory / recordings.SOURCES
        gdb = gdb_command(recording.elf, place / "gdb", [
            *(["-ex", f"directory {sources}"] if sources.is_dir() else []),
            "-ex", f"source {script}"])
        with listen(place / "gdb") as listener:
            command = [*base_command(recording.config, "pause", tape), *virtual_time(tape), "-S",
                       "-action", "reboot=shutdown,shutdown=pause",
                       *gdb_flags(listener), "-chardev", "null,id=console",
                       "-serial", "chardev:console"]
            qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                    pass_fds=[listener.fileno()], preexec_fn=qemu_guard())
        with ended_with_us(qemu):
            yield gdb, {"OUROBOROS_INSTRUCTIONS": str(recording.nr_instructions),
                        "OUROBOROS_ENDING": recording.ending}


def open_in_gdb(recording: Recording, arguments: list[str]) -> int:
    """Shows what the guest wrote, and opens GDB, which goes to where it went wrong first."""
    console = (recording.directory / recordings.CONSOLE).read_text(errors="replace")
    print("".join(c if c.isprintable() or c in "\n\t" else "?" for c in console), flush=True)
    with replayed(recording, GOING_BACK) as (gdb, variables):
        return call_in_foreground([*gdb, *arguments], **variables)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="rewind.py", description=__doc__.splitlines()[0],
                                     epilog="What follows -- goes to GDB.")
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--iso", type=Path)
    parser.add_argument("--elf", type=Path)
    parser.add_argument("--mem", default=Config.mem)
    parser.add_argument("--accel", choices=["tcg", "kvm"], default=Config.accel)
    parser.add_argument("--firmware", choices=["bios", "uefi"], default=Config.firmware)
    parser.add_argument("--type", type=lines_of, default=[], metavar="LINE[; LINE]…")
    end = words.index("--") if "--" in words else len(words)
    given, arguments = parser.parse_args(words[:end]), words[end + 1:]
    if not given.recording and not (given.iso and given.elf):
        parser.error("give a recording, or --iso and --elf")
    try:
        if given.recording:
            return open_in_gdb(recordings.load(given.recording), arguments)
        config = Config(given.iso, given.mem, given.accel, given.firmware)
        with tempfile.TemporaryDirectory(prefix="ouroboros-") as directory:
            empty = recordings.new(Path(directory), config, given.elf)
            return open_in_gdb(asyncio.run(record(empty, given.type)), arguments)
    except MachineError as error:
        print(f"rewind.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
