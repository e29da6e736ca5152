# SPDX-License-Identifier: MIT
"""`make prove`: proves what a policy says of a stage's objects, or shows the shortest way that breaks it.

    prove.py --stage N --policy FILE [--objdump PROGRAM] OBJECT...

The exit status is 1 if something is not proved, 2 if the policy cannot be read, 3 if the objects cannot.
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from course.table import LabError
from machine.host import ROOT
from machine.start import prepare
from proof import policy
from proof.check import Proof, check, read_kernels
from proof.objects import CannotRead


def show(proof: Proof) -> None:
    for trouble in proof.troubles:
        print(trouble)
    if proof.troubles:
        print(f"Nothing is proved: who calls whom is not known in {len(proof.troubles)} "
              f"{'places' if len(proof.troubles) > 1 else 'place'}.")
    for verdict in proof.verdicts:
        print("\n".join(verdict.lines))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="prove.py", description=__doc__.splitlines()[0])
    parser.add_argument("--stage", required=True)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("objects", nargs="+", type=Path)
    given = parser.parse_args(words)
    try:
        rules = policy.read(given.policy, os.path.relpath(given.policy, ROOT))
        kernel, = read_kernels([[ROOT / path for path in given.objects]], ROOT, given.objdump)
        proof = check(kernel, rules)
    except LabError as error:
        print(f"prove: {error}", file=sys.stderr)
        return 2
    except CannotRead as error:
        print(f"prove: {error}", file=sys.stderr)
        return 3
    show(proof)
    return 0 if proof.holds else 1


if __name__ == "__main__":
    prepare()
    sys.exit(main(sys.argv[1:]))
