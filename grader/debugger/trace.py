# SPDX-License-Identifier: MIT
"""Records a boot, and draws what happens around a call of heap_rescue in it.

It is the call that a hang or a panic comes of or, in a boot that ends well, the first one.
"""
from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from debugger.outline import RESCUE, outline
from debugger.picture import Caption, Picture
from debugger.rewind import record, replayed
from machine import recording as recordings
from machine.host import ROOT, MachineError, temporary_directory
from machine.qemu import Config
from machine.recording import Recording

TELLING = ROOT / "grader/debugger/inside/story.py"
LIMIT = 300             # seconds for GDB: many times what it takes


def watch(recording: Recording) -> dict[str, Any] | None:
    """What happened around heap_rescue: see inside/story.py. None if nobody called it."""
    with replayed(recording, TELLING) as (gdb, variables), \
            temporary_directory() as directory:
        file = Path(directory, "story")
        environment = {**os.environ, **variables, "OUROBOROS_STORY": str(file)}
        try:
            done = subprocess.run([*gdb, "-batch"], env=environment, stdin=subprocess.DEVNULL,
                                  text=True, capture_output=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            raise MachineError(f"the recording was not replayed within {LIMIT} s") from None
        told = file.read_text() if file.exists() else ""
    if not told:
        last = (done.stderr.strip().splitlines() or ["GDB said nothing"])[-1]
        raise MachineError(f"the recording could not be followed: {last}")
    story: dict[str, Any] | None = json.loads(told)
    return story


def _title(story: dict[str, Any]) -> str:
    """What the picture shows, in the kernel's words if it has any."""
    first = story["calls"][0]["function"]
    if story["ending"] == "cut":
        return f"{first} calls {RESCUE}, and goes on for longer than can be drawn"
    if story["ending"] == "waits":
        wait = story["events"][-1]
        taken = [event for event in story["events"] if event["lock"] == wait["lock"]][-2:][0]
        return f"{wait['lock']} is waited for in {wait['place']}, and is held since {taken['place']}"
    if story["ending"] != "returns":
        return story["report"] or f"{first} calls {RESCUE}, and does not return"
    held = {event["lock"]: event["what"] for event in story["events"] if event["lock"]}
    kept = [lock for lock, what in held.items() if what != "releases"]
    locks = f"{', '.join(kept)} stays locked" if kept else "every lock is released"
    returned = f" returns {str(story['rescued']).lower()}"
    return f"{RESCUE}{returned}, {first} returns, and {locks}"


def caption(story: dict[str, Any], given: argparse.Namespace) -> Caption:
    """The words around the picture, its own recipe among them."""
    words = {"LAB": given.lab, "VARIANT": given.variant, "PATCH": given.patch, "LOG": given.log,
             "TEST": given.test, "OPTIONS": given.options,
             "MEM": given.mem if given.mem != Config.mem else "",
             "TYPE": "; ".join(given.type)}
    settings = [f"{name}={shlex.quote(word)}" for name, word in words.items() if word]
    run = [f"lab {given.lab}", given.variant and f"variant {given.variant}", f"log={given.log}",
           *(f"“{line}” typed" for line in given.type)]
    return Caption(
        title=_title(story), run=", ".join(filter(None, run)), above=story["above"],
        command=" ".join(["make trace", *settings]), ends_badly=story["ending"] != "returns",
        waits_for=story["events"][-1]["lock"] if story["ending"] == "waits" else "")


def draw(config: Config, given: argparse.Namespace) -> int:
    """Records that machine, and draws what the command line says."""
    with temporary_directory() as directory:
        empty = recordings.new(Path(directory), config, given.elf)
        story = watch(asyncio.run(record(empty, given.type)))
    if story is None:
        print(f"trace.py: {RESCUE} was not called in this boot, so there is nothing to draw. "
              "Try: make trace LAB=3", file=sys.stderr)
        return 1
    words = caption(story, given)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(Picture([outline(story)], story["nr_instructions"], words).svg())
    print(f"{given.out}: {words.title}; {story['nr_instructions']:,} instructions from "
          f"{story['calls'][0]['function']} on")
    return 0
