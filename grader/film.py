# SPDX-License-Identifier: MIT
"""`make film`: boots the kernel that hangs and the one that does not, and films their consoles.

    film.py HANGS.iso CURED.iso FILM.svg

Exit status: 0 the film is written, 1 a kernel did not end as the film shows it, 3 QEMU failed.
"""
from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from debugger.film import NoStory, shoot
from debugger.foreground import clean_up_when_told_to_end
from machine.host import MachineError
from machine.start import prepare


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="film.py", description=__doc__.splitlines()[0])
    for name in ("hangs", "cured", "film"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        given.film.write_text(asyncio.run(shoot(given.hangs.resolve(), given.cured.resolve())), encoding="utf-8")
    except NoStory as error:
        print(f"film.py: {error}", file=sys.stderr)
        return 1
    except (MachineError, OSError) as error:
        print(f"film.py: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
