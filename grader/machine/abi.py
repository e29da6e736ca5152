# SPDX-License-Identifier: MIT
"""Enumerations of the kernel whose values the grader reads from memory, and where the kernel lies."""
from __future__ import annotations

from enum import Enum

KERNEL_BASE = 0xffffffff80000000        # kernel/layout.h


class PanicKind(Enum):
    """enum panic_kind of kernel/panic.h."""
    NONE, BUG, TODO, FAULT, STACK_OVERFLOW, LOCKUP = range(6)


class Outcome(Enum):
    """enum ktest_outcome of kernel/ktest.h."""
    NOT_RUN, RUNNING, PASSED, FAILED, SKIPPED, TODO = range(6)
