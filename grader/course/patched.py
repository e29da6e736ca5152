# SPDX-License-Identifier: MIT
"""A student's file that is no C, as a patch changes it: make knows the patched C files (labs/patch-layer)."""
from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from machine.host import MachineError


def names(patch: Path) -> list[str]:
    """The files that a patch changes, as paths in the tree."""
    return re.findall(r"(?m)^\+\+\+ b/([^\t\n]*)", patch.read_text(encoding="utf-8"))


def changes_c(patch: Path) -> bool:
    """Is a C file among them? If not, the patch makes no other stage."""
    return any(name.endswith(".c") for name in names(patch))


def read(tree: Path, name: str, patch: Path | None) -> bytes | None:
    """A file of the tree, patched if the patch changes it; None if there is none. Raises MachineError."""
    file = tree / name
    if not file.is_file():
        return None
    contents = file.read_bytes()
    if patch is None or name not in names(patch):
        return contents
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, name)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(contents)
        done = subprocess.run(["patch", "--quiet", "-p1", "-F0", "-d", directory, "-i", patch.absolute()], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise MachineError(f"{patch.name} does not apply to {name}: {done.stdout.strip()}")
        return copy.read_bytes()
