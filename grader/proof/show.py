# SPDX-License-Identifier: MIT
"""Shows a student what their model finds: in all protocols as a table, in one of them as a picture."""
from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from course.lab import Lab
from course.model import CLAIMS, GIVEN, MAX_CPUS, Case, Model
from course.table import LabError
from debugger.picture import Caption, Picture
from machine.host import ROOT, temporary_directory
from proof import spin, trail
from proof.protocols import NAMES, Findings, todo

CPUS = (1, 2)               # of the machines in the table
PIPE_WIDTH = 120            # columns of a table that goes to a file


def _model(lab: Lab) -> Model:
    """The lab's model. Raises LabError."""
    if lab.model is None:
        raise LabError(f"lab {lab.number} has no model. Try: make model LAB=7")
    return lab.model


@asynccontextmanager
async def _verifier(lab: Lab) -> AsyncIterator[spin.Verifier]:
    """The verifier of the model in this tree. Raises BadModel, MachineError or OSError."""
    name = _model(lab).file
    text = (lab.path / name).read_bytes()
    if left := todo(text, name):
        raise spin.BadModel(f"NOT IMPLEMENTED: {left}")
    with temporary_directory() as directory:
        yield await spin.make(Path(directory), name, text, lab.path / GIVEN)


async def show_all(lab: Lab) -> int:
    """Prints a table. Return: 0."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    table = Table("protocol", "as in", "CPUs", "states", "seconds", "found", box=SIMPLE_HEAD)
    for number in (2, 3, 4):
        table.columns[number].justify = "right"
    async with _verifier(lab) as verifier:
        findings = Findings(verifier)
        for protocol in _model(lab).shown:
            for cpus in CPUS:
                case = Case(protocol, cpus)
                found = await findings.first_in(case)
                outcomes = findings.outcomes(case)
                table.add_row(*([protocol.name, protocol.about] if cpus == CPUS[0] else ["", ""]), str(cpus),
                              f"{outcomes[-1].states:,}", f"{sum(outcome.seconds for outcome in outcomes):.2f}",
                              NAMES[found] if found else "nothing")
    console.print(table)
    print(f"What goes wrong, as a picture: make model LAB={lab.number} PROTOCOL={_model(lab).shown[0].name} CPUS=1")
    return 0


def _title(case: Case, found: str, story: trail.Story) -> str:
    """What the picture shows."""
    if found == "deadlock" and (cycle := story.cycle()):
        return "; ".join(f"{story.waits[cpu]} is waited for on cpu{cpu}, and is held by "
                         f"cpu{story.holders[story.waits[cpu]]}" for cpu in cycle)
    if found == "null":
        return f"cpu{story.got_null} gets NULL while frames are left"
    return f"{NAMES[found]}, with {case}"


async def draw(lab: Lab, name: str, cpus: int, out: Path) -> int:
    """Draws how a protocol goes wrong. Return: 0, or 1 if it does not."""
    protocols = {protocol.name: protocol for protocol in _model(lab).shown}
    if name not in protocols or not 1 <= cpus <= MAX_CPUS:
        raise LabError(f"PROTOCOL={name} CPUS={cpus}: the protocols are {', '.join(protocols)}, and there may be 1 to "
                       f"{MAX_CPUS} CPUs")
    case = Case(protocols[name], cpus)
    async with _verifier(lab) as verifier:
        found = await Findings(verifier).first_in(case)
        if not found:
            print(f"model.py: the model finds nothing wrong with {case}, so there is nothing to draw", file=sys.stderr)
            return 1
        story = trail.read(await verifier.replay(CLAIMS[found], case.settings), cpus)
    if found == "null":
        story.roots[story.got_null].kind, story.roots[story.got_null].place = "bad", "gets NULL"
    cycle = story.cycle() if found == "deadlock" else ()
    bad = {"deadlock": cycle[0] if cycle else trail.NOBODY, "null": story.got_null}.get(found, 0)
    caption = Caption(
        title=_title(case, found, story), run=f"model of {case} ({case.protocol.about})", above=[],
        command=f"make model LAB={lab.number} PROTOCOL={name} CPUS={cpus}", ends_badly=True,
        waits_for=story.waits[cycle[0]] if cycle else "", bad=max(bad, 0),
        axis="steps of machine.pml since the CPUs started")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(Picture(story.roots, story.nr_steps + 1, caption).svg())
    print(f"{out}: {caption.title}; {story.nr_steps} steps")
    return 0
