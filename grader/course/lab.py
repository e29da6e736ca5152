# SPDX-License-Identifier: MIT
"""A lab as its lab.toml describes it: what is graded, how it is booted, what it is worth.

load() reads and checks one lab.toml; whatever is wrong with the file is a LabError that
names the place. The classes below describe the format: the keys are called as their fields.
"""
from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from course import fact_names
from course.model import Model, ModelTest, read_model
from course.proving import Proofs, ProofTest, read_proofs
from course.sealing import SEALED_BOOT, open_seal
from course.table import LabError, Table
from machine.host import ROOT

# How a boot may be expected to end. What each of them means is decided in judging/crash.py.
EXPECTATIONS = ("monitor", "deadlock", "hang", "panic", "fault", "stack_overflow",
                "triple_fault", "reboot")

# Whose earlier labs count where a test fails on the student's own and is judged once more on
# the reference ones.
EARLIER = ("reference", "own")

FULL_POINTS = 100


class NoSuchLab(Exception):
    """What was asked for does not exist."""


@dataclass(frozen=True)
class Heap:
    """A broken heap: an object that HEAP= names. "NAME: the sentence of heap.h that it breaks"."""
    name: str
    breaks: str                             # "" if the student is to find that out


@dataclass(frozen=True)
class Test:
    """One line of the score: an in-kernel test, or a demand on how a boot ends."""
    name: str                               # with "@boot id" if the boot has one
    points: int
    about: str                              # what is expected, for a person
    ktest: str | None = None                # the in-kernel test, or
    expect: str | None = None               # one of EXPECTATIONS
    console: tuple[str, ...] = ()           # regexes that must appear in this order
    console_never: tuple[str, ...] = ()     # regexes that must not appear
    lock: str | None = None                 # the lock of a deadlock
    frames: tuple[str, ...] = ()            # functions in the backtrace, outermost first
    memory: tuple[str, ...] = ()            # regexes that must match what the kernel's data holds
    heaps: tuple[Heap, ...] = ()            # that the student's own tests must catch, or


@dataclass(frozen=True)
class Boot:
    """One boot of the stage and the tests that it decides."""
    tests: tuple[Test, ...]
    id: str | None = None
    mem: str = "64M"
    cmdline: str = ""
    variant: str | None = None              # labs/NN/variants/NAME.patch
    input: tuple[str, ...] = ()             # lines typed at the monitor's prompt
    nmis: bool = False                      # its tests ask for NMIs from outside, and get them
    predict: tuple[str, ...] = ()           # the keys in answers.toml that must be filled in first
    sound: tuple[str, ...] = ()             # heaps on which the student's own tests must pass

    @property
    def expect(self) -> str | None:
        """How this boot must end; None if it runs in-kernel tests."""
        return self.tests[0].expect


@dataclass(frozen=True)
class Question:
    """One question of answers.toml."""
    name: str
    points: int
    about: str
    key: str                                # in answers.toml
    fact: str                               # what judging/facts.py measures
    contains: tuple[str, ...] = ()          # for lists: what must be among the answer,
    at_least: int = 0                       # and how long it must be
    personal: bool = False                  # differs from student to student: needs their name


@dataclass(frozen=True)
class Lab:
    """One directory labs/NN-name."""
    number: int
    path: Path
    title: str
    files: tuple[str, ...]                  # what a student edits
    boots_to: str
    boots: tuple[Boot, ...]
    questions: tuple[Question, ...] = ()
    answers: str = ""                       # the file that holds the answers
    earlier: str = EARLIER[0]               # one of EARLIER
    model: Model | None = None              # in Promela
    proofs: Proofs | None = None            # of who calls whom

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def tests(self) -> list[Test | ProofTest | ModelTest | Question]:
        """Everything that has points: proofs, boots, the model, questions."""
        return [*(self.proofs.tests if self.proofs else ()), *(test for boot in self.boots for test in boot.tests),
                *(self.model.tests if self.model else ()), *self.questions]

    @property
    def keys(self) -> list[str]:
        """What answers.toml may say."""
        predictions = dict.fromkeys(key for boot in self.boots for key in boot.predict)
        return [*predictions, *(question.key for question in self.questions)]

    @property
    def paths(self) -> list[str]:
        """The files that a student edits, as paths in the tree."""
        return [f"labs/{self.name}/{file}" for file in self.files]

    @property
    def sources(self) -> list[str]:
        """The C files among them."""
        return [path for path in self.paths if path.endswith(".c")]

    @property
    def heaps(self) -> list[str]:
        """The heaps on which the student's own tests are tried."""
        return [*dict.fromkeys(name for boot in self.boots for name in (
            *boot.sound, *(heap.name for test in boot.tests for heap in test.heaps)))]


def _read_test(table: Table, boot_id: str | None) -> Test:
    name = table.take("name", str)
    open_seal(name, table)
    expect = table.take("expect", str, None)
    heaps = tuple(Heap(*heap.partition(": ")[::2]) for heap in table.strings("heaps"))
    test = Test(
        name=f"{name}@{boot_id}" if boot_id else name,
        points=table.take("points", int),
        about=table.take("about", str, ""),
        ktest=None if expect or heaps else name,
        expect=expect,
        console=table.strings("console"),
        console_never=table.strings("console_never"),
        lock=table.take("lock", str, None),
        frames=table.strings("frames"),
        memory=table.strings("memory"),
        heaps=heaps,
    )
    table.done()
    table.place += f" ({name})"
    if expect is not None and expect not in EXPECTATIONS:
        raise table.error(f"expect = {expect!r} is none of: {', '.join(EXPECTATIONS)}")
    if expect is None and (test.console or test.console_never or test.lock or test.frames or test.memory):
        raise table.error("console, console_never, lock, frames and memory need expect")
    if test.lock and expect != "deadlock":
        raise table.error('lock needs expect = "deadlock"')
    if test.points < 0:
        raise table.error("points must not be negative")
    for pattern in test.console + test.console_never + test.memory:
        try:
            re.compile(pattern)
        except re.error as error:
            raise table.error(f"{pattern!r} is not a regular expression: {error}") from None
    return test


def _read_boot(table: Table, path: Path) -> Boot:
    open_seal(SEALED_BOOT, table)
    boot_id = table.take("id", str, None)
    tests = tuple(_read_test(test, boot_id) for test in table.tables("test"))
    boot = Boot(
        tests=tests,
        id=boot_id,
        mem=table.take("mem", str, "64M"),
        cmdline=table.take("cmdline", str, ""),
        variant=table.take("variant", str, None),
        input=table.strings("input"),
        nmis=table.take("nmis", bool, False),
        predict=table.strings("predict"),
        sound=table.strings("sound"),
    )
    table.done()
    if not tests:
        raise table.error("a boot without a test")
    if len({test.expect for test in tests}) > 1:
        raise table.error("the tests of one boot must expect the same end")
    if any(bool(test.heaps) is not bool(boot.sound) for test in tests):
        raise table.error("heaps of a test need sound heaps of its boot, and these need tests with heaps")
    if (boot.input or boot.predict) and boot.expect is None:
        raise table.error("a boot that runs in-kernel tests takes no input and no prediction")
    if boot.nmis and boot.expect is not None:
        raise table.error("only a boot that runs in-kernel tests has NMIs sent")
    if not re.fullmatch(r"[1-9][0-9]*[MG]", boot.mem):
        raise table.error(f"mem = {boot.mem!r} is not a size like 64M or 6G")
    if boot.variant and not (path / "variants" / f"{boot.variant}.patch").is_file():
        raise table.error(f"there is no variants/{boot.variant}.patch")
    return boot


def _read_question(table: Table) -> Question:
    question = Question(
        name=table.take("name", str),
        points=table.take("points", int),
        about=table.take("about", str, ""),
        key=table.take("key", str),
        fact=table.take("fact", str),
        contains=table.strings("contains"),
        at_least=table.take("at_least", int, 0),
        personal=table.take("personal", bool, False),
    )
    table.done()
    try:
        fact_names.find(question.fact)
    except fact_names.UnknownFact as error:
        raise table.error(str(error)) from None
    return question


@functools.cache
def load(path: Path) -> Lab:
    """Reads the lab in directory `path`. Raises LabError."""
    file = path / "lab.toml"
    place = str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabError(f"{place}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{place}: {error}") from None
    table = Table(values, place)
    answers = Table(table.take("answers", dict, {}), f"{place}, answers")
    lab = Lab(
        number=int(path.name[:2]),
        path=path,
        title=table.take("title", str),
        files=table.strings("files"),
        boots_to=table.take("boots_to", str),
        boots=tuple(_read_boot(boot, path) for boot in table.tables("boot", [])),
        answers=answers.take("file", str, ...) if answers.values else "",
        questions=tuple(_read_question(question) for question in answers.tables("question", [])),
        earlier=table.take("earlier", str, EARLIER[0]),
        proofs=read_proofs(table.take("proof", dict, {}), place, int(path.name[:2])),
        model=read_model(table.take("model", dict, {}), place),
    )
    table.done()
    answers.done()
    _check_whole(lab, table)
    return lab


def _check_whole(lab: Lab, table: Table) -> None:
    """What can only be said of the whole file."""
    if lab.earlier not in EARLIER:
        raise table.error(f"earlier = {lab.earlier!r} is none of: {', '.join(EARLIER)}")
    names = [test.name for test in lab.tests]
    for name in names:
        if names.count(name) > 1:
            raise table.error(f"two tests are named {name}; give their boots an id")
    total = sum(test.points for test in lab.tests)
    if total != FULL_POINTS:
        raise table.error(f"its points add up to {total}, not to {FULL_POINTS}")
    ends = {boot.expect for boot in lab.boots}
    for question in lab.questions:
        needs = fact_names.find(question.fact).needs
        if needs and needs not in ends:
            raise table.error(f"{question.name} needs a boot that expects {needs!r}")


def available(root: Path = ROOT) -> dict[int, Path]:
    """The labs' directories by number."""
    return {int(path.name[:2]): path
            for path in sorted(root.glob("labs/[0-9][0-9]-*")) if path.is_dir()}


def select(words: list[str], root: Path = ROOT) -> list[Lab]:
    """
    The labs that these words name (3, 03 or 03-deadlock); all of them for no word.
    Raises NoSuchLab or LabError.
    """
    there_are = available(root)
    chosen = []
    for word in words:
        matches = [number for number, path in there_are.items()
                   if word == path.name or (word.isdecimal() and int(word) == number)]
        if not matches:
            raise NoSuchLab(f"there is no lab {word!r}; there are: "
                            + ", ".join(path.name for path in there_are.values()))
        chosen += matches
    return [load(there_are[number]) for number in sorted(set(chosen or there_are))]


def students_sources(up_to: int | None = None) -> list[str]:
    """The C files that a student edits in the labs up to one, or in all; as paths in the tree."""
    return [source for number, path in available().items() if up_to is None or number <= up_to
            for source in load(path).sources]


def students_files() -> list[str]:
    """Every file that a student edits, as a path in the tree."""
    return [path for lab in select([]) for path in lab.paths]
