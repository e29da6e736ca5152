# SPDX-License-Identifier: MIT
"""The monitor's prompt, as a console shows it: always at the start of a line; and GRUB's last words.

A console can hold anything: whoever must be certain asks the kernel's own count as well
(monitor_prompts, kernel/monitor.h).
"""
from __future__ import annotations

import re

PROMPT = "ouroboros> "                  # MONITOR_PROMPT, kernel/monitor.h
PROMPTS_BYTES = 4                       # of monitor_prompts, kernel/monitor.h
_AT_A_LINES_START = b"\n" + PROMPT.encode()

# What GRUB says last when it cannot start the kernel: in kern/misc.c, where it has no way out but
# to wait for a key, and in boot/grub.cfg.in.
GRUBS_LAST_WORDS = (b"Aborted. Press any key to exit.", b"GRUB did not start the kernel.")
GRUBS_LAST_BYTES = 4096                 # of a console: these words, and why

# What a screen ends with on which GRUB waits for somebody, who never comes.
_WAITS_FOR_A_KEY = re.compile(r"grub( rescue)?>|Press any key to |.* for a command-line\.")


def ends_in_prompt(console: bytes) -> bool:
    """Is a prompt the last that was written?"""
    return console.endswith(_AT_A_LINES_START)


def nr_prompts(console: bytes) -> int:
    """How many prompts have been written?"""
    return console.count(_AT_A_LINES_START)


def _first_error(lines: list[str]) -> str:
    """The line that matters: what GRUB tries after an error fails because of that."""
    return next((line for line in lines if line.startswith("error: ")),
                lines[-1] if lines else "without a word")


def why_grub_gave_up(console: bytes) -> str:
    """What GRUB complained of, if its last words are the last that was written; "" if not."""
    lines = [line.strip() for line in console[-GRUBS_LAST_BYTES:].splitlines() if line.strip()]
    if not lines or lines[-1] not in GRUBS_LAST_WORDS:
        return ""
    return _first_error([line.decode(errors="replace") for line in lines[:-1]])


def why_grub_waits(screen: list[str]) -> str:
    """What GRUB complained of, if it waits for somebody at this screen; "" if it does not."""
    if not screen or not _WAITS_FOR_A_KEY.match(screen[-1]):
        return ""
    return _first_error(screen)
