# SPDX-License-Identifier: MIT
"""Which functions were called, from the addresses of the instructions that were carried out.

Needs no GDB. Relies on the kernel's flags: no call is a jump (-fno-optimize-sibling-calls).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

REX = range(0x40, 0x50)
CALL, CALL_INDIRECT, INDIRECT = 0xe8, 0xff, 2       # opcodes, and the second's reg field
RETURNS = (0xc3, 0xc2)
CODE_BYTES = 3                                      # of an instruction that tell its kind


@dataclass
class Call:
    """A call, in instructions from the beginning."""
    address: int                # of the function
    caller: int | None          # its number among the calls; None = the first
    entered: int
    left: int | None = None     # None = it had not returned at the end


def is_call(code: bytes) -> bool:
    """Is this the beginning of a call instruction?"""
    opcode, operands = (code[1], code[2]) if code[0] in REX else (code[0], code[1])
    return opcode == CALL or opcode == CALL_INDIRECT and operands >> 3 & 7 == INDIRECT


def is_return(code: bytes) -> bool:
    """Is this the beginning of a return? That from an interrupt is none: it was no call."""
    return code[0] in RETURNS


def follow(addresses: Sequence[int], code: Callable[[int], bytes]) -> list[Call]:
    """
    The calls, in their order, of which the first is of the function at whose entry it all begins.
    `code` gives the CODE_BYTES bytes at an address.
    """
    calls = [Call(addresses[0], None, 0)]
    current = 0
    for at, (before, address) in enumerate(pairwise(addresses), start=1):
        if is_call(code(before)):
            calls.append(Call(address, current, at))
            current = len(calls) - 1
        elif is_return(code(before)):
            calls[current].left = at
            current = calls[current].caller or 0
    return calls
