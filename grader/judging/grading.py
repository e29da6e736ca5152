# SPDX-License-Identifier: MIT
"""Grades labs: has them built, boots them, and has each test judged."""
from __future__ import annotations

import asyncio
import contextlib
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from course import answers, fact_names, patched, student
from course.build import GIVEN, GIVEN_FROM, OBJECTS, Builder, BuildFailure, Misconduct, Stage
from course.lab import EXPECTATIONS, Boot, Lab, Question, Test
from course.model import ModelTest
from course.proving import ProofTest
from course.table import LabError
from judging import catching, commands, facts, judge, ktap, ktests, modelling, proving
from judging.observe import observe
from judging.record import Record
from judging.result import LabScore, Score
from judging.tapes import Tapes
from judging.verdict import Finding, Verdict
from machine.ending import BROKEN
from machine.host import MachineError, lack_of_room, without_private_paths
from proof import policy as policies
from proof.check import read_kernels
from proof.objects import CannotRead


@dataclass(frozen=True)
class Task:
    """What to grade of one lab."""
    lab: Lab
    tests: list[Test | ProofTest | ModelTest | Question]
    patch: Path | None
    heap: str = ""              # that stands in for the student's: Stage.heap

    def has(self, test: Test | ProofTest | ModelTest | Question) -> bool:
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
                if fact_names.find(question.fact).needs == needs]


class Watcher:
    """Is told how the grading goes on. This one keeps it to itself."""

    def begin(self, lab: Lab, nr_tests: int) -> None:
        """So many tests of a lab are to be graded."""

    def graded(self, lab: Lab, score: Score) -> None:
        """One of them has been."""


Measured = facts.Value | facts.NoSuchThing | Finding    # a fact, or why there is none

FAILURES = (BuildFailure, Misconduct, MachineError)     # to be turned into a verdict

# What a boot came to, for those who have predicted it; by Test.expect.
ENDS = {expect: expect.replace("_", " ") for expect in EXPECTATIONS} | {"monitor": "the monitor"}


class Grader:
    """Grades tasks in one tree, with a machine for each free one of the `slots`."""

    def __init__(self, builder: Builder, slots: asyncio.Semaphore, watcher: Watcher,
                 recordings: Path | None = None):
        """`recordings`: where to leave recordings of the boots that show a failure."""
        self.tapes = Tapes(recordings, builder.tree.root) if recordings else None
        self.builder = builder
        self.slots = slots
        self.watcher = watcher

    async def grade(self, tasks: list[Task]) -> list[LabScore]:
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(self._grade_alone(task)) for task in tasks]
            return [task.result() for task in running]
        finally:
            if self.tapes:
                self.tapes.discard_the_rest()

    async def _grade_alone(self, task: Task) -> LabScore:
        """One lab. A bug of ours, or what no test foresees, costs the other labs nothing."""
        try:
            return await self._grade_lab(task)
        except Exception as error:
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            why = lack_of_room()
            if not why:
                why = without_private_paths(f"the grader failed: {type(error).__name__}: {error}")
                with contextlib.suppress(OSError):
                    traceback.print_exception(error)
            finding = Finding(Verdict.INFRA, why)
            return LabScore(task.lab, [Score(test, finding) for test in task.tests], heap=task.heap)

    async def _grade_lab(self, task: Task) -> LabScore:
        self.watcher.begin(task.lab, len(task.tests))
        given = answers.read(task.lab, self.builder.tree.root) if task.lab.questions else None
        if reason := self._not_begun(task.lab, given):
            finding = Finding(Verdict.NOT_IMPLEMENTED, reason)
            return LabScore(task.lab, [Score(test, finding) for test in task.tests], begun=False,
                            heap=task.heap)
        boots = [boot for boot in task.lab.boots
                 if task.wanted_facts(boot) or any(task.has(test) for test in boot.tests)]
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self._grade_boot(task, boot, given)) for boot in boots]
            modelled = group.create_task(self._grade_model(task))
            proved = group.create_task(self._grade_proofs(task))
        graded = LabScore(task.lab, [], heap=task.heap)
        scores: dict[str, Score] = modelled.result() | proved.result()
        measured: dict[str, Measured] = {}
        for done in running:
            boot_scores, boot_facts, ends = done.result()
            scores |= {score.test.name: score for score in boot_scores}
            measured = boot_facts | measured
            graded.notes += ends
        if task.heap:
            graded.notes.append(f"HEAP={task.heap}: graded on the reference's frames and heap, and not on "
                                "those of this tree.")
        if task.questions:
            graded.notes = given.notes + graded.notes
            measured |= await self._measure_elf(task)
            for question in task.questions:
                finding = self._judge_answer(question, given, measured[question.fact])
                scores[question.name] = Score(question, finding, debug=_where_to_look(
                    task, question, finding))
                self.watcher.graded(task.lab, scores[question.name])
        graded.scores = [scores[test.name] for test in task.tests]
        graded.notes += self._left_out_before(task, graded.scores)
        return graded

    def _left_out_before(self, task: Task, scores: list[Score]) -> list[str]:
        """What of an earlier lab keeps this one from being judged, and what to do."""
        found = [re.match(r"TODO (\d+)\.", score.finding.detail) for score in scores]
        earlier = min((int(match[1]) for match in found if match), default=task.lab.number)
        if earlier >= task.lab.number:
            return []
        note = f"Lab {earlier} is not done yet, and lab {task.lab.number} stands on it."
        if (self.builder.tree.root / OBJECTS / GIVEN).exists() and task.lab.number >= GIVEN_FROM:
            note += f" Ours can take its place: make grade LAB={task.lab.number} HEAP={GIVEN}"
        return [note]

    def _not_begun(self, lab: Lab, given: answers.Answers | None) -> str:
        """Why there is nothing of a lab to grade, or ""."""
        missing = self._missing(lab)
        if missing and not (given and given.any):
            return f"there is no {', '.join(missing)}"
        if given and not given.any and all(
                'TODO("' in (self.builder.tree.root / source).read_text(errors="replace")
                for source in lab.sources if source not in missing):
            return f"no question is answered in labs/{lab.name}/{lab.answers}"
        return ""

    def _missing(self, lab: Lab) -> list[str]:
        """The sources of a lab in whose place the base kernel's would be graded."""
        return [source for source in lab.sources if not source.endswith("_test.c")
                and not (self.builder.tree.root / source).exists()]

    def _judge_answer(self, question: Question, given: answers.Answers, measured: Measured) -> Finding:
        """The verdict on what a student says, or why there is nothing to compare it to."""
        if why := given.trouble or given.broken.get(question.key):
            return Finding(Verdict.WRONG, why)
        answer = given.values.get(question.key)
        if question.personal and answers.is_answered(answer) and not given.are_reference \
                and not student.name_of(self.builder.tree.root):
            return Finding(Verdict.NOT_IMPLEMENTED, student.NO_NAME)
        return judge.judge_answer(question, answer, measured)

    # ---- boots

    async def _grade_boot(self, task: Task, boot: Boot, given: answers.Answers | None
                          ) -> tuple[list[Score], dict[str, Measured], list[str]]:
        """
        All that is to be graded of one boot, the facts measured in it, and how it ended, beside
        what was predicted. Without a prediction it does not come out how it ended.
        """
        tests = [test for test in boot.tests if task.has(test)] or list(boot.tests)
        wanted = task.wanted_facts(boot)
        predicted = {key: given.values.get(key) if given else None for key in boot.predict}
        missing = next((key for key, said in predicted.items() if not answers.is_answered(said)), None)
        hidden = missing and Finding(
            Verdict.NOT_IMPLEMENTED, given.trouble or given.broken.get(missing)
            or f"predict how it ends first: {missing} in {task.lab.answers}")
        if not boot.predict and (sources := self._missing(task.lab)):
            hidden = Finding(Verdict.NOT_IMPLEMENTED, f"there is no {', '.join(sources)}")
        if hidden and not wanted:
            return self._told(task, [Score(test, hidden) for test in tests]), {}, []
        measured: dict[str, Measured] = {}
        stage = await self._stage(task, boot)
        line = self._command_line(stage, boot)
        booted = True
        records: dict[str, Record] = {}         # the last boot of each test
        try:
            if boot.sound:
                found = await catching.Trial(self.builder, self.slots, stage, boot, line).findings(tests)
            elif boot.expect is None:
                found = await self._run_ktests(stage, boot, line, tests, records)
            else:
                record = await self._boot(stage, boot, line, wanted)
                records = dict.fromkeys((test.name for test in tests), record)
                measured |= record.facts
                found = {test.name: judge.judge_end(test, record) for test in tests}
        except FAILURES as error:
            found = dict.fromkeys((test.name for test in tests), _blame(error))
            booted = not isinstance(error, Misconduct)      # which no boot would show
        scores = [Score(test, found[test.name], *(commands.show_again(
                      task.lab, boot, task.patch, task.heap, test, line, found[test.name].verdict)
                      if booted else ()))
                  for test in tests]
        measured = dict.fromkeys(wanted, scores[0].finding) | measured
        if hidden:
            return self._told(task, [Score(test, hidden) for test in tests]), measured, []
        scores = self._told(task, self._with_recordings(task.lab, scores, records))
        ends = [f"{key} = {said!r}: it ended in {ENDS[boot.expect]}" for key, said in predicted.items()
                if len(predicted) == 1 and scores[0].finding.verdict is Verdict.PASS
                and not given.are_reference]
        return scores, measured, ends

    async def _grade_proofs(self, task: Task) -> dict[str, Score]:
        """The tests of the lab's policy."""
        proofs = task.lab.proofs
        tests = [test for test in (proofs.tests if proofs else ()) if task.has(test)]
        if not tests:
            return {}
        try:
            found = await self._prove(task, proofs.file, tests)
        except FAILURES as error:
            found = dict.fromkeys((test.name for test in tests), _blame(error))
        scores = [Score(test, found[test.name], "" if found[test.name].verdict is Verdict.PASS
                        else f"make prove LAB={test.stage}") for test in tests]
        return {score.test.name: score for score in self._told(task, scores)}

    async def _prove(self, task: Task, file: str, tests: list[ProofTest]) -> dict[str, Finding]:
        """Judges the policy in that file of the lab's."""
        def all_are(finding: Finding) -> dict[str, Finding]:
            return dict.fromkeys((test.name for test in tests), finding)

        name = f"labs/{task.lab.name}/{file}"
        text = patched.read(self.builder.tree.root, name, task.patch)
        if text is None:
            return all_are(Finding(Verdict.NOT_IMPLEMENTED, f"there is no {name}"))
        try:
            policy = policies.parse(text, name)
        except LabError as error:
            return all_are(Finding(Verdict.WRONG, str(error)))
        if proving.says_nothing(policy):
            return all_are(Finding(Verdict.NOT_IMPLEMENTED, f"{name} says nothing yet"))
        stages = sorted({test.stage for test in tests})
        changes = task.patch if task.patch and patched.changes_c(task.patch) else None
        built = [await self.builder.objects(Stage(stage, changes if stage == task.lab.number else None))
                 for stage in stages]
        try:
            async with self.slots:
                kernels = await asyncio.to_thread(read_kernels, [paths for paths, _ in built],
                                                  self.builder.tree.root, built[0][1])
                return await asyncio.to_thread(proving.judge, tests, dict(zip(stages, kernels)), policy)
        except CannotRead as error:
            raise MachineError(str(error)) from None

    async def _grade_model(self, task: Task) -> dict[str, Score]:
        """The tests of the lab's model."""
        model = task.lab.model
        tests = [test for test in (model.tests if model else ()) if task.has(test)]
        if not tests:
            return {}
        name = f"labs/{task.lab.name}/{model.file}"
        try:
            text = patched.read(self.builder.tree.root, name, task.patch)
            async with self.slots:
                found = await modelling.findings(model, task.lab.path, tests, text, self.builder.private)
        except MachineError as error:
            found = dict.fromkeys((test.name for test in tests), _blame(error))
        run = f"make model LAB={task.lab.number}"
        scores = [Score(test, found[test.name], "" if found[test.name].verdict is Verdict.PASS else run)
                  for test in tests]
        return {score.test.name: score for score in self._told(task, scores)}

    def _told(self, task: Task, scores: list[Score]) -> list[Score]:
        """The scores; the watcher has been told of those that were asked for."""
        for score in filter(lambda score: task.has(score.test), scores):
            self.watcher.graded(task.lab, score)
        return scores

    def _with_recordings(self, lab: Lab, scores: list[Score], records: Mapping[str, Record]
                         ) -> list[Score]:
        """Keeps the recordings of failures: to debug one is to rewind it then."""
        if not self.tapes:
            return scores
        taped = {name: record.recording for name, record in records.items() if record.recording}
        failed = [score.test.name for score in scores
                  if score.finding.verdict is not Verdict.PASS and score.test.name in taped]
        kept = self.tapes.keep({name: taped[name] for name in failed}, f"{lab.number}-")
        self.tapes.discard(taped.values())
        return [replace(score, debug=commands.rewind(kept[score.test.name]))
                if score.test.name in kept else score for score in scores]

    async def _stage(self, task: Task, boot: Boot) -> Stage:
        patches = [task.patch] if task.patch and patched.changes_c(task.patch) else []
        if boot.variant:
            patches.append(self.builder.tree.root / "labs" / task.lab.name / "variants"
                           / f"{boot.variant}.patch")
        if len(patches) > 1:
            patches = [await self.builder.combine(*patches)]
        return Stage(task.lab.number, patches[0] if patches else None, task.heap)

    def _command_line(self, stage: Stage, boot: Boot) -> str:
        """The kernel's command line, but for ktest=."""
        words = boot.cmdline.split()
        if boot.expect is None:
            words.append(f"seed={self.builder.seed(stage)}")
        if not any(word.startswith("log=") for word in words):
            words.insert(0, "log=info")
        return " ".join(words)

    async def _run_ktests(self, stage: Stage, boot: Boot, line: str, tests: list[Test],
                          records: dict[str, Record]) -> dict[str, Finding]:
        """
        Runs in-kernel tests; boots again for those after one that brought the kernel down. Those
        that may have failed because of another each get a boot of their own. Adds to `records`
        the boot that decided on each.
        """
        names = {test.ktest: test.name for test in tests}
        kernel_tests = (await self.builder.build(stage)).image.ktests
        pending = list(names)
        found: dict[str, Finding] = {}
        in_doubt: list[str] = []

        async def run(candidates: list[str]) -> tuple[dict[str, Finding], Record]:
            chosen, globs = ktap.choose(candidates, kernel_tests)
            record = await self._boot(stage, boot, f"{line} ktest={globs}")
            judged = ktests.judge_ktests(chosen, record, self.builder.seed(stage))
            records.update((names[name], record) for name in judged)
            return judged, record

        async def confirm(name: str) -> None:
            try:
                found.update((await run([name]))[0])
            except FAILURES as error:
                found[name] = _blame(error)

        while pending:
            judged, record = await run(pending)
            found |= judged
            in_doubt += ktests.in_doubt(judged, record)
            pending = [name for name in pending if name not in found]
        async with asyncio.TaskGroup() as group:
            for name in in_doubt:
                group.create_task(confirm(name))
        return {names[name]: finding for name, finding in found.items()}

    async def _boot(self, stage: Stage, boot: Boot, line: str,
                    wanted: list[str] = []) -> Record:
        """One boot; once more if the host was to blame that it failed."""
        built = await self.builder.build(stage)
        async with self.slots:
            # Questions about the machine are about the one that students boot; a tape wants a drive.
            config = await self.builder.config(built, line, boot.mem,
                                               by_grub=bool(wanted) or self.tapes is not None)
            try:
                tape = self.tapes.new(config, built.image.path) if self.tapes else None
                record = await observe(config, built.image, boot, wanted, tape)
            except MachineError:
                record = None
            if record is None or record.ending.cause in BROKEN:
                record = await observe(config, built.image, boot, wanted)   # the tape may be to blame
            config.iso.unlink()
        return record

    async def _measure_elf(self, task: Task) -> dict[str, Measured]:
        """The facts that the ELF file alone decides."""
        wanted = task.wanted_facts(None)
        try:
            built = await self.builder.build(Stage(task.lab.number, task.patch, task.heap))
        except FAILURES as error:
            return dict.fromkeys(wanted, _blame(error))
        return {name: await facts.measure(name, facts.Evidence(built.image)) for name in wanted}


def _blame(error: Exception) -> Finding:
    """The verdict on what could not be built or run."""
    if isinstance(error, BuildFailure):
        return judge.judge_build(str(error))
    if isinstance(error, Misconduct):
        return Finding(Verdict.WRONG, str(error))
    return Finding(Verdict.INFRA, str(error))


def _where_to_look(task: Task, question: Question, finding: Finding) -> str:
    """The command that starts the machine that a question is about."""
    if finding.verdict in (Verdict.PASS, Verdict.NOT_IMPLEMENTED):
        return ""
    needs = fact_names.find(question.fact).needs
    boot = next((boot for boot in task.lab.boots if boot.expect == needs), Boot(()))
    return commands.debug(task.lab, boot, task.patch, task.heap, None, boot.cmdline,
                          commands.AT_A_PANIC if needs == "deadlock" else "")
