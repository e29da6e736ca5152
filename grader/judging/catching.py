# SPDX-License-Identifier: MIT
"""Judges a student's own tests by the broken heaps that they catch (lab 2, exercise 2.6).

Some heaps are sound, and differ in all that heap.h leaves open: code, layout, sizes, speed. A test
that fails on one of them does not count. The tests that are left run once more on each broken heap,
each time in a machine of its own, with the same command line and the same seed. All heaps, the
sound ones as well, are compiled in ways of their own (grader/instructor.mk). So a test that
compares machine code fails on a sound heap, or sees nothing on a broken one. Kernels of sound heaps
that students do not have are linked as those of broken heaps, so a kernel's size tells nothing. If a
test fails, or the kernel does not live through the tests, the heap is caught.

Limit: tests whose names together are longer than ktest= may be are not all run.
"""
from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from course.build import Builder, Built, Stage
from course.lab import Boot, Heap, Test, available, load
from course.workspace import without_solutions
from judging import ktap
from judging.commands import STUDENTS_TESTS
from judging.ktests import judge_ktests
from judging.observe import observe
from judging.record import Record
from judging.verdict import PASSED, Finding, Verdict
from machine.abi import Outcome
from machine.ending import BROKEN
from machine.host import MachineError
from machine.image import Image

T = TypeVar("T")


async def _all(work: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """The results, in order; or the first failure, when all the others have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


@dataclass
class Trial:
    """A student's tests of one stage, on trial."""
    builder: Builder
    slots: asyncio.Semaphore
    stage: Stage
    boot: Boot
    line: str                                                   # the command line, but for ktest=
    kernels: dict[str, Image] = field(default_factory=dict)     # by the heap
    refuted: dict[str, Finding] = field(default_factory=dict)   # tests that do not count, and why

    @cached_property
    def shown(self) -> set[str]:
        """The sound heaps that students have."""
        table = tomllib.loads(without_solutions(f"labs/{load(available()[self.stage.lab]).name}/lab.toml").decode())
        return {heap for boot in table["boot"] for heap in boot.get("sound", [])}

    async def findings(self, tests: list[Test]) -> dict[str, Finding]:
        """A verdict for each of these tests of lab.toml. Raises what Builder.build() does."""
        shown = [heap for heap in self.boot.sound if heap in self.shown]
        hidden = [heap for heap in self.boot.sound if heap not in self.shown]
        self.kernels = await self.builder.kernels(self.stage, shown)
        if hidden:                          # linked as those that are broken, which a test could see
            self.kernels |= await self.builder.kernels(self.stage, hidden, bare=True)
        names = await self._that_count()
        if not names:
            return {test.name: self._why_none() for test in tests}
        heaps = sorted({heap.name for test in tests for heap in test.heaps})
        self.kernels |= await self.builder.kernels(self.stage, heaps, bare=True)
        caught = dict(zip(heaps, await _all(self._catch(heap, names) for heap in heaps)))
        return {test.name: self._judge(test.heaps, caught) for test in tests}

    def _choose(self, names: list[str], kernel: Image) -> tuple[list[str], str]:
        """As many tests as the command line has room for, and the command line."""
        chosen, globs = ktap.choose(names, kernel.ktests)
        return chosen, f"{self.line} ktest={globs}"

    async def _boot(self, heap: str, names: list[str], line: str, wanted: list[str] | None) -> Record:
        """One boot that runs these tests; once more if the host was to blame that it failed."""
        kernel = self.kernels[heap]
        built = Built(replace(self.stage, heap=heap), kernel)
        config = await self.builder.config(built, line, self.boot.mem, by_grub=False)
        boot = replace(self.boot, tests=tuple(Test(name, 0, "", ktest=name) for name in names))
        async with self.slots:
            record = await observe(config, kernel, boot, wanted)
            if record.ending.cause in BROKEN:
                record = await observe(config, kernel, boot, wanted)
        config.iso.unlink()
        if record.ending.cause in BROKEN:
            raise MachineError(f"{record.ending.cause.value}: {record.ending.detail}")
        return record

    # ---- on sound heaps

    async def _that_count(self) -> list[str]:
        """The tests that pass together on every sound heap, in the very boot that follows on others."""
        kernels = {heap: self.kernels[heap] for heap in self.boot.sound}
        first = next(iter(kernels.values()))
        names = [name.replace("_", ".", 1) for name in first.ktests if name.startswith(STUDENTS_TESTS.replace(".*", "_"))]
        while names:
            names, line = self._choose(names, first)
            found = await _all(self._try(heap, names, line) for heap in kernels)
            failed = {name: finding for each in reversed(found) for name, finding in each.items()
                      if finding.verdict is not Verdict.PASS}
            if not failed:
                break
            self.refuted |= failed
            names = [name for name in names if name not in failed]
        return names

    async def _try(self, heap: str, names: list[str], line: str) -> dict[str, Finding]:
        """What becomes of these tests on a sound heap. Some may have no verdict yet."""
        if heap in self.shown:
            record = await self._boot(heap, names, line, [])
            found = judge_ktests(names, record, self.builder.seed(self.stage))
            return {name: replace(finding, detail=f"{name} fails on {heap}, which is right: {finding.detail}")
                    for name, finding in found.items()}
        # A test's words on a heap that is not handed out would tell that heap's code to the next one.
        outcomes = (await self._boot(heap, names, line, None)).tests.outcomes
        ran = [name for name in names if outcomes.get(name, Outcome.NOT_RUN) is not Outcome.NOT_RUN]
        return {name: PASSED if outcomes.get(name) is Outcome.PASSED
                else Finding(Verdict.WRONG, f"{name} fails on {heap}, which is right")
                for name in ran or names}

    def _why_none(self) -> Finding:
        """The verdict on tests of which none counts."""
        if not self.refuted:
            return Finding(Verdict.NOT_IMPLEMENTED, f"there is no test {STUDENTS_TESTS}")
        todo = [finding for finding in self.refuted.values() if finding.verdict is Verdict.NOT_IMPLEMENTED]
        if len(todo) == len(self.refuted):
            return replace(todo[0], detail=todo[0].detail.rpartition(": ")[2])
        finding = next(finding for finding in self.refuted.values() if finding not in todo)
        return replace(finding, verdict=Verdict.WRONG, detail=f"no test counts: {finding.detail}")

    # ---- on broken heaps

    async def _catch(self, heap: str, names: list[str]) -> bool:
        """Do the tests, which pass on all sound heaps, not all pass on this one?"""
        record = await self._boot(heap, *self._choose(names, self.kernels[heap]), None)
        return any(record.tests.outcomes.get(name) is not Outcome.PASSED for name in names)

    def _judge(self, heaps: tuple[Heap, ...], caught: dict[str, bool]) -> Finding:
        """The verdict on a test of lab.toml: whether these heaps are caught."""
        missed = Counter(heap.breaks or heap.name for heap in heaps if not caught[heap.name])
        if not missed:
            return PASSED
        nr_caught = len(heaps) - missed.total()
        shown = "; ".join(what + (f" ({count} times)" if count > 1 else "") for what, count in missed.items())
        detail = f"{nr_caught} of {len(heaps)} heaps caught. Not caught: {shown}"
        not_counted = [finding.detail for finding in self.refuted.values()
                       if finding.verdict is not Verdict.NOT_IMPLEMENTED]
        return Finding(Verdict.WRONG, ". ".join([detail, *not_counted[:1]]), cause=f"not caught: {shown}",
                       part=(nr_caught, len(heaps)))
