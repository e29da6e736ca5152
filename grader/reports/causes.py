# SPDX-License-Identifier: MIT
"""Failures of one cause are shown together."""
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

Failure = TypeVar("Failure")


def together(failures: Iterable[Failure], same: Callable[[Failure], Hashable]) -> list[list[Failure]]:
    """The failures for which `same` is equal together, each group where its first one stands."""
    groups: dict[Hashable, list[Failure]] = {}
    for failure in failures:
        groups.setdefault(same(failure), []).append(failure)
    return list(groups.values())
