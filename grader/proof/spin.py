# SPDX-License-Identifier: MIT
"""Checks a student's model in Promela with SPIN, in the sandbox.

The preprocessor, SPIN and a C compiler of the host make one verifier of the model. Each run of it reads
the switches of machine.pml from its environment, so a run costs milliseconds and not a compilation.

What bounds what:
  states      the verifier's own memory, VERIFIER_MB, and its depth, MAX_STEPS: a model that has too many
              states has too many on every machine.
  time        RLIMIT_CPU, against a single step that does not end. It decides nothing else.
  C code      SPIN copies what stands behind c_code and the like into the verifier. Only machine.pml may
              have such words; the sandbox holds whatever gets past.

BadModel is the model's fault, MachineError the host's: after a failure, a model of ours is tried.
"""
from __future__ import annotations

import asyncio
import re
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from machine import sandbox
from machine.host import MachineError

VERIFIER_MB = 64            # of states: 20 times what the reference needs
MAX_STEPS = 10_000          # of one execution
HASH_BITS = 16              # of the table of states: 512 KiB
MAX_OUTPUT_BYTES = 1 << 20  # read of what a program prints

LIMITS = sandbox.Limits(cpu_seconds=30, memory_bytes=1 << 30, file_bytes=32 << 20)

FLAGS = ("-std=gnu99", "-O0", "-w", "-DSAFETY", "-DNOCLAIM", "-DNOFAIR", f"-DMEMLIM={VERIFIER_MB}")

_PROBE = "init { skip }\n"
_EMBEDDED = re.compile(r"\bc_(?:code|expr|decl|state|track)\b")
_MARK = re.compile(r'# (\d+) "([^"]*)"')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_ERROR = re.compile(r"pan:\d+: (.*) \(at depth \d+\)")
_CLAIMED = re.compile(r"assertion violated \(*claim!=\d")
_STATES = re.compile(r"(\d+) states, stored")
_TOO_MUCH = re.compile(r"-DMEMLIM bound|out of memory|VECTORSZ|too many (?:processes|queues)", re.IGNORECASE)


class BadModel(Exception):
    """The model cannot be checked, and it is the model's fault. The message is a sentence."""


@dataclass(frozen=True)
class Outcome:
    """What a run of the verifier found."""
    is_broken: bool             # is there an execution that breaks the claim?
    states: int                 # that it stored
    seconds: float              # of the host's time


def compiler() -> str:
    """A C compiler for this host. Raises MachineError."""
    found = next(filter(shutil.which, ("gcc", "cc", "clang")), None)
    if found is None:
        raise MachineError("SPIN needs a C compiler for this host, and there is none. Try: make setup")
    return found


async def _run(directory: Path, *command: str, **variables: str) -> tuple[int, str]:
    """Runs a command in the sandbox. Return: its exit status, and what it printed."""
    with (directory / "printed").open("w+b") as output:     # a file has a limit, unlike a pipe
        try:
            process = await asyncio.create_subprocess_exec(
                *sandbox.wrap([*command], writable=[directory], directory=directory), cwd=directory,
                env=sandbox.environment(TMPDIR=str(directory), HOME=str(directory), **variables),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                preexec_fn=LIMITS.apply)
        except OSError as error:
            raise MachineError(f"{command[0]} cannot be started: {error.strerror}") from None
        try:
            status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        output.seek(0)
        text = output.read(MAX_OUTPUT_BYTES).decode(errors="replace")
    return status, text.replace(f"{directory}/", "")


def _was_stopped(status: int) -> bool:
    """Did it use up its processor time? As subprocess and as a shell or bwrap say it."""
    stops = (signal.SIGXCPU, signal.SIGKILL)
    return status in (*(-stop for stop in stops), *(128 + stop for stop in stops))


def _line(text: str, pattern: str) -> str:
    """The first line that matches, or the last one that is not empty."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["it says nothing"]
    return next((line for line in lines if re.search(pattern, line)), lines[-1])[:500]


def parts(preprocessed: str) -> dict[str, list[tuple[int, str]]]:
    """The lines of each file, with their numbers, without those that are blank."""
    found: dict[str, list[tuple[int, str]]] = {}
    file, number = "", 0
    for line in preprocessed.splitlines():
        if mark := _MARK.match(line):
            file, number = mark[2], int(mark[1])
            continue
        if line.strip():
            found.setdefault(file, []).append((number, line))
        number += 1
    return found


def reserved(machine: str) -> set[str]:
    """The variables of machine.pml that only its own steps may use: those below "the state"."""
    declared = re.findall(r"(?m)^(?:byte|bool) ([^;]+);", machine.partition("---- the state")[2])
    return {name for names in declared for name in re.findall(r"\b([a-z]\w*)", names)}


def check_text(name: str, theirs: str, alone: str, machine: str, given: str) -> None:
    """
    Refuses a model that reaches around machine.pml, which is called `given`. `theirs` is the model as
    the preprocessor leaves it, `alone` is machine.pml by itself. Raises BadModel.
    """
    found, expected = parts(theirs), parts(alone)
    if not found.get(given):
        raise BadModel(f'{name} does not say: #include "{given}"')
    if [line for _, line in found[given]] != [line for _, line in expected.get(given, [])]:
        raise BadModel(f"{name} changes what {given} says: define nothing before it is included, and give "
                       "no line its name")
    names = reserved(machine) | {"timeout"}
    for file, lines in found.items():
        for number, line in lines if file != given else ():
            code = _STRING.sub('""', line)
            if embedded := _EMBEDDED.search(code):
                raise BadModel(f"{name}:{number}: {embedded[0]} is C, and a model here is Promela alone")
            if word := next((word for word in re.findall(r"\w+", code) if word in names), None):
                raise BadModel(f"{name}:{number}: {word} belongs to {given}, and only its steps may use it")


class Verifier:
    """A model, ready to be run. make() makes one."""

    def __init__(self, directory: Path, name: str):
        self._directory = directory
        self._name = name           # of the student's file

    async def run(self, claim: int, settings: Mapping[str, int]) -> Outcome:
        """Looks for an execution that breaks the claim. Raises BadModel."""
        began = time.monotonic()
        status, text = await self._pan(claim, settings, "-E", f"-m{MAX_STEPS}", "-n")
        states = _STATES.search(text)
        nr_states = int(states[1]) if states else 0
        if _TOO_MUCH.search(text):
            raise BadModel(f"the model has too many states: {nr_states:,}, and there is no end of them within "
                           f"{VERIFIER_MB} MB")
        if _was_stopped(status):
            raise BadModel(f"a step of the model does not end: the verifier has run for {LIMITS.cpu_seconds} "
                           "s of processor time. Is there a d_step or an atomic that goes round for ever?")
        if "max search depth too small" in text:
            raise BadModel(f"the model goes on for more than {MAX_STEPS:,} steps")
        if not states:
            raise BadModel(f"the verifier ends without a result: {_line(text, '^pan:')}")
        error = _ERROR.search(text)
        if error and not _CLAIMED.match(error[1]):
            raise BadModel(self._explained(error[1]))
        return Outcome(bool(error), nr_states, time.monotonic() - began)

    def _explained(self, error: str) -> str:
        """What the verifier found that is no claim of ours."""
        if re.search(r"\(holder\[\w+\]==\(1\+me\)\)|holder\[", error):
            return "the model releases a lock, or uses the heap's pages, and the CPU does not hold the lock"
        return f"{self._name}: {error}"

    async def replay(self, claim: int, settings: Mapping[str, int]) -> list[str]:
        """What the model prints on the way that the last run() found, a line each."""
        _, text = await self._pan(claim, settings, "-r", "-S", "-n")
        return [line.strip() for line in text.partition("spin: trail ends")[0].splitlines()]

    async def _pan(self, claim: int, settings: Mapping[str, int], *options: str) -> tuple[int, str]:
        variables = {name: str(value) for name, value in settings.items()}
        return await _run(self._directory, "./pan", f"-w{HASH_BITS}", *options, CLAIM=str(claim), **variables)


async def _preprocess(directory: Path, file: str) -> str:
    """A file as the preprocessor leaves it. Raises BadModel."""
    status, text = await _run(directory, compiler(), "-E", "-undef", "-nostdinc", "-x", "c", "-o", f"{file}.i", file)
    if status != 0:
        raise BadModel(f"the preprocessor refuses it: {_line(text, 'error')}")
    return (directory / f"{file}.i").read_text(errors="replace")


async def _translate(directory: Path, text: str) -> None:
    """Makes the verifier of a model that needs no preprocessor any more. Raises BadModel."""
    (directory / "model.pml").write_text(text)
    status, said = await _run(directory, "spin", "-a", "-Pcat", "model.pml")
    if status != 0 or not (directory / "pan.c").exists():
        raise BadModel(f"SPIN refuses it: {_line(said, 'Error|error')}")
    status, said = await _run(directory, compiler(), *FLAGS, "-o", "pan", "pan.c")
    if status != 0:
        raise BadModel(f"the verifier that SPIN makes of it does not compile: {_line(said, 'error')}")


def _check_installed() -> None:
    """Raises MachineError if SPIN is not there."""
    if shutil.which("spin") is None:
        raise MachineError("spin is not installed, which checks models. Try: make setup")


async def make(directory: Path, name: str, model: bytes, machine: Path) -> Verifier:
    """
    Makes the verifier of a model in an empty directory. `name` is the file's, `machine` the given file
    that it includes. Raises BadModel or MachineError.
    """
    _check_installed()
    (directory / name).write_bytes(model)
    shutil.copyfile(machine, directory / machine.name)
    try:
        theirs, alone = [await _preprocess(directory, file) for file in (name, machine.name)]
        check_text(name, theirs, alone, machine.read_text(encoding="utf-8"), machine.name)
        await _translate(directory, theirs)
    except BadModel:
        await _check_tools(directory)
        raise
    return Verifier(directory, name)


async def _check_tools(directory: Path) -> None:
    """Raises MachineError if a model of ours does not get through either."""
    probe = directory / "probe"
    probe.mkdir()
    try:
        await _translate(probe, _PROBE)
    except BadModel as error:
        raise MachineError(f"SPIN does not work here, as it does not take a model of ours either: {error}. "
                           "Try: make setup") from None


async def try_it(directory: Path) -> str:
    """Makes the verifier of a model of ours in an empty directory. Return: SPIN's version. Raises MachineError."""
    _check_installed()
    await _check_tools(directory)
    _, said = await _run(directory, "spin", "-V")
    return _line(said, "Version")
