# SPDX-License-Identifier: MIT
"""Checks the tools by using them: `make doctor`.

Each failure comes with the line that fixes it. A tool that is only nice to have (KVM, UEFI, a
sandbox) gets a note. Exit status: 0 all is well, 1 something must be fixed. Standard library only, so
that it can say which package is missing.
"""
from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Callable

from judging.trial import Boots
from machine.host import ROOT, MachineError, temporary_directory
from machine.start import prepare
from machine.tools import (SETUP, TOOLS, Trouble, Worth, check_python, check_sandbox, check_tool,
                           check_uefi)
from proof import spin


def report(check: Callable[[], str]) -> bool:
    """Carries out one check and prints its line. Return: whether all is well."""
    try:
        print(f"  ok    {check()}", flush=True)
    except Worth as note:
        print(f"  note  {note}", flush=True)
    except (Trouble, MachineError) as trouble:
        said = str(trouble).removesuffix(f". Try: {SETUP}")
        print(f"  FAIL  {said}\n        fix: {getattr(trouble, 'fix', SETUP)}", flush=True)
        return False
    return True


def check_spin() -> str:
    """Does SPIN make a verifier, which lab 7 needs?"""
    with temporary_directory() as directory:
        try:
            version = asyncio.run(spin.try_it(Path(directory)))
        except MachineError as error:
            raise Worth(f"{error}; without it there is no exercise 7.3") from None
    return f"{version} makes a verifier"


def main() -> int:
    with temporary_directory() as private:
        boots = Boots(Path(private))
        models = [check_spin] if (ROOT / "labs/07-proof").exists() else []
        checks = [*(lambda tool=tool: check_tool(tool) for tool in TOOLS), check_python, check_uefi,
                  check_sandbox, *models, boots.check_build, boots.check_tcg, boots.check_gdb,
                  boots.check_rewind, boots.check_kvm]
        well = [report(check) for check in checks]
    print("All is well." if all(well) else "Something must be fixed, see above.")
    return 0 if all(well) else 1


if __name__ == "__main__":
    prepare()
    sys.exit(main())
