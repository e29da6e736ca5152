# SPDX-License-Identifier: MIT
"""The monitor's prompt, as a console shows it.

A console can hold anything: whoever must be certain asks the kernel's own count as well
(monitor_prompts, kernel/monitor.h).
"""
from __future__ import annotations

PROMPT = "ouroboros> "                  # MONITOR_PROMPT, kernel/monitor.h
PROMPTS_BYTES = 4                       # of monitor_prompts, kernel/monitor.h


def ends_in_prompt(console: bytes) -> bool:
    """Is a prompt the last that was written: has the monitor prompted, and does it wait?"""
    return console.endswith(PROMPT.encode())


def nr_prompts(console: bytes) -> int:
    """Prompts at the starts of lines."""
    return console.count(b"\n" + PROMPT.encode())
