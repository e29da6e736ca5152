# SPDX-License-Identifier: MIT
"""The monitor's prompt, as a console shows it: always at the start of a line.

A console can hold anything: whoever must be certain asks the kernel's own count as well
(monitor_prompts, kernel/monitor.h).
"""
from __future__ import annotations

PROMPT = "ouroboros> "                  # MONITOR_PROMPT, kernel/monitor.h
PROMPTS_BYTES = 4                       # of monitor_prompts, kernel/monitor.h
_AT_A_LINES_START = b"\n" + PROMPT.encode()


def ends_in_prompt(console: bytes) -> bool:
    """Is a prompt the last that was written?"""
    return console.endswith(_AT_A_LINES_START)


def nr_prompts(console: bytes) -> int:
    """How many prompts have been written?"""
    return console.count(_AT_A_LINES_START)
