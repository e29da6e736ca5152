# SPDX-License-Identifier: MIT
"""A lab's proofs as its lab.toml describes them: what a student's policy must accept and refuse.

    [proof]
    file = "proof.toml"                 the policy that a student writes
      [[proof.kernel]]                  a kernel that it must accept; or refuse, if it is changed by one of these
      name, points, about               as of any test
      stage = 6                         its lab; if it is not said, this one
      calls = ["frame_alloc: log_info"] a call that is in no source: from the first to the second
      locks = ["nmi_report: heap_lock"] the same of a lock that is taken
      grows = ["vformat: 16384"]        bytes of stack that a function takes more
      [[proof.root]]                    what must be true of this lab's kernel, with the policy's word on pointers
      name, points, about
      function = "heap_rescue"          what begins there
      never = ["kmalloc"]               reaches none of these, called or inlined,
      static = true                     has no frame of variable size,
      ends = true                       and does not recurse
"""
from __future__ import annotations

from dataclasses import dataclass

from course.table import LabError, Table


@dataclass(frozen=True)
class ProofTest:
    """One line of the score: a kernel to be accepted or refused, or something to be proved."""
    name: str
    points: int
    about: str
    stage: int
    calls: tuple[tuple[str, str], ...] = ()
    locks: tuple[tuple[str, str], ...] = ()
    grows: tuple[tuple[str, int], ...] = ()
    function: str = ""                      # of a [[proof.root]]
    never: tuple[str, ...] = ()
    static: bool = False
    ends: bool = False

    @property
    def change(self) -> str:
        """What is other in this kernel than in the student's, for people; "" for nothing."""
        said = [*(f"{caller} calls {target}" for caller, target in self.calls),
                *(f"{function} takes {lock}" for function, lock in self.locks),
                *(f"{function} takes {number} bytes of stack more" for function, number in self.grows)]
        return " and ".join(said)


@dataclass(frozen=True)
class Proofs:
    """The policy that a student writes, and what it is asked."""
    file: str
    tests: tuple[ProofTest, ...]


def _pairs(table: Table, key: str) -> tuple[tuple[str, str], ...]:
    pairs = [tuple(text.split(": ")) for text in table.strings(key)]
    if not all(len(pair) == 2 for pair in pairs):
        raise table.error(f'{key}: each is written as "FUNCTION: WHAT"')
    return tuple(pairs)


def _kernel(table: Table, lab: int) -> ProofTest:
    grows = _pairs(table, "grows")
    if not all(number.isdecimal() for _, number in grows):
        raise table.error('grows: each is written as "FUNCTION: BYTES"')
    test = ProofTest(table.take("name", str), table.take("points", int), table.take("about", str),
                     table.take("stage", int, lab), _pairs(table, "calls"), _pairs(table, "locks"),
                     tuple((function, int(number)) for function, number in grows))
    table.done()
    return test


def _root(table: Table, lab: int) -> ProofTest:
    test = ProofTest(table.take("name", str), table.take("points", int), table.take("about", str), lab,
                     function=table.take("function", str), never=table.strings("never"),
                     static=table.take("static", bool, False), ends=table.take("ends", bool, False))
    table.done()
    if not (test.never or test.static or test.ends):
        raise table.error(f"{test.name}: nothing is to be proved: say never, static, or ends")
    return test


def read_proofs(values: dict, place: str, lab: int) -> Proofs | None:
    """The table [proof] of a lab.toml; None if it has none. Raises LabError."""
    if not values:
        return None
    table = Table(values, f"{place}, proof")
    proofs = Proofs(table.take("file", str), (
        *(_kernel(kernel, lab) for kernel in table.tables("kernel")),
        *(_root(root, lab) for root in table.tables("root", []))))
    table.done()
    for test in proofs.tests:
        if test.points < 0:
            raise LabError(f"{place}, {test.name}: points must not be negative")
    if all(test.change for test in proofs.tests if not test.function):
        raise LabError(f"{place}, proof: a policy that refuses everything must fail: one kernel is not changed")
    return proofs
