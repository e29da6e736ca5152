# SPDX-License-Identifier: MIT
"""The graph of a stage: which function calls or jumps to which, from where, through what.

Edges are what the machine code says. A call through a pointer has none before a policy names its targets
(pointers.py). What cannot be understood is a trouble, with its place, and never left out in silence.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from proof.flow import Flow, NoBound
from proof.objects import Function, Object, Place, Spot

TAKE, RELEASE = "spin_lock", "spin_unlock"


class Call(NamedTuple):
    """A call or a jump to another function."""
    target: str                 # its title
    place: Place
    number: int                 # of the instruction in the caller, or -1


class Indirect(NamedTuple):
    """A call or a jump to what a register or memory says."""
    caller: str                 # the title of the function that it stands in
    written_in: str             # the function in whose source it stands, which may be inlined there
    place: Place
    is_jump: bool
    number: int


class Step(NamedTuple):
    """A function on a way, and the line that calls the next one."""
    title: str
    place: Place | None


class Lock(NamedTuple):
    """A place where a lock is taken."""
    name: str
    place: Place


class Unknown(Exception):
    """No function has that name, or several have."""


@dataclass
class Taken:
    """A function whose address is taken, and where."""
    places: list[Place] = field(default_factory=list)


class Graph:
    """All functions of a stage without its tests."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.functions: dict[str, Function] = {}
        self.object_of: dict[str, Object] = {}
        self.calls: dict[str, list[Call]] = {}
        self.indirects: list[Indirect] = []
        self.taken: dict[str, Taken] = {}
        self.troubles: list[str] = []
        self.locks: dict[str, list[Lock]] = {}          # that a function itself takes
        self.lock_calls: dict[str, dict[int, str]] = {}     # by the number of the instruction
        for made in objects:
            for function in made.functions:
                self.functions[function.title] = function
                self.object_of[function.title] = made
        self._flows = {title: Flow(function, self.object_of[title], self._returns_from)
                       for title, function in self.functions.items()}
        for made in objects:
            for function in made.functions:
                self._read(made, function)
            self._read_pointers(made)
        self.returning: set[str] | None = None
        self._find_what_returns()
        self._read_locks()

    # ---- names

    def titles_of(self, name: str) -> list[str]:
        """The functions with that name in the source, or that title."""
        if name in self.functions:
            return [name]
        return [title for title, function in self.functions.items()
                if name in (function.plain, f"{function.source}:{function.plain}")]

    def find(self, name: str) -> str:
        """The title of the one function of that name. Raises Unknown."""
        titles = self.titles_of(name)
        if not titles:
            raise Unknown(f"no function of the kernel is called {name}")
        if len(titles) > 1:
            raise Unknown(f"several functions are called {name}: {', '.join(titles)}")
        return titles[0]

    def show(self, title: str) -> str:
        return self.functions[title].plain

    # ---- reading

    def start(self, made: Object, names: str | Spot) -> Function | None:
        """The function that begins where a relocation points to."""
        if isinstance(names, str):
            return self.functions.get(names)
        found = made.function_at(names)
        return found if found and found.offset == names.offset else None

    def _read(self, made: Object, function: Function) -> None:
        calls = self.calls.setdefault(function.title, [])
        for number, instruction in enumerate(function.code):
            if instruction.is_indirect:
                self._read_indirect(made, function, number)
                continue
            for names in instruction.names:
                start, is_inside = self.start(made, names), isinstance(names, Spot) and function.covers(names)
                if instruction.is_call or instruction.is_jump:
                    if start is not None and (instruction.is_call or start is not function):
                        calls.append(Call(start.title, instruction.place, number))
                    elif start is None and isinstance(names, str):
                        self.troubles.append(f"{instruction.place}: {function.plain} calls {names}, which is no "
                                             "function of this kernel: what it does is not known")
                    elif start is None and not is_inside:
                        self.troubles.append(f"{instruction.place}: {function.plain} jumps into the middle of "
                                             "another function: call it from its beginning")
                elif start is not None:
                    self.taken.setdefault(start.title, Taken()).places.append(instruction.place)
                    if function.is_assembly:
                        calls.append(Call(start.title, instruction.place, number))
                elif isinstance(names, Spot) and not is_inside and made.function_at(names):
                    self.troubles.append(f"{instruction.place}: {function.plain} takes the address of the middle "
                                         "of another function: the jumps to it are not known")
            if (instruction.is_call or instruction.is_jump) and not instruction.names:
                self.troubles.append(f"{instruction.place}: {function.plain} jumps to a number: "
                                     "where that leads is not known")
        if not function.closed and function.code and not function.code[-1].ends_here:
            self._run_on(made, function)

    def _run_on(self, made: Object, function: Function) -> None:
        """Assembly that does not end runs into what comes next."""
        behind = [other for other in made.functions
                  if other.section == function.section and other.offset > function.offset]
        if behind:
            self.calls[function.title].append(Call(behind[0].title, function.code[-1].place, -1))

    def _read_indirect(self, made: Object, function: Function, number: int) -> None:
        instruction = function.code[number]
        flow = self._flows[function.title]
        targets = flow.jumps_to(instruction)
        if targets and all(function.covers(spot) for spot in targets):
            return                                      # a switch statement
        if instruction.is_jump and not function.is_assembly and flow.is_return_to_a_caller(number):
            return                                      # longjmp: whoever is there has been called
        self.indirects.append(Indirect(function.title, instruction.written_in, instruction.place,
                                       instruction.is_jump, number))

    def _read_pointers(self, made: Object) -> None:
        for pointer in made.pointers:
            if start := self.start(made, pointer.names):
                self.taken.setdefault(start.title, Taken())

    # ---- what comes back to its caller

    def _returns_from(self, title: str, number: int) -> bool:
        """May the call at an instruction come back?"""
        if self.returning is None:
            return True
        return all(call.target in self.returning for call in self.calls[title] if call.number == number)

    def _find_what_returns(self) -> None:
        """Grows the set of functions that may come back, until nothing more does."""
        self.returning = set()
        todo = set(self.functions)
        callers: dict[str, set[str]] = {}
        for title, calls in self.calls.items():
            for call in calls:
                callers.setdefault(call.target, set()).add(title)
        while todo:
            title = todo.pop()
            if title not in self.returning and self._may_return(title):
                self.returning.add(title)
                todo |= callers.get(title, set())

    def _may_return(self, title: str) -> bool:
        function, flow = self.functions[title], self._flows[title]
        jumps = {call.number for call in self.calls[title] if call.target in self.returning}
        return function.is_assembly or any(
            function.code[number].name.startswith(("ret", "iret", "lret"))
            or function.code[number].is_jump and (number in jumps or function.code[number].is_indirect
                                                  and not flow.after(number))
            for number in flow.reached)

    # ---- locks

    def _read_locks(self) -> None:
        for title, calls in self.calls.items():
            for call in calls:
                if call.target not in (TAKE, RELEASE) or call.number < 0:
                    continue
                lock = self._lock_of(title, call.number)
                if lock is None:
                    if call.target == TAKE:
                        self.troubles.append(f"{call.place}: which lock {self.show(title)} takes is not known: "
                                             f"write {TAKE}(&its_name) there")
                    continue
                self.lock_calls.setdefault(title, {})[call.number] = lock
                if call.target == TAKE:
                    self.locks.setdefault(title, []).append(Lock(lock, call.place))

    def _lock_of(self, title: str, number: int) -> str | None:
        names = self._flows[title].argument(number)
        if isinstance(names, Spot):
            name, inside = self.object_of[title].variable_at(names)
            return name if name and inside == 0 else None
        return names

    def called_while_held(self, title: str) -> list[tuple[Lock, list[Call]]]:
        """For each place where a function takes a lock: the calls that it makes before it releases it."""
        flow, locks = self._flows[title], self.lock_calls.get(title, {})
        by_number: dict[int, list[Call]] = {}
        for call in self.calls[title]:
            by_number.setdefault(call.number, []).append(call)
        found = []
        for number, name in locks.items():
            (call, *_) = by_number[number]
            if call.target != TAKE:
                continue

            def releases(at: int, name: str = name) -> bool:
                return locks.get(at) == name and any(one.target == RELEASE for one in by_number[at])

            found.append((Lock(name, call.place), [one for at in flow.until(number, releases)
                                                   for one in by_number.get(at, ())]))
        return found

    # ---- ways

    def reached(self, root: str, calls: Iterable[Call] | None = None) -> dict[str, list[Step]]:
        """All that can be reached from a function, or by these of its calls, each with the shortest way there."""
        ways: dict[str, list[Step]] = {} if calls is not None else {root: []}
        todo: list[str] = []
        for call in self.calls[root] if calls is None else calls:
            if call.target not in ways:
                ways[call.target] = [Step(root, call.place)]
                todo.append(call.target)
        for title in todo:
            for call in self.calls[title]:
                if call.target not in ways:
                    ways[call.target] = [*ways[title], Step(title, call.place)]
                    todo.append(call.target)
        return ways

    def inlined(self, name: str, ways: dict[str, list[Step]]) -> list[Step] | None:
        """The shortest way to a function that has become a part of one of these, and no more is called."""
        found = [[*way, Step(title, self.functions[title].inlined[name])] for title, way in ways.items()
                 if name in self.functions[title].inlined]
        return min(found, key=len, default=None)

    def deepest(self, root: str) -> tuple[int, list[str]]:
        """The most stack that a call of a function takes, and the functions that do. Raises NoBound."""
        known: dict[str, tuple[int, list[str]]] = {}

        def measure(title: str, way: list[str]) -> tuple[int, list[str]]:
            if title in way:
                cycle = [*way[way.index(title):], title]
                raise NoBound("recursion: " + " -> ".join(map(self.show, cycle)) + self._lines(cycle))
            if title not in known:
                way.append(title)
                own = self.stack_bytes(title)
                below = max((measure(call.target, way) for call in self.calls[title]), default=(0, []))
                way.pop()
                known[title] = own + below[0], [title, *below[1]]
            return known[title]

        return measure(root, [])

    def _lines(self, cycle: list[str]) -> str:
        """The lines with the calls of a cycle."""
        lines = [next(str(call.place) for call in self.calls[title] if call.target == following)
                 for title, following in zip(cycle, cycle[1:])]
        return f" ({', '.join(lines)})"

    def stack_bytes(self, title: str) -> int:
        """What a function has on the stack itself, with its return address. Raises NoBound."""
        return self._flows[title].stack_bytes

    def variable_frames(self, ways: Iterable[str]) -> list[str]:
        """Why the frames of these functions have no size that is known, of those that have none."""
        found = []
        for title in ways:
            try:
                self.stack_bytes(title)
            except NoBound as error:
                found.append(str(error))
        return found

    def recursion(self, ways: Iterable[str]) -> str:
        """How one of these functions comes to call itself, or ""."""
        for title in ways:
            below = self.reached(title, self.calls[title])
            if title in below:
                cycle = [*(step.title for step in below[title]), title]
                return f"recursion: {' -> '.join(map(self.show, cycle))}{self._lines(cycle)}"
        return ""

    # ---- as if

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Calls that are added meanwhile, and locks, go at the end."""
        calls = {title: list(calls) for title, calls in self.calls.items()}
        locks = {title: list(locks) for title, locks in self.locks.items()}
        try:
            yield
        finally:
            self.calls, self.locks = calls, locks

    @contextlib.contextmanager
    def as_if(self, calls: Iterable[tuple[str, str]], locks: Iterable[tuple[str, str]] = (),
              grows: Iterable[tuple[str, int]] = ()) -> Iterator[None]:
        """
        Meanwhile the functions, by name, have these calls, take these locks, and take so many bytes of stack
        more. Raises Unknown.
        """
        with self.kept():
            for caller, target in [*calls, *((caller, TAKE) for caller, _ in locks)]:
                title = self.find(caller)
                self.calls[title].append(Call(self.find(target), self.functions[title].place, -1))
            for caller, lock in locks:
                title = self.find(caller)
                self.locks.setdefault(title, []).append(Lock(lock, self.functions[title].place))
            more = {self.find(name): number for name, number in grows}
            for title, number in more.items():
                self._flows[title].stack_bytes += number
            try:
                yield
            finally:
                for title, number in more.items():
                    self._flows[title].stack_bytes -= number
