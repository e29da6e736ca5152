# SPDX-License-Identifier: MIT
"""Whose machine it is: the name that boot/mkinitramfs makes the initramfs from."""
from __future__ import annotations

from pathlib import Path

NAME_FILE = "labs/00-boot/name.txt"
REFERENCE = "labs/00-boot/reference/name.txt"
NO_NAME = (f"there is no name in {NAME_FILE}. The files of the machine are made from it, so without "
           "it nobody knows which machine this answer is about")


def name_in(data: bytes) -> str:
    """
    The name that a file says, in the form in which names are compared; "" if there is none. The
    twin of student() in boot/mkinitramfs.
    """
    lines = [line for line in data.decode("utf-8-sig", errors="replace").splitlines()
             if not line.lstrip().startswith("#")]
    return " ".join(" ".join(lines).split()).casefold()


def name_of(tree: Path) -> str:
    """The name in a tree."""
    file = tree / NAME_FILE
    return name_in(file.read_bytes()) if file.is_file() else ""
