# SPDX-License-Identifier: MIT
"""A boot on tape: all that is needed to run it again, to the very instruction.

A directory with the boot image, the ELF with its symbols, and what QEMU has recorded. It can be
replayed on any machine that has the same version of QEMU. Standard library only.
"""
from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from machine.host import MachineError
from machine.qemu import Config, Tape

ISO, ELF, LOG, SNAPSHOTS = "boot.iso", "kernel.elf", "replay.log", "snapshots.qcow2"
CONSOLE, ABOUT = "console.txt", "recording.json"
SOURCES = "source"              # what the ELF was made of, if a grader has kept it


@dataclass(frozen=True)
class Recording:
    """What is in such a directory. `nr_instructions` is 0 until the recording is complete."""
    directory: Path
    mem: str = Config.mem
    nr_instructions: int = 0
    ending: str = ""                # in a few words

    @property
    def elf(self) -> Path:
        return self.directory / ELF

    @property
    def config(self) -> Config:
        return Config(self.directory / ISO, self.mem)

    def tape(self, mode: str, snapshots: Path | None = None) -> Tape:
        """To record on, or to replay from; who replays gives a copy of the snapshots to add to."""
        return Tape(mode, self.directory / LOG, snapshots or self.directory / SNAPSHOTS)

    def complete(self, nr_instructions: int, ending: str, console: str) -> Recording:
        """
        Writes down how it ended and what the guest wrote. Return: the recording, which can be
        replayed now.
        """
        (self.directory / CONSOLE).write_text(console)
        done = replace(self, nr_instructions=nr_instructions, ending=ending)
        about = {key: value for key, value in asdict(done).items() if key != "directory"}
        (self.directory / ABOUT).write_text(json.dumps(about, indent=1) + "\n")
        return done


def new(directory: Path, config: Config, elf: Path) -> Recording:
    """An empty recording in an existing directory. Raises MachineError."""
    if config.accel != "tcg":
        raise MachineError("only TCG can record, as KVM does not count instructions")
    if config.firmware != Config.firmware:
        raise MachineError("only a boot with FIRMWARE=bios can be recorded: QEMU hangs in the "
                           "other")
    if shutil.which("qemu-img") is None:
        raise MachineError("qemu-img is not installed. Try: make setup")
    recording = Recording(directory.absolute(), config.mem)
    shutil.copy(config.iso, directory / ISO)
    shutil.copy(elf, directory / ELF)
    done = subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", directory / SNAPSHOTS, "16M"],
                          text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise MachineError(f"qemu-img failed: {done.stderr.strip()}")
    return recording


def load(directory: Path) -> Recording:
    """The recording in a directory. Raises MachineError if there is none, or not all of it."""
    try:
        about = json.loads((directory / ABOUT).read_text())
        recording = Recording(directory.absolute(), **about)
        complete = isinstance(recording.nr_instructions, int) and recording.nr_instructions > 0
    except OSError as error:
        raise MachineError(f"{directory} is no recording: {ABOUT}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise MachineError(f"{directory} is no recording: {ABOUT} is damaged") from None
    missing = [name for name in (ISO, ELF, LOG, SNAPSHOTS, CONSOLE)
               if not (directory / name).is_file()]
    if missing or not complete:
        raise MachineError(f"{directory} is no whole recording; it lacks "
                           f"{', '.join(missing) or 'its length'}")
    return recording
