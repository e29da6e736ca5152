# SPDX-License-Identifier: MIT
"""A policy: what must be true of a kernel's calls, as a file says it (labs/07-proof/proof.toml).

    entered  = ["trap_vectors"]         functions that the CPU comes to without a call; each is a root
    compared = ["kmalloc"]              functions whose address is taken, but not to call them

    [[call]]                            the calls through pointers of one name
    pointer   = "write"                 the name: of a variable, a parameter, or a member
    in        = "flush"                 only those in this function; an assembly file's have no pointer
    targets   = ["buffer_write"]        all functions that they may come to
    elsewhere = ["record_write"]        and those that only other stages have

    [[root]]
    function    = "heap_rescue"
    never       = ["kmalloc"]           functions that it must not reach; some stages may lack them
    holds       = ["heap_lock"]         locks that may be held where it is called: it must not take them
    stack_bytes = 2048                  the most that it may take of the stack
"""
from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from course.table import LabError, Table


@dataclass(frozen=True)
class Targets:
    """What calls through a pointer may come to."""
    pointer: str                # "" in an assembly file
    within: str                 # "" for all functions
    targets: tuple[str, ...]
    elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class Root:
    function: str
    never: tuple[str, ...]
    holds: tuple[str, ...]
    stack_bytes: int            # 0: no bound


@dataclass(frozen=True)
class Policy:
    entered: tuple[str, ...]
    compared: tuple[str, ...]
    calls: tuple[Targets, ...]
    roots: tuple[Root, ...]

    def targets(self, pointer: str, within: str) -> Targets | None:
        """What speaks of calls through a pointer in a function."""
        found = [call for call in self.calls if call.pointer == pointer and call.within in ("", within)]
        return max(found, key=lambda call: len(call.within), default=None)


def _call(table: Table) -> Targets:
    call = Targets(table.take("pointer", str, ""), table.take("in", str, ""),
                   table.strings("targets", ...), table.strings("elsewhere"))
    table.done()
    if not call.pointer and not call.within:
        raise table.error("say the name of the pointer, or, of an assembly file, the function that it is in")
    return call


def _root(table: Table) -> Root:
    root = Root(table.take("function", str), table.strings("never"), table.strings("holds"),
                table.take("stack_bytes", int, 0))
    table.done()
    if not root.never and not root.holds and not root.stack_bytes:
        raise table.error(f"{root.function}: nothing is said of it: never, holds, or stack_bytes")
    if root.stack_bytes < 0:
        raise table.error(f"{root.function}: stack_bytes must not be negative")
    return root


def read(file: Path, place: str) -> Policy:
    """Reads a policy; `place` is its name for people. Raises LabError."""
    try:
        return parse(file.read_bytes(), place)
    except OSError as error:
        raise LabError(f"{place}: {error.strerror}") from None


def parse(text: bytes, place: str) -> Policy:
    """The policy that a file's contents are. Raises LabError."""
    try:
        table = Table(tomllib.loads(text.decode()), place)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{place}: {error}") from None
    policy = Policy(table.strings("entered"), table.strings("compared"),
                    tuple(map(_call, table.tables("call", []))), tuple(map(_root, table.tables("root", []))))
    table.done()
    known = set()
    for call in policy.calls:
        if (call.pointer, call.within) in known:
            raise table.error(f"two [[call]] for {call.pointer or call.within}: make one of them")
        known.add((call.pointer, call.within))
    return policy
