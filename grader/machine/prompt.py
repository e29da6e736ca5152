# SPDX-License-Identifier: MIT
"""The monitor's prompt, as a console shows it: always at the start of a line; and GRUB's last words.

A console can hold anything: whoever must be certain asks the kernel's own count as well
(monitor_prompts, kernel/monitor.h).
"""
from __future__ import annotations

PROMPT = "ouroboros> "                  # MONITOR_PROMPT, kernel/monitor.h
PROMPTS_BYTES = 4                       # of monitor_prompts, kernel/monitor.h
_AT_A_LINES_START = b"\n" + PROMPT.encode()

# GRUB says so when it cannot load the kernel, and waits for a key. Source: GRUB, kern/misc.c.
GRUBS_LAST_WORDS = b"Aborted. Press any key to exit."


def ends_in_prompt(console: bytes) -> bool:
    """Is a prompt the last that was written?"""
    return console.endswith(_AT_A_LINES_START)


def nr_prompts(console: bytes) -> int:
    """How many prompts have been written?"""
    return console.count(_AT_A_LINES_START)


def why_grub_gave_up(console: bytes) -> str:
    """What GRUB said before its last words, if these are the last that was written; "" if not."""
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    if not lines or lines[-1] != GRUBS_LAST_WORDS:
        return ""
    return lines[-2].decode(errors="replace") if len(lines) > 1 else "without a word"
