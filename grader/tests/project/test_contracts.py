"""Locks, Allocates, Callable from: the promises in the heads of the kernel's files, against its calls.

docs/locks.md says how they are written. A file's head speaks of all that its functions can come to,
in any stage that has the file; a header's, of all files that implement it.
"""
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import graphs
import pytest
from conftest import ROOT

from course import lab
from proof.graph import Call

# Each context of a caller, and the promises that allow it.
ALLOWED_BY = {
    "anywhere": {"anywhere"},
    "anywhere but an NMI handler": {"anywhere", "anywhere but an NMI handler"},
    "boot": {"anywhere", "anywhere but an NMI handler", "boot"},
    "the heap": {"anywhere", "anywhere but an NMI handler", "the heap"},
}

# The context of another function, which differs from stage to stage.
AS_ANOTHER = re.compile(r"where (\w+) is")

# What a call reaches that a file's own memory comes from.
SOURCES = {"kmalloc": "the heap", "krealloc": "the heap", "frame_alloc": "frames",
           "memmap_alloc": "early memory"}

# The lab of stage 3: stage, file and lock.
DEADLOCK = {(3, "labs/03-deadlock/rescue.c", "heap_lock")}


@dataclass(frozen=True)
class Promise:
    takes: frozenset[str]           # locks
    held: frozenset[str]            # of them, those that the caller holds
    allocates: frozenset[str]       # from which of SOURCES
    contexts: tuple[tuple[str, str], ...]       # of the functions that have one of their own
    context: str                                # of all others

    def context_of(self, function: str) -> str:
        return dict(self.contexts).get(function, self.context)


def words(text: str) -> frozenset[str]:
    return frozenset(re.split(r", | and ", text))


def promise_of(text: str) -> Promise:
    """What the head of a file promises. Raises ValueError."""
    head = re.sub(r"\s*\n \* ?", " ", text[text.index("\n/*\n"):text.index("\n */")])
    head = re.sub(r" \([^)]*\)", "", head.replace("()", ""))      # without remarks
    found = re.search(r"\bLocks: ([^.]+)\. Allocates: ([^.]+)\. Callable from: ([^.]+)\.", head)
    if not found:
        raise ValueError("no line has Locks, Allocates and Callable from, as sentences")
    locks, memory, callers = found.groups()
    takes, held = frozenset(), frozenset()
    for clause in locks.split("; "):
        if clause.startswith("takes "):
            takes = words(clause.removeprefix("takes "))
        elif clause.startswith("the caller holds "):
            held = words(clause.removeprefix("the caller holds "))
        elif clause != "none":
            raise ValueError(f"Locks: {clause}?")
    allocates = frozenset() if memory == "nothing" else words(memory)
    if not allocates <= set(SOURCES.values()):
        raise ValueError(f"Allocates: {memory}?")
    context, *others = callers.split("; ")
    contexts = []
    for clause in others:
        names, _, its = clause.partition(" from ")
        contexts += [(name, its) for name in words(names)]
    for its in (context, *(its for _, its in contexts)):
        if its not in ALLOWED_BY and not AS_ANOTHER.fullmatch(its):
            raise ValueError(f"Callable from: {its}?")
    return Promise(takes, held, allocates, tuple(contexts), context)


FILES = [str(path.relative_to(ROOT)) for path in sorted(
    [*ROOT.glob("kernel/*.c"), *ROOT.glob("labs/[0-9]*/*.c")])
    if not path.name.endswith("_test.c") and path.name != "main.c"]         # nobody calls kmain
HEADERS = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("kernel/*.h"))
           if any(Path(file).stem == path.stem for file in FILES)]


@cache
def promise(file: str) -> Promise:
    return promise_of((ROOT / file).read_text())


class Stage:
    """A stage's functions; whoever hands over a sink may call it, and not whoever is handed one."""

    def __init__(self, number: int) -> None:
        kernel = graphs.stage(number)
        self.graph, rules = kernel.graph, graphs.rules()
        self.files = {made.source for made in self.graph.objects}
        sinks = next(call for call in rules.calls if call.pointer == "write")
        with self.graph.kept():
            kernel.pointers.apply(replace(rules, calls=tuple(
                replace(call, targets=(), elsewhere=()) if call is sinks else call for call in rules.calls)))
            for title in {title for name in (*sinks.targets, *sinks.elsewhere) for title in self.graph.titles_of(name)}:
                for place in self.graph.taken[title].places:
                    for caller in self.titles_in(place.file):
                        self.graph.calls[caller].append(Call(title, place, -1))
            self.calls = self.graph.calls

    def called(self, title: str) -> set[str]:
        """The titles of those that it calls, also through pointers."""
        return {call.target for call in self.calls[title]}

    def reached(self, roots: Iterable[str]) -> dict[str, list[str]]:
        """The titles of all that roots, given by title, can come to call, each with a way there."""
        ways = {root: [root] for root in roots}
        todo = list(ways)
        for title in todo:
            for target in sorted(self.called(title)):
                if target not in ways:
                    ways[target] = [*ways[title], target]
                    todo.append(target)
        return ways

    def file_of(self, title: str) -> str:
        return self.graph.functions[title].source

    def name_of(self, title: str) -> str:
        return self.graph.functions[title].plain

    def titles_in(self, file: str) -> list[str]:
        return [title for title, function in self.graph.functions.items() if function.source == file]


@pytest.fixture(scope="module")
def stages() -> dict[int, Stage]:
    return {number: Stage(number) for number in lab.available()}


def having(stages: dict[int, Stage], file: str) -> list[Stage]:
    return [stage for number, stage in stages.items() if file in stage.files
            and not any((number, file) == known[:2] for known in DEADLOCK)]


def taken(stage: Stage, file: str) -> dict[str, list[str]]:
    """The locks that a file's functions can come to take, each with a way there."""
    return {lock.name: way for title, way in stage.reached(stage.titles_in(file)).items()
            for lock in stage.graph.locks.get(title, ())}


def memory(stage: Stage, file: str) -> set[str]:
    """Where that which a file's functions allocate can come from."""
    own = stage.titles_in(file)
    found = {SOURCES[title] for title in stage.reached(own) if title in SOURCES and title not in own}
    return found - {"frames"} if "the heap" in found else found


@pytest.mark.parametrize("file", FILES)
def test_a_file_takes_the_locks_that_its_head_names(stages, file):
    ways = {lock: way for stage in having(stages, file) for lock, way in taken(stage, file).items()}
    said = promise(file)
    assert set(ways) - said.held == said.takes, ways


def test_nobody_takes_a_lock_that_the_caller_holds(stages):
    """But in stage 3, where this is the deadlock: it can be seen without running the kernel."""
    found = {(number, file, lock) for number, stage in stages.items() for file in FILES
             if file in stage.files for lock in promise(file).held & taken(stage, file).keys()}
    assert found == DEADLOCK


@pytest.mark.parametrize("file", FILES)
def test_a_file_has_its_memory_from_where_its_head_says(stages, file):
    found = {source for stage in having(stages, file) for source in memory(stage, file)}
    assert found == promise(file).allocates


@pytest.mark.parametrize("file", HEADERS)
def test_a_header_promises_what_all_its_implementations_keep(file):
    theirs = [promise(source) for source in FILES if Path(source).stem == Path(file).stem]
    said = promise(file)
    assert said.takes == frozenset().union(*(one.takes for one in theirs))
    assert said.allocates == frozenset().union(*(one.allocates for one in theirs))
    for one in theirs:
        assert one.held <= said.held
        assert one.context in ALLOWED_BY[said.context]
        assert all(one.context_of(name) in ALLOWED_BY[its] for name, its in said.contexts)


def context_of(stage: Stage, title: str) -> str:
    if stage.file_of(title) == "kernel/main.c":
        return "boot"
    its = promise(stage.file_of(title)).context_of(stage.name_of(title))
    if another := AS_ANOTHER.fullmatch(its):
        return context_of(stage, stage.graph.find(another[1]))
    return its


def between_files(stage: Stage, titles: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Who calls whom in another file, of these functions."""
    for caller in titles:
        for callee in stage.called(caller):
            files = stage.file_of(caller), stage.file_of(callee)
            if files[0] != files[1] and all(file.endswith(".c") for file in files):
                yield caller, callee


@pytest.mark.parametrize("roots, allowed", [
    (("trap_dispatch", "panic_stop"), ALLOWED_BY["anywhere"]),
    (("monitor_run", "ktest_run"), ALLOWED_BY["the heap"])])
def test_what_runs_there_may_be_called_from_there(stages, roots, allowed):
    found = {f"{stage.file_of(callee)}: {callee}" for stage in stages.values()
             for _, callee in between_files(stage, stage.reached(roots))
             if context_of(stage, callee) not in allowed}
    assert not found


def test_what_only_some_may_call_is_called_by_them(stages):
    found = {f"{stage.file_of(callee)}: {callee}, by {caller}" for stage in stages.values()
             for caller, callee in between_files(stage, stage.graph.functions)
             if context_of(stage, callee) in ("boot", "the heap")
             and context_of(stage, caller) != context_of(stage, callee)
             and Path(stage.file_of(caller)).stem != "heap"}
    assert not found


@pytest.mark.parametrize("head, message", [
    ("Locks: none. Allocates: nothing.", "no line has"),
    ("Locks: some. Allocates: nothing. Callable from: anywhere.", "Locks: some?"),
    ("Locks: none. Allocates: a lot. Callable from: anywhere.", "Allocates: a lot?"),
    ("Locks: none. Allocates: nothing. Callable from: home.", "Callable from: home?"),
])
def test_a_promise_that_cannot_be_read_is_none(head, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        promise_of(f"/* x */\n/*\n * {head}\n */\n")
