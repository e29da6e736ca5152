# SPDX-License-Identifier: MIT
"""The ways through one function: what runs after an instruction, how much stack is in use there,
and what is called while a lock is held.

Stack is counted from the return address on, which is the function's own: 8 bytes at its first
instruction. The CPU has pushed more where it enters by itself.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property

from proof.objects import Function, Instruction, Object, Spot, table_at

RETURN_BYTES = 8
WORD_BYTES = 8

_CALL_CHANGES = {f"%{name}" for name in ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")}

_NUMBER = re.compile(r"\$(-?0x[0-9a-f]+)")
_BELOW_RBP = re.compile(r"(-?0x[0-9a-f]+)?\(%rbp\),%rsp")


class NoBound(Exception):
    """A function's stack has no bound that is known. The message says why, and where."""


class Flow:
    """One function, instruction by instruction."""

    def __init__(self, function: Function, made: Object,
                 returns: Callable[[str, int], bool] = lambda title, number: True) -> None:
        """`returns(title, number)`: may the call at that instruction of the function come back?"""
        self.function, self.made, self.returns = function, made, returns

    @cached_property
    def index(self) -> dict[int, int]:
        return {instruction.offset: number for number, instruction in enumerate(self.function.code)}

    def jumps_to(self, instruction: Instruction) -> list[Spot]:
        """The spots that a jump can go to, as far as they are known."""
        if not instruction.is_jump:
            return []
        spots = [name for name in instruction.names if isinstance(name, Spot)]
        return [to for spot in spots for to in table_at(self.made, spot)] if instruction.is_indirect else spots

    def after(self, number: int) -> list[int]:
        """The numbers of the instructions of this function that can follow one."""
        instruction = self.function.code[number]
        found = [self.index[spot.offset] for spot in self.jumps_to(instruction)
                 if spot.section == self.function.section and spot.offset in self.index]
        if not instruction.ends_here and number + 1 < len(self.function.code) \
                and (not instruction.is_call or self.returns(self.function.title, number)):
            found.append(number + 1)
        return found

    @cached_property
    def before(self) -> dict[int, list[int]]:
        """The numbers of the instructions that each one can follow."""
        found: dict[int, list[int]] = {number: [] for number in range(len(self.function.code))}
        for number in found:
            for following in self.after(number):
                found[following].append(number)
        return found

    @property
    def reached(self) -> set[int]:
        """The numbers of the instructions that can run."""
        seen, todo = set(), [0] if self.function.code else []
        while todo:
            number = todo.pop()
            if number not in seen:
                seen.add(number)
                todo += self.after(number)
        return seen

    def is_return_to_a_caller(self, number: int) -> bool:
        """Does a jump go back to a frame further out? Then it has taken its stack from memory."""
        before = self.function.code[max(0, number - 4):number]
        return any(re.fullmatch(r"[^%$].*\),%rsp|[^%$].*\(%rip\),%rsp", one.operands) for one in before)

    # ---- stack

    @cached_property
    def stack_bytes(self) -> int:
        """The most that this function has on the stack itself. Raises NoBound."""
        depths: dict[int, int] = {}
        rbp = RETURN_BYTES
        todo = [(0, RETURN_BYTES)] if self.function.code else []
        while todo:
            number, depth = todo.pop()
            instruction = self.function.code[number]
            if number in depths:
                if depths[number] != depth:
                    raise NoBound(f"{self.function.plain} takes stack in a loop, at {instruction.place}")
                continue
            depths[number] = depth
            if instruction.name == "mov" and instruction.operands == "%rsp,%rbp":
                rbp = depth
            depth = self._depth_after(instruction, depth, rbp)
            todo += [(following, depth) for following in self.after(number)]
        return max(depths.values(), default=RETURN_BYTES)

    def _depth_after(self, instruction: Instruction, depth: int, rbp: int) -> int:
        name, operands = instruction.name, instruction.operands
        if name.startswith("push"):
            return depth + WORD_BYTES
        if name.startswith("pop") and operands != "%rsp":
            return depth - WORD_BYTES
        if name in ("leave", "leaveq"):
            return rbp - WORD_BYTES
        if name in ("ret", "retq") and depth != RETURN_BYTES and not self.function.is_assembly:
            raise NoBound(f"{self.function.plain} returns to what it has pushed, at {instruction.place}")
        if not operands.endswith((",%rsp", ",%esp")) and operands != "%rsp" \
                or name.startswith(("cmp", "test")):
            return depth
        amount = _NUMBER.match(operands)
        if amount and name.startswith("sub"):
            return depth + int(amount[1], 16)
        if amount and name.startswith("add"):
            return depth - int(amount[1], 16)
        if amount and name.startswith("and"):
            return depth + (-int(amount[1], 16) & 0xfff) - 1
        if name == "lea" and (found := _BELOW_RBP.fullmatch(operands)):
            return rbp - int(found[1] or "0", 16)
        if operands == "%rbp,%rsp":
            return rbp
        if name.startswith("mov") and operands.startswith("$"):         # a new stack: start.S
            return RETURN_BYTES
        if name.startswith("mov") and "(" in operands:                  # back to a frame further out
            return depth
        raise NoBound(f"{self.function.plain} has a frame of variable size, at {instruction.place}")

    # ---- what an instruction names as an argument

    def argument(self, number: int) -> Spot | str | None:
        """What the first argument of a call points to, if on every way there it is the same known thing."""
        found: set[Spot | str | None] = set()
        todo, seen = [(before, "%rdi") for before in self.before[number]], set()
        if not todo:
            return None
        while todo:
            at, register = todo.pop()
            if (at, register) in seen:
                continue
            seen.add((at, register))
            one = self.function.code[at]
            source, _, target = one.operands.rpartition(",")
            if one.is_call and register in _CALL_CHANGES or "xchg" in one.name and register in one.operands:
                found.add(None)
            elif target.replace("%e", "%r") != register:
                todo += [(before, register) for before in self.before[at]]
                if not self.before[at]:                 # the function was called with it
                    found.add(None)
            elif one.name.startswith("mov") and source.startswith("%") and self.before[at]:
                todo += [(before, source.replace("%e", "%r")) for before in self.before[at]]
            elif one.names and (one.name.startswith("lea") or one.name.startswith("mov") and source.startswith("$")):
                found.add(one.names[0])
            else:                                       # out of memory, for one
                found.add(None)
        return found.pop() if len(found) == 1 else None

    def until(self, number: int, ends: Callable[[int], bool]) -> Iterator[int]:
        """The instructions that can follow one, up to where `ends(number)`."""
        seen, todo = set(), self.after(number)
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            if not ends(at):
                yield at
                todo += self.after(at)
