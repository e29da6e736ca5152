"""The grader's house: what each room says of itself, and that imports keep to it."""
import ast
import functools
import re
import shutil
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from conftest import GRADER, ROOT
from trees import project_files

from course import handout

# From top to bottom. What lies in grader/ itself are the commands, above them all.
ROOMS = ("classroom", "bench", "fuzz", "reports", "judging", "proof", "course", "debugger", "debugger.inside", "machine")
SAYS = re.compile(r"(?P<what>.+)\nMay import: (?P<below>.+)\.\n"
                  r"Begin with (?P<first>\w+\.py)[ :;,].*\.")

# Ways to import what no reader of imports would find. grade.py only asks which packages there are.
HIDDEN = {"importlib", "runpy", "pkgutil"}
ASKS = {("grade", "importlib.util")}


def modules(house: Path) -> dict[str, Path]:
    """The modules by their names, as judging.judge or grade; a room itself is judging."""
    files = [*house.glob("*.py"), *(file for room in ROOMS for file in house.glob(f"{path(room)}/*.py"))]
    return {".".join(file.relative_to(house).with_suffix("").parts).removesuffix(".__init__"): file
            for file in files}


def path(room: str) -> str:
    return room.replace(".", "/")


def room_of(module: str) -> str:
    """The room of a module; "" for a command."""
    return next((room for room in sorted(ROOMS, key=len, reverse=True)
                 if f"{module}.".startswith(f"{room}.")), "")


def imported(name: str, file: Path) -> set[str]:
    """What a file imports, wherever in it: modules, and what could be one."""
    package = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    return imported_by(file.read_text(), tuple(package))


@functools.cache
def imported_by(text: str, package: tuple[str, ...]) -> set[str]:
    """The same of a text in a package."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package[:len(package) - level + 1] if level else []
                start = ".".join([*above, *([module] if module else [])])
                found |= {start, *(f"{start}.{alias.name}" for alias in names)}
            case ast.Call(func=ast.Name(id="__import__" | "exec" | "eval")):
                found.add("importlib")
    return found


def says(house: Path, room: str) -> re.Match[str]:
    """What a room says of itself."""
    text = ast.get_docstring(ast.parse((house / path(room) / "__init__.py").read_text()))
    match = SAYS.fullmatch(text)
    assert match, f"{room} says: {text}"
    return match


def may_import(house: Path) -> dict[str, set[str]]:
    """The rooms that each room may import, by what it says of itself."""
    return {room: set(says(house, room)["below"].split(", ")) - {"no other room"} for room in ROOMS}


def complaints(house: Path) -> list[str]:
    """The imports that lead to where they may not, and the first circle."""
    known, allowed = modules(house), may_import(house)
    tests = {"tests", "grader", "conftest", *(file.stem for file in (GRADER / "tests").rglob("*.py"))}
    arrows: dict[str, set[str]] = {}
    found = []
    for name, file in known.items():
        here, words = room_of(name), imported(name, file)
        arrows[name] = (words & known.keys()) - {here}
        for word in sorted(words):
            there, first = room_of(word), word.partition(".")[0]
            if first in HIDDEN and (name, word.rpartition(".")[0]) not in ASKS \
                    and (name, word) not in ASKS:
                found.append(f"{name} imports what only {first} sees")
            elif not there and word in known:
                found.append(f"{name} imports {word}, a command")
            elif not there and first in tests:
                found.append(f"{name} imports {word}, which is the tests'")
            elif there and here not in ("", there) and there not in allowed[here]:
                found.append(f"{name} imports {word}, but {here} may not import {there}")
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found.append(f"a circle: {' → '.join(reversed(error.args[1]))}")
    return found


def test_no_import_leads_upwards_or_in_a_circle():
    assert complaints(GRADER) == []


def test_a_room_may_import_only_what_is_below_it():
    for room, others in may_import(GRADER).items():
        assert others <= set(ROOMS[ROOMS.index(room) + 1:]), room


@pytest.mark.parametrize("room", ROOMS)
def test_a_newcomer_begins_with_a_file_that_is_there(room):
    assert (GRADER / path(room) / says(GRADER, room)["first"]).is_file()


def test_there_is_no_module_outside_the_rooms():
    elsewhere = {".".join(file.relative_to(GRADER).parts[:-1]) for file in GRADER.glob("**/*.py")}
    assert {place for place in elsewhere if not re.match(r"tests\b", place)} == {"", *ROOMS}


def test_a_handout_has_every_room_but_those_of_the_reference_code():
    rooms = {pattern[len("grader/"):-len("/*.py")].replace("/", ".") for pattern in handout.FILES
             if re.fullmatch(r"grader/.+/\*\.py", pattern)}
    assert rooms == set(ROOMS) - {"bench", "fuzz"}


UPWARDS = "course may not import judging"


@pytest.mark.parametrize("file, line, complaint", [
    ("course/lab.py", "from judging import facts", UPWARDS),
    ("course/lab.py", "import judging.facts", UPWARDS),
    ("course/lab.py", "import judging", UPWARDS),
    ("course/lab.py", "from judging import *", UPWARDS),
    ("course/lab.py", "def late():\n    from judging.facts import measure", UPWARDS),
    ("course/lab.py", "from ..judging import facts", UPWARDS),
    ("course/__init__.py", "from judging import facts", UPWARDS),
    ("course/__init__.py", "from ..judging import facts", UPWARDS),
    ("course/lab.py", "from importlib import import_module", "what only importlib sees"),
    ("course/lab.py", "import importlib.util", "what only importlib sees"),
    ("course/lab.py", "__import__('judging')", "what only importlib sees"),
    ("course/lab.py", "import runpy", "what only runpy sees"),
    ("course/lab.py", "import grader.judging.facts", "which is the tests'"),
    ("course/lab.py", "from trees import LABS", "which is the tests'"),
    ("debugger/inside/heap.py", "from course.lab import select", "debugger.inside may not import course"),
    ("debugger/inside/heap.py", "from machine import abi", "debugger.inside may not import machine"),
    ("debugger/inside/heap.py", "from debugger import run", "debugger.inside may not import debugger"),
    ("machine/qemu.py", "from machine import machine", "a circle: "),
    ("machine/qemu.py", "from . import machine", "a circle: "),
    ("machine/prompt.py", "def late():\n    import machine.sandbox\n", None),
    ("judging/judge.py", "import grade", "judging.judge imports grade, a command"),
    ("fuzz/running.py", "from course import build", "fuzz may not import course"),
    ("bench/page.py", "from classroom import one", "bench may not import classroom"),
    ("handout.py", "import mutants", "handout imports mutants, a command"),
])
def test_an_import_that_may_not_be_is_named(file, line, complaint, tmp_path):
    house = tmp_path / "grader"
    for module in modules(GRADER).values():
        (house / module.relative_to(GRADER)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, house / module.relative_to(GRADER))
    with (house / file).open("a") as changed:
        changed.write(f"\n\n{line}\n")
    found = complaints(house)
    assert found == [] if complaint is None else any(complaint in each for each in found), found


# A file as a comment names it: from the root of the tree, or from grader/ if that has the room.
NAMED = re.compile(r"(?<![\w./*-])((?:grader|kernel|labs|boot|docs)/[\w./-]+"
                   rf"|(?:{'|'.join(map(path, ROOMS))})/\w[\w./-]*)\.(py|c|h|S|md|in|sh|awk|html)\b")


def test_the_files_that_a_comment_names_are_there():
    for name in project_files():
        if not re.match(r"(boot|kernel|labs|grader(?!/tests))/|Makefile", name) \
                or name.endswith((".md", ".svg", ".patch")):
            continue
        for match in NAMED.finditer((ROOT / name).read_text(errors="replace")):
            above = ROOT if (ROOT / match[1].split("/")[0]).is_dir() else GRADER
            assert "NN" in match[0] or (above / match[0]).is_file(), f"{name} names {match[0]}"
