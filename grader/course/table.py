# SPDX-License-Identifier: MIT
"""Reads tables with suspicion, of TOML or of JSON: whatever is wrong is named, with its place."""
from __future__ import annotations

from typing import Any


class LabError(Exception):
    """A file of the course is not as it must be: a lab.toml, a result, what a handout is made of."""


class Table:
    """One table of a file that is being read: every key once, none left over."""

    def __init__(self, values: dict[str, Any], place: str):
        self.values = dict(values)
        self.place = place
        self.known: list[str] = []

    def error(self, message: str) -> LabError:
        return LabError(f"{self.place}: {message}")

    def take(self, key: str, kind: type, default: Any = ...) -> Any:
        """The value of a key, of the given type; an error if it is missing without a default."""
        self.known.append(key)
        if key not in self.values:
            if default is ...:
                raise self.error(f"{key} is missing")
            return default
        value = self.values.pop(key)
        if type(value) is not kind:
            raise self.error(f"{key} must be of type {kind.__name__}, not {type(value).__name__}")
        return value

    def strings(self, key: str, default: Any = ()) -> tuple[str, ...]:
        """A list of strings."""
        value = self.take(key, list, default)
        if not all(isinstance(item, str) for item in value):
            raise self.error(f"{key} must be a list of strings")
        return tuple(value)

    def tables(self, key: str, default: Any = ...) -> list[Table]:
        """An array of tables, each with its place."""
        value = self.take(key, list, default)
        if not all(isinstance(item, dict) for item in value):
            raise self.error(f"{key} must be written as [[{key}]]")
        return [Table(item, f"{self.place}, {key} {index}")
                for index, item in enumerate(value, 1)]

    def done(self) -> None:
        """Complains about keys that nobody took."""
        for key in self.values:
            raise self.error(f"unknown key {key!r}; there are: {', '.join(self.known)}")
