# SPDX-License-Identifier: MIT
"""Builds the targets, has them try inputs, and reads what they say.

A target is a program: libFuzzer's where clang has that, else host/driver.c with what gcc makes, which
knows the same options. It ends at the first finding and leaves the input in a file of FOUND.
"""
from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fuzz.seeds import SEEDS
from machine.host import ROOT

BUILD = Path("build/fuzz")
FOUND = BUILD / "found"
MAX_BYTES = 8192            # of an input
LIMIT = 10                  # seconds that one input may take

# Where a report begins, a target's or a sanitizer's or libFuzzer's, and where it is told again.
_REPORT = re.compile(r"^(?:.*: not kept: |.*runtime error: |==\d+==\s*ERROR: |timeout: )", re.MULTILINE)
_AGAIN = re.compile(r"^(?:NOTE|SUMMARY|Shadow bytes|written): ?", re.MULTILINE)
_FRAME = re.compile(r" +#\d+ ")         # of a backtrace
_OURS = re.compile(rf" {re.escape(str(ROOT))}/(?:kernel|labs|grader)/")
_WRITTEN = re.compile(r"(?:Test unit written to|^written:) (.+)", re.MULTILINE)


class FuzzError(Exception):
    """A target could not be built or run; the kernel is not to blame."""


@dataclass(frozen=True)
class Tried:
    """What became of one target."""
    executions: int             # 0 if there is a finding
    seconds: int
    report: str = ""            # of a finding
    finding: Path | None = None


def targets() -> list[str]:
    return sorted(path.stem for path in (ROOT / "grader/fuzz/targets").glob("*.c"))


@functools.cache
def compiler() -> str:
    """clang if it has libFuzzer, which is tried; else gcc."""
    if shutil.which("clang"):
        done = subprocess.run(
            ["clang", "-fsanitize=fuzzer,address", "-x", "c", "-o", os.devnull, "-"], text=True,
            input="int LLVMFuzzerTestOneInput(const char *bytes, long nr) { return 0; }",
            capture_output=True, check=False)
        if done.returncode == 0:
            return "clang"
    return "gcc"


def build(names: Iterable[str], by: str) -> None:
    """Has make build targets. Raises FuzzError."""
    done = subprocess.run(["make", "--silent", "--no-print-directory",
                           *(str(BUILD / by / name) for name in names)], cwd=ROOT, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FuzzError(done.stderr.strip())


def corpus(name: str) -> list[Path]:
    """Writes the seeds of a target. Return: the files, as paths in the tree."""
    directory = BUILD / "seeds" / name
    shutil.rmtree(ROOT / directory, ignore_errors=True)
    (ROOT / directory).mkdir(parents=True)
    for seed, text in SEEDS[name].items():
        (ROOT / directory / seed).write_bytes(text)
    return [directory / seed for seed in SEEDS[name]]


def _brief(report: str) -> str:
    """A report without what it repeats, and the calls in the kernel and its target alone."""
    again = _AGAIN.search(report)
    lines = report[:again.start() if again else None].strip().splitlines()
    return "\n".join(_OURS.sub(lambda match: match[0].replace(f"{ROOT}/", ""), line)
                     for line in lines if not _FRAME.match(line) or _OURS.search(line))


def _run(name: str, by: str, *words: str | Path) -> Tried:
    (ROOT / FOUND).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [ROOT / BUILD / by / name, f"-artifact_prefix={FOUND / name}-", f"-timeout={LIMIT}", *words],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, check=False)
    if done.returncode == 0:
        match = re.search(r"^Done (\d+) runs in (\d+) second", done.stdout, re.MULTILINE)
        return Tried(int(match[1]), int(match[2])) if match else Tried(0, 0)
    begin = _REPORT.search(done.stdout)
    if begin is None:
        raise FuzzError(f"{name}: exit status {done.returncode}: {done.stdout[-500:].strip()}")
    left = _WRITTEN.search(done.stdout)
    return Tried(0, 0, _brief(done.stdout[begin.start():]), Path(left[1]) if left else None)


def fuzz(name: str, by: str, seconds: int, seed: int) -> Tried:
    """Tries inputs for so many seconds. The seed decides which. Raises FuzzError."""
    seeds = ",".join(map(str, corpus(name)))
    return _run(name, by, f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MAX_BYTES}",
                f"-seed_inputs={seeds}")


def replay(name: str, by: str, files: Iterable[Path]) -> Tried:
    """Tries these files, and nothing else. Raises FuzzError."""
    return _run(name, by, *files)
