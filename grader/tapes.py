# SPDX-License-Identifier: MIT
"""Recordings of the boots that a grader makes: those that show a failure are kept."""
from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import recording as recordings
from qemu import Config
from recording import Recording


class Tapes:
    """
    Keeps recordings in `directory`, and beside each the files `sources` of the tree `root`, for
    GDB to show what was graded and not what is in this tree now.
    """

    def __init__(self, directory: Path, root: Path, sources: Iterable[str]):
        self.directory = directory
        self.root = root
        self.sources = [*sources]
        self._nr = 0

    def new(self, config: Config, elf: Path) -> Recording:
        """An empty recording. Raises MachineError."""
        self._nr += 1
        directory = self.directory / f".{self._nr}"
        directory.mkdir(parents=True)
        return recordings.new(directory, config, elf)

    def keep(self, failed: Mapping[str, Recording]) -> dict[str, Path]:
        """
        Keeps the recordings in which these tests failed, under the name of the first of them.
        Return: where that of each test is.
        """
        places: dict[Recording, Path] = {}
        for name, recording in failed.items():
            if recording not in places:
                places[recording] = self.directory / name
                recording.directory.replace(places[recording])
                self._copy_sources(places[recording] / recordings.SOURCES)
        return {name: places[recording] for name, recording in failed.items()}

    def discard_the_rest(self) -> None:
        """Removes what has not been kept; the directory too, if that was all."""
        for nr in range(1, self._nr + 1):
            shutil.rmtree(self.directory / f".{nr}", ignore_errors=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def _copy_sources(self, place: Path) -> None:
        for source in self.sources:
            if (self.root / source).is_file():
                (place / source).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.root / source, place / source)
