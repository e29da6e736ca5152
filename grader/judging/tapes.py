# SPDX-License-Identifier: MIT
"""Recordings of the boots that a grader makes: those that show a failure are kept."""
from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from machine import recording as recordings
from machine.host import MachineError
from machine.image import Image
from machine.qemu import Config
from machine.recording import Recording


class Tapes:
    """
    Keeps recordings in `directory`, each with the sources of its kernel, from the tree `root`,
    for GDB to show: they may be a student's, and another's tomorrow.
    """

    def __init__(self, directory: Path, root: Path):
        self.directory = directory
        self.root = root
        self._nr = 0

    def new(self, config: Config, elf: Path) -> Recording:
        """An empty recording. Raises MachineError."""
        self._nr += 1
        directory = self.directory / f".{self._nr}"
        try:
            directory.mkdir(parents=True)
            return recordings.new(directory, config, elf)
        except OSError as error:
            raise MachineError(f"{directory}: {error.strerror}") from None

    def keep(self, failed: Mapping[str, Recording], prefix: str) -> dict[str, Path]:
        """
        Keeps the recordings in which these tests failed, under the prefix and the name of the
        first of them. Return: where that of each test is.
        """
        places: dict[Path, Path] = {}
        for name, recording in failed.items():
            if recording.directory not in places:
                place = places[recording.directory] = self.directory / f"{prefix}{name}"
                self._copy_sources(recording)
                recording.directory.replace(place)
        return {name: places[recording.directory] for name, recording in failed.items()}

    def discard(self, made: Iterable[Recording]) -> None:
        """Removes recordings that have not been kept."""
        for recording in made:
            shutil.rmtree(recording.directory, ignore_errors=True)

    def discard_the_rest(self) -> None:
        """Removes all that has not been kept; the directory too, if that was all."""
        for nr in range(1, self._nr + 1):
            shutil.rmtree(self.directory / f".{nr}", ignore_errors=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def _copy_sources(self, recording: Recording) -> None:
        root = self.root.resolve()
        for source in Image(recording.elf).sources:     # a student may have chosen these names
            file = (root / source).resolve()
            if file.is_relative_to(root) and file.is_file():
                place = recording.directory / recordings.SOURCES / file.relative_to(root)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)
