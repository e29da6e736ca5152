# SPDX-License-Identifier: MIT
"""Sorts the words that a user has told make: some are for the make that the grader runs, too.

make puts the words of its command line into our environment. A choice of programs holds for us too:
a submission is compiled by the compiler that the user builds with. All else, as LAB=3, was
meant for that make alone.
Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import os
import re
import shlex

# Programs and files that a user may choose, on make's command line or in the environment.
CHOICES = ("CC", "CROSS_COMPILE", "NM", "STRIP", "GRUB_MKRESCUE", "GRUB_DIR")

# What a user's own make has put into our environment, and must not reach ours. Of all other variables
# the Makefile sets those that it uses.
NOT_OURS = {"MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MAKEFILES"}


def chosen() -> dict[str, str]:
    """What the user has chosen: make has it in our environment, wherever it was said."""
    return {name: os.environ[name] for name in CHOICES if os.environ.get(name)}


def environment_for_make() -> dict[str, str]:
    """Our environment without the words that were for the make which has started us."""
    return {name: value for name, value in os.environ.items() if name not in NOT_OURS}


def words_of(command: str) -> list[str]:
    """A command as a shell would cut it into words; as it stands, if a shell could not."""
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


def for_make(name: str, value: object) -> str:
    """NAME=VALUE for make's command line: a $ is one there too."""
    return f"{name}={value}".replace("$", "$$")


def binutils_prefixes() -> list[str]:
    """
    What may stand before the name of a program of binutils: the Makefile's choice first, which
    is CROSS_COMPILE, or as CC has it, or the first that there is.
    """
    given = os.environ.get("CROSS_COMPILE")
    if given is None:
        found = re.search(r"(\S*)gcc", os.path.basename(os.environ.get("CC", "")))
        given = found[1].rpartition(" ")[2] if found else None
    return [*([] if given is None else [given]), "x86_64-elf-", "x86_64-linux-gnu-", ""]
