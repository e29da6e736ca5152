# SPDX-License-Identifier: MIT
"""Calls through pointers: what they can come to, and whether a policy says all of it.

The compiler ensures that a pointer to a function holds a function of its type, unless a conversion is
written. So without conversions a call can come only to a function of the pointer's type whose address is
taken somewhere. This module finds the addresses and the conversions.

- The type of a call is that of the pointer which its line names. A line that names none, or that a macro
  hides, is an error.
- An address in data must lie where its variable has a pointer of its type. For code, GCC's own text of each
  function before it is optimized (-fdump-tree-original) shows every conversion, implicit ones as well.

Limit: two pointers of different types in the same bytes (a union, memcpy) are not seen. Nor is code that
overwrites memory which is not its own.
"""
from __future__ import annotations

import re
from pathlib import Path

from proof.graph import Call, Graph, Indirect, Unknown
from proof.objects import Object, Place
from proof.policy import Policy, Targets
from proof.types import Types

_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|/\*.*?\*/|//.*')
_CALLED = re.compile(r"(->\s*|\.\s*)?\b([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*\(")
_CAST = re.compile(r"\(\s*(?:(?:const|unsigned|struct|enum|union)\s+)*(\w+)[\s*]*\)(?=\s*\()")
_KEYWORDS = {"if", "while", "for", "switch", "return", "sizeof"}

# In GCC's text: ";; Function NAME (…)", and a conversion to a pointer to a function. GCC 16 shows a typedef's name.
_FUNCTION = re.compile(r"^;; Function ([\w.]+) \(", re.MULTILINE)
_CONVERTED = re.compile(r"\(\*(?:<T[0-9a-f]+>|\w+)\) \([^()]*(?:\([^()]*\)[^()]*)*\)\s*\**\)")
_TYPEDEF = re.compile(r"\btypedef\b[^;{}]*?\(\s*\*\s*(\w+)\s*\)\s*\(")


class Pointers:
    """What one stage does with the addresses of functions."""

    def __init__(self, graph: Graph, types: dict[Path, Types], root: Path) -> None:
        """`root`: the tree that the objects were made in."""
        self.graph, self.types, self.root = graph, types, root
        self.troubles: list[str] = []
        self.untyped: dict[str, str] = {}       # functions whose type does not say who may call them, and why
        self._lines: dict[str, list[str]] = {}
        self._look_at_data()
        for made in graph.objects:
            if made.source.endswith(".c"):
                self._look_at_conversions(made)

    # ---- types

    def _types_of(self, title: str) -> Types:
        return self.types[self.graph.object_of[title].path]

    def type_of(self, title: str) -> str:
        """A function's type. Assembly has none."""
        function = self.graph.functions[title]
        return "" if function.is_assembly else self._types_of(title).functions.get(function.plain, "")

    def _line(self, place: Place) -> str:
        """A line of source without comments and texts."""
        if place.file not in self._lines:
            try:
                self._lines[place.file] = (self.root / place.file).read_text(errors="replace").splitlines()
            except OSError:
                self._lines[place.file] = []
        lines = self._lines[place.file]
        return _COMMENT.sub(" ", lines[place.line - 1]) if 0 < place.line <= len(lines) else ""

    def pointer_of(self, call: Indirect) -> tuple[str, str]:
        """The name and the type of the pointer that a call goes through. Raises Unknown."""
        line, types = self._line(call.place), self._types_of(call.caller)
        while line.count("(") < line.count(")"):        # GCC names the line where the call ends
            call = call._replace(place=Place(call.place.file, call.place.line - 1))
            line = self._line(call.place) + line
        found: dict[str, set[str]] = {}
        names = set()
        for before, name in _CALLED.findall(line):
            if name not in _KEYWORDS:
                names.add(name)
                if kinds := types.pointer(name, call.written_in, is_member=bool(before)):
                    found.setdefault(name, set()).update(kinds)
        others = {name for name in names - found.keys() if name not in types.functions}
        if not found or re.search(r"\)\s*\(", _CAST.sub(lambda cast: cast[0] if types.pointer(cast[1], call.written_in, False)
                                                        else "", line)):
            raise Unknown("calls what is not the name of a pointer: put it into a variable of its type, "
                          "and call that")
        if others:
            raise Unknown(f"calls through a pointer in a line with {', '.join(sorted(others))}, which may be "
                          "a macro: write the call on a line of its own")
        kinds = set().union(*found.values())
        if len(kinds) > 1:
            raise Unknown(f"calls through {' or '.join(sorted(found))}, which can be {' or '.join(sorted(kinds))}: "
                          "give the pointers different names, each call a line of its own")
        return min(found), kinds.pop()

    # ---- conversions

    def _look_at_data(self) -> None:
        for made in self.graph.objects:
            for pointer in made.pointers:
                start = self.graph.start(made, pointer.names)
                if start is None:
                    continue
                line = self.types[made.path].line_of(pointer.variable)
                self.graph.taken[start.title].places.append(Place(made.source, line))
                if self.type_of(start.title) not in self.types[made.path].at(pointer.variable, pointer.inside):
                    self.untyped[start.title] = (f"{made.source}: {pointer.variable or 'data without a name'} has "
                                                 f"the address of {start.plain}, and not as a pointer of its type")

    def _look_at_conversions(self, made: Object) -> None:
        text = made.path.with_name(made.path.name.removesuffix(".o") + ".s.tree")
        try:
            parts = _FUNCTION.split(re.sub(r'"(?:\\.|[^"\\])*"', '""', text.read_text(errors="replace")))
        except OSError:
            self.troubles.append(f"{made.source}: there is no {text.name} beside its object, where GCC shows "
                                 "conversions. It was made by another compiler, or is not yours")
            return
        names = set(_TYPEDEF.findall((self.root / made.source).read_text(errors="replace"))) \
            if (self.root / made.source).exists() else set()
        typedefs = re.compile(rf"\((?:{'|'.join(map(re.escape, sorted(names)))})(?: \*)?\) ") if names else None
        taken = {self.graph.functions[title].plain: title for title in self.graph.taken
                 if self.graph.functions[title].is_global or self.graph.object_of[title] is made}
        converted = re.compile(r"\)\s*&?\b(" + "|".join(map(re.escape, taken)) + r")\b(?!\s*\()") if taken else None
        for name, body in zip(parts[1::2], parts[2::2]):
            if _CONVERTED.search(body) or typedefs and typedefs.search(body):
                self.troubles.append(f"{self._place_of(made, name)}: {name} makes a pointer to a function out of "
                                     "something else: what it points to is not known. Give it its type from the start")
            for function in converted.findall(body) if converted else ():
                place = next((place for place in self.graph.taken[taken[function]].places
                              if place.file == made.source), self._place_of(made, name))
                self.untyped[taken[function]] = f"{place}: {name} converts the address of {function}"

    def _place_of(self, made: Object, name: str) -> Place:
        function = next((one for one in made.functions if one.plain == name), None)
        return function.place if function else Place(made.source, 1)

    # ---- what a policy says

    def apply(self, policy: Policy) -> list[str]:
        """Adds the calls that a policy declares to the graph. Return: what is missing in it, or wrong."""
        troubles = [*self.graph.troubles, *self.troubles]
        graph, named = self.graph, set()
        possible: set[str] = set()
        lacking: dict[str, dict[str, Indirect]] = {}
        undeclared: dict[str, list[Indirect]] = {}
        for call in graph.indirects:
            try:
                pointer, kind = ("", "") if graph.functions[call.caller].is_assembly else self.pointer_of(call)
            except Unknown as error:
                troubles.append(f"{call.place}: {call.written_in} {error}")
                continue
            declared = policy.targets(pointer, call.written_in)
            where = f'pointer = "{pointer}"' if pointer else f'in = "{call.written_in}"'
            possible |= self._candidates(call, kind)
            if declared is None:
                undeclared.setdefault(where, []).append(call)
                continue
            titles, wrong = self._declared(declared, where)
            troubles += wrong
            named |= titles
            lacking.setdefault(where, {}).update(self._lacking(call, kind, titles))
            troubles += self._impossible(call, kind, titles, where)
            graph.calls[call.caller] += [Call(title, call.place, call.number) for title in sorted(titles)]
        for where, missing in lacking.items():
            for title, call in sorted(missing.items()):
                troubles.append(f"{call.place}: {call.written_in} calls through a pointer that can be {graph.show(title)}: "
                                f"its address is taken at {graph.taken[title].places[0]}. Add it to the [[call]] with {where}")
        for where, calls in undeclared.items():
            more = f" (and in {len(calls) - 1} more places)" if len(calls) > 1 else ""
            troubles.append(f"{calls[0].place}: {calls[0].written_in} calls through a pointer{more}, and no [[call]] "
                            f"has {where}: say there what it may come to")
        for names, key in ((policy.entered, "entered"), (policy.compared, "compared")):
            for name in names:
                try:
                    named.add(graph.find(name))
                except Unknown as error:
                    troubles.append(f"{key}: {error}")
        troubles += self._left_over(policy, named | possible)
        return list(dict.fromkeys(troubles))

    def _declared(self, declared: Targets, where: str) -> tuple[set[str], list[str]]:
        titles, wrong = set(), []
        for name in declared.targets:
            try:
                titles.add(self.graph.find(name))
            except Unknown as error:
                wrong.append(f"[[call]] {where}: {error}")
        for name in declared.elsewhere:
            titles |= set(self.graph.titles_of(name))
        return titles, wrong

    def _candidates(self, call: Indirect, kind: str) -> set[str]:
        """The functions that a call can come to: of its type, or, in assembly, those that stand there."""
        if kind:
            return {title for title in self.graph.taken if self.type_of(title) == kind}
        function, made = self.graph.functions[call.caller], self.graph.object_of[call.caller]
        starts = [self.graph.start(made, names) for one in function.code if not one.is_call for names in one.names]
        return {start.title for start in starts if start is not None and start is not function}

    def _lacking(self, call: Indirect, kind: str, titles: set[str]) -> dict[str, Indirect]:
        """The functions that a call can come to as well."""
        return {title: call for title in self._candidates(call, kind) - titles}

    def _impossible(self, call: Indirect, kind: str, titles: set[str], where: str) -> list[str]:
        """What is declared, and cannot be; or cannot be known."""
        possible, show = self._candidates(call, kind), self.graph.show
        if not kind and not possible:
            return [f"{call.place}: {call.written_in} jumps to what a register says, and no address stands there: "
                    "where it goes is not known"]
        return [f"[[call]] {where}: {call.place} cannot come to {show(title)}, which is "
                f"{self.type_of(title) or 'assembly'}: "
                + (f"it calls a {kind}" if kind != self.type_of(title) else "nobody takes its address")
                for title in sorted(titles - possible)]

    def _left_over(self, policy: Policy, named: set[str]) -> list[str]:
        """Functions whose address somebody takes, and of which the policy does not say what for."""
        graph, found = self.graph, []
        free = {title for name in (*policy.entered, *policy.compared) for title in graph.titles_of(name)}
        for title, taken in sorted(graph.taken.items()):
            if title in free or title not in named and graph.functions[title].is_assembly \
                    and all(place.file == graph.functions[title].source for place in taken.places):
                continue
            name = graph.show(title)
            if title in self.untyped:
                found.append(f"{self.untyped[title]}: who calls that is not known. If nobody does, name it in "
                             "compared; if the CPU is led there, in entered")
            elif title not in named:
                found.append(f"{taken.places[0]}: the address of {name} is taken, and no [[call]] has it among "
                             "its targets")
        roots = {root.function for root in policy.roots}
        return found + [f"entered: {name} is where the CPU comes to: say in a [[root]] what it may reach"
                        for name in policy.entered if name not in roots]
