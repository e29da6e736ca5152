# SPDX-License-Identifier: MIT
"""make fuzz: tries odd input on the kernel's code that reads what comes from outside.

usage: fuzzing.py [--seconds=N] [--target="NAME…"] [--seed=N] [--finding=FILE]

docs/fuzzing.md says what is tried. An empty value is as good as none.
Exit status: 0 no finding, 1 a finding, 2 something else is wrong.
"""
from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from fuzz.running import FuzzError, Tried, build, compiler, fuzz, replay, targets
from machine.start import prepare

SECONDS = 60
LARGEST_SEED = 2**31 - 1


def number(name: str, text: str, default: int) -> int:
    """A number above 0, as make's variable of that name has it. Raises FuzzError."""
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= LARGEST_SEED:
        raise FuzzError(f"{name}={text} is not a number from 1 to {LARGEST_SEED}")
    return int(text)


def chosen(text: str) -> list[str]:
    """The targets of these names; all if there are none. Raises FuzzError."""
    for name in text.split():
        if name not in targets():
            raise FuzzError(f'there is no target "{name}"; there are: {" ".join(targets())}')
    return text.split() or targets()


def target_of(finding: Path, text: str) -> str:
    """Which target a finding is of: its file's name begins with it. Raises FuzzError."""
    if not finding.is_file():
        raise FuzzError(f"there is no file {finding}")
    name = text or finding.name.partition("-")[0]
    if name not in targets():
        raise FuzzError(f"{finding} is a finding of which target? Say TARGET=; there are: "
                        f"{' '.join(targets())}")
    return name


def shown(name: str, tried: Tried) -> str:
    if tried.report:
        return f"{tried.report}\nfuzz: {name}: FINDING. Once more: make fuzz FINDING={tried.finding}"
    return f"fuzz: {name}: no finding in {tried.executions:,} executions, {tried.seconds} s"


def again(file: Path, name: str) -> int:
    """Tries a finding once more. Return: the exit status. Raises FuzzError."""
    name = target_of(file, name)
    build([name], compiler())
    tried = replay(name, compiler(), [file.resolve()])
    print(tried.report or f"fuzz: {name}: {file} is no finding any more")
    return 1 if tried.report else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("seconds", "target", "seed", "finding"):
        parser.add_argument(f"--{name}", default="")
    arguments = parser.parse_args()
    try:
        if arguments.finding:
            return again(Path(arguments.finding), arguments.target)
        names = chosen(arguments.target)
        seconds = number("SECONDS", arguments.seconds, SECONDS)
        seed = number("SEED", arguments.seed, random.randint(1, LARGEST_SEED))
        build(names, compiler())
        print(f"fuzz: built with {compiler()}; SECONDS={seconds} for each target, SEED={seed}",
              flush=True)
        found = False
        for name in names:
            tried = fuzz(name, compiler(), seconds, seed)
            print(shown(name, tried), flush=True)
            found = found or bool(tried.report)
        return 1 if found else 0
    except FuzzError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    prepare()
    sys.exit(main())
