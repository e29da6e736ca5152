# SPDX-License-Identifier: MIT
"""Grades labs: builds them, boots them in QEMU, and judges each test.

Exit status: 0 full points, 1 points lost, 2 usage, 3 the grader or the machine failed.
"""
from __future__ import annotations

import argparse
import asyncio
import fnmatch
import os
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import answers
import facts
import judge
import ktap
import lab as labs
from build import BuildFailure, Builder, Stage
from image import Image
from judge import Finding, Record, Verdict
from lab import Boot, Lab, Question, Test
from machine import BROKEN, Config, MachineError
from observe import observe
from report import Watcher, show
from result import LabScore, Score, as_dict, write_json

MAX_BOOTS = 4               # for the in-kernel tests of one [[boot]]; then each has its own


@dataclass(frozen=True)
class Task:
    """What to grade of one lab."""
    lab: Lab
    tests: list[Test | Question]
    patch: Path | None

    def has(self, test: Test | Question) -> bool:
        return test in self.tests

    @property
    def questions(self) -> list[Question]:
        return [question for question in self.lab.questions if self.has(question)]

    def wanted_facts(self, boot: Boot | None) -> list[str]:
        """The facts to be measured in this boot, or for None those that need no boot."""
        needs = boot.expect if boot else ""
        if boot and boot is not next(first for first in self.lab.boots if first.expect == needs):
            return []
        return [question.fact for question in self.questions
                if facts.find(question.fact).needs == needs]


Measured = facts.Value | facts.NoSuchThing | Finding    # a fact, or why there is none


class Grader:
    """Grades tasks, with at most `jobs` machines at a time."""

    def __init__(self, builder: Builder, jobs: int, watcher: Watcher):
        self.builder = builder
        self.slots = asyncio.Semaphore(jobs)
        self.watcher = watcher

    async def grade(self, tasks: list[Task]) -> list[LabScore]:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._grade_lab(task)) for task in tasks]
        return [task.result() for task in running]

    async def _grade_lab(self, task: Task) -> LabScore:
        self.watcher.begin(task.lab, len(task.tests))
        boots = [boot for boot in task.lab.boots
                 if task.wanted_facts(boot) or any(task.has(test) for test in boot.tests)]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._grade_boot(task, boot)) for boot in boots]
        scores: dict[str, Score] = {}
        measured: dict[str, Measured] = {}
        for done in running:
            boot_scores, boot_facts = done.result()
            scores |= {score.test.name: score for score in boot_scores}
            measured = boot_facts | measured
        graded = LabScore(task.lab, [])
        if task.questions:
            given = answers.read(task.lab)
            graded.notes += given.notes
            measured |= await self._measure_elf(task)
            for question in task.questions:
                finding = Finding(Verdict.WRONG, given.trouble) if given.trouble else \
                    judge.judge_answer(question, given.values.get(question.key),
                                       measured[question.fact])
                scores[question.name] = Score(question, finding)
                self.watcher.graded(task.lab, scores[question.name])
        graded.scores = [scores[test.name] for test in task.tests]
        return graded

    # ---- boots

    async def _grade_boot(self, task: Task, boot: Boot) -> tuple[list[Score], dict[str, Measured]]:
        """All that is to be graded of one boot, and the facts measured in it."""
        tests = [test for test in boot.tests if task.has(test)] or list(boot.tests)
        wanted = task.wanted_facts(boot)
        measured: dict[str, Measured] = {}
        try:
            stage = await self._stage(task, boot)
            if boot.expect is None:
                found = await self._run_ktests(stage, boot, tests)
            else:
                record = await self._boot(stage, boot, boot.cmdline, wanted)
                measured |= record.facts
                found = {test.name: judge.judge_end(test, record) for test in tests}
        except (BuildFailure, MachineError) as error:
            found = dict.fromkeys((test.name for test in tests), _blame(error))
        scores = [Score(test, found[test.name], _command(task, boot, test, found[test.name]))
                  for test in tests]
        for score in filter(lambda score: task.has(score.test), scores):
            self.watcher.graded(task.lab, score)
        return scores, dict.fromkeys(wanted, scores[0].finding) | measured

    async def _stage(self, task: Task, boot: Boot) -> Stage:
        patches = [task.patch] if task.patch else []
        if boot.variant:
            patches.append(task.lab.path / "variants" / f"{boot.variant}.patch")
        if len(patches) > 1:
            patches = [await self.builder.combine(*patches)]
        return Stage(task.lab.number, *patches)

    async def _run_ktests(self, stage: Stage, boot: Boot,
                          tests: list[Test]) -> dict[str, Finding]:
        """
        Runs in-kernel tests; boots again for those after one that brought the kernel down. Those
        that other tests bring down again and again, and those that may have failed because of
        another, each get a boot of their own.
        """
        names = {test.ktest: test.name for test in tests}
        kernel_tests = Image(await self.builder.elf(stage)).ktests
        pending = list(names)
        found: dict[str, Finding] = {}
        in_doubt: list[str] = []

        async def run(candidates: list[str]) -> tuple[dict[str, Finding], Record]:
            chosen, globs = ktap.choose(candidates, kernel_tests)
            record = await self._boot(stage, boot, f"{boot.cmdline} ktest={globs}")
            return judge.judge_ktests(chosen, record), record

        async def confirm(name: str) -> None:
            try:
                found.update((await run([name]))[0])
            except (BuildFailure, MachineError) as error:
                found[name] = _blame(error)

        for _ in range(MAX_BOOTS):
            judged, record = await run(pending)
            found |= judged
            in_doubt += judge.in_doubt(judged, record)
            pending = [name for name in pending if name not in found]
            if not pending:
                break
        async with asyncio.TaskGroup() as group:
            for name in in_doubt + pending:
                group.create_task(confirm(name))
        return {names[name]: finding for name, finding in found.items()}

    async def _boot(self, stage: Stage, boot: Boot, cmdline: str,
                    wanted: list[str] = []) -> Record:
        """One boot; once more if the host was to blame that it failed."""
        if "log=" not in cmdline:
            cmdline = f"log=info {cmdline}"
        iso, elf = await self.builder.iso(stage, " ".join(cmdline.split()))
        config = Config(iso, mem=boot.mem)
        async with self.slots:
            try:
                record = await observe(config, Image(elf), boot, wanted)
            except MachineError:
                record = None
            if record is None or record.ending.cause in BROKEN:
                record = await observe(config, Image(elf), boot, wanted)
        iso.unlink()
        return record

    async def _measure_elf(self, task: Task) -> dict[str, Measured]:
        """The facts that the ELF file alone decides."""
        wanted = task.wanted_facts(None)
        try:
            elf = await self.builder.elf(Stage(task.lab.number, task.patch))
        except (BuildFailure, MachineError) as error:
            return dict.fromkeys(wanted, _blame(error))
        return {name: await facts.measure(name, facts.Evidence(Image(elf))) for name in wanted}


def _blame(error: BuildFailure | MachineError) -> Finding:
    """The verdict on what could not be built or run."""
    if isinstance(error, BuildFailure):
        return judge.judge_build(str(error))
    return Finding(Verdict.INFRA, str(error))


def _command(task: Task, boot: Boot, test: Test, finding: Finding) -> str:
    """The command that shows a failure again."""
    source = []
    if boot.variant:
        source.append(f"VARIANT={boot.variant}")
    elif task.patch:
        source.append(f"PATCH={os.path.relpath(task.patch)}")
    if finding.verdict is Verdict.BUILD_FAIL:
        return " ".join([f"make elf LAB={task.lab.number}", *source])
    words = [f"make run LAB={task.lab.number}"]
    options = []
    for word in boot.cmdline.split():
        if word.startswith("log="):
            words.append(f"LOG={word.removeprefix('log=')}")
        else:
            options.append(word)
    if test.ktest:
        words.append(f"TEST={test.ktest}")
    if boot.mem != Config.mem:
        words.append(f"MEM={boot.mem}")
    words += source
    if options:
        words.append(f"OPTIONS='{' '.join(options)}'")
    typed = f"   # then type: {', '.join(boot.input)}" if boot.input else ""
    return " ".join(words) + typed


# ---- the command line


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog=__doc__.splitlines()[2])
    parser.add_argument("labs", nargs="*", metavar="LAB", help="a lab's number or name (all)")
    parser.add_argument("--lab", dest="more", action="append", default=[], metavar="N",
                        help="the same as LAB")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result to FILE as well")
    parser.add_argument("--variant", metavar="NAME", help="grade labs/*/variants/NAME.patch")
    parser.add_argument("--patch", type=Path, metavar="FILE", help="grade the labs with this patch")
    parser.add_argument("--test", default="*", metavar="GLOB[,GLOB…]",
                        help="only tests of such a name")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="machines at a time (%(default)s)")
    parser.add_argument("--verbose", action="store_true",
                        help="show all tests, and more of the console")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error("--jobs must be at least 1")
    if arguments.patch and not arguments.patch.is_file():
        parser.error(f"{arguments.patch}: no such file")
    if arguments.variant and arguments.patch:
        parser.error("--variant is a patch of its own: give one of the two")
    return arguments


def _tasks(arguments: argparse.Namespace) -> list[Task]:
    """What the command line asks for. Raises labs.NoSuchLab or labs.LabError."""
    tasks = []
    for lab in labs.select(arguments.labs + arguments.more):
        patch = arguments.patch.resolve() if arguments.patch else None
        if arguments.variant:
            patch = lab.path / "variants" / f"{arguments.variant}.patch"
            if not patch.is_file():
                continue
        tests = [test for test in lab.tests
                 if any(fnmatch.fnmatchcase(test.name, glob) for glob in arguments.test.split(","))]
        if tests:
            tasks.append(Task(lab, tests, patch))
    if not tasks:
        raise labs.NoSuchLab(f"these labs have no test {arguments.test}"
                             + (f" or no variant {arguments.variant}" if arguments.variant else ""))
    return tasks


async def _grade(tasks: list[Task], jobs: int, console: Console) -> list[LabScore]:
    current = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, current.cancel)
    with tempfile.TemporaryDirectory(prefix="ouroboros-") as private, Watcher(console) as watcher:
        return await Grader(Builder(Path(private)), jobs, watcher).grade(tasks)


def _show(console: Console, graded: list[LabScore], verbose: bool) -> None:
    """Shows the result, to as much of a reader as there is."""
    try:
        show(console, graded, verbose)
    except BrokenPipeError:     # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> int:
    arguments = _arguments()
    console = Console(highlight=False)
    try:
        tasks = _tasks(arguments)
        graded = asyncio.run(_grade(tasks, arguments.jobs, console))
        if arguments.json:
            write_json(arguments.json, as_dict(graded))
        _show(console, graded, arguments.verbose)
    except labs.NoSuchLab as error:
        print(f"grade.py: {error}", file=sys.stderr)
        return 2
    except labs.LabError as error:
        print(f"grade.py: {error}", file=sys.stderr)
        return 3
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("grade.py: interrupted", file=sys.stderr)
        return 3
    except Exception:           # a bug of ours must not look like points lost
        traceback.print_exc()
        return 3
    failures = [score.finding.verdict for lab in graded for score in lab.failures]
    return 3 if Verdict.INFRA in failures else 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
