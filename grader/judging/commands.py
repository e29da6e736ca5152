# SPDX-License-Identifier: MIT
"""The commands that show a failure again: `make run …`, and `make debug …` stopped where it is."""
from __future__ import annotations

import os
import shlex
from pathlib import Path

from course.lab import Boot, Lab, Test
from judging.verdict import Verdict
from machine.host import ROOT
from machine.qemu import Config

# Where a debugger is to stop: the kernel comes by there with the whole story on its stack.
AT_A_PANIC, AT_A_FAILED_CHECK = "machine_announce_panic", "ktest_fail"

STUDENTS_TESTS = "catch.*"  # KTEST(catch, …)

_PANICS = (Verdict.PANIC, Verdict.FAULT, Verdict.STACK_OVERFLOW, Verdict.DEADLOCK, Verdict.HANG)


def _source(boot: Boot, patch: Path | None, heap: str) -> list[str]:
    words = [f"HEAP={heap}"] if heap else []
    if boot.variant:
        return [f"VARIANT={boot.variant}", *words]
    return [*([f"PATCH={os.path.relpath(patch)}"] if patch else []), *words]


def _words(lab: Lab, boot: Boot, patch: Path | None, heap: str, test: Test | None,
           command_line: str) -> list[str]:
    """The variables of make that start this boot, for one test of it."""
    words, options = [f"LAB={lab.number}"], []
    for option in command_line.split():
        name, _, value = option.partition("=")
        if name == "log":
            words += [f"LOG={value}"] if value != "info" else []
        elif name != "ktest":
            options.append(option)
    if test and test.ktest:
        words.append(f"TEST={test.ktest}")
    if test and test.heaps:
        heap = test.heaps[0].name
        words.append(f"TEST='{STUDENTS_TESTS}'")
    if boot.mem != Config.mem:
        words.append(f"MEM={boot.mem}")
    words += _source(boot, patch, heap)
    if options:
        words.append(f"OPTIONS='{' '.join(options)}'")
    return words


def debug(lab: Lab, boot: Boot, patch: Path | None, heap: str, test: Test | None,
          command_line: str, stop: str) -> str:
    """The command that starts a boot under GDB, and stops it in the function `stop` if given."""
    return " ".join(["make debug", *_words(lab, boot, patch, heap, test, command_line),
                     *([f"TYPE='{'; '.join(boot.input)}'"] if boot.input else []),
                     *([f"BREAK={stop}"] if stop else [])])


def rewind(recording: Path) -> str:
    """The command that opens the recording of a boot."""
    return f"make rewind RECORDING={shlex.quote(os.path.relpath(recording, ROOT))}"


def show_again(lab: Lab, boot: Boot, patch: Path | None, heap: str, test: Test,
               command_line: str, verdict: Verdict) -> tuple[str, str]:
    """
    The command that runs the boot again, and the one that stops it under GDB where the verdict
    shows. "" where there is nothing to see, or nothing that would stop it.
    """
    if verdict is Verdict.PASS:
        return "", ""
    if verdict is Verdict.BUILD_FAIL:
        return " ".join(["make", "elf", f"LAB={lab.number}", *_source(boot, patch, heap)]), ""
    then = f"   # then type: {', '.join(boot.input)}" if boot.input else ""
    run = " ".join(["make run", *_words(lab, boot, patch, heap, test, command_line)]) + then
    stop = ""
    if verdict in _PANICS:
        stop = AT_A_PANIC
    elif verdict is Verdict.WRONG and test.ktest:
        stop = AT_A_FAILED_CHECK
    return run, debug(lab, boot, patch, heap, test, command_line, stop) if stop else ""
