"""The grader's house: what each room says of itself, and that imports keep to it."""
import ast
import re
import shutil
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from conftest import GRADER, ROOT
from trees import project_files

# From top to bottom. What lies in grader/ itself are the commands, above them all.
ROOMS = ("classroom", "bench", "reports", "judging", "course", "debugger", "machine")
SAYS = re.compile(r"(?P<what>.+)\nMay import: (?P<below>.+)\.\nBegin with (?P<first>\w+\.py)[ :;,].*\.")


def modules(house: Path) -> dict[str, Path]:
    """The modules by their names, as judging.judge or grade."""
    files = [*house.glob("*.py"), *(file for room in ROOMS for file in house.glob(f"{room}/**/*.py"))]
    return {".".join(file.relative_to(house).with_suffix("").parts): file for file in files
            if file.name != "__init__.py"}


def room_of(module: str) -> str:
    """The room of a module; "" for a command."""
    return module.partition(".")[0] if "." in module else ""


def imported(name: str, file: Path, known: dict[str, Path]) -> set[str]:
    """Which of the known modules a file imports, wherever in it; asking importlib counts too."""
    words = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                words |= {alias.name for alias in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                above = name.split(".")[:-level] if level else []
                start = ".".join([*above, *([module] if module else [])])
                words |= {start, *(f"{start}.{alias.name}" for alias in names)}
            case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="__import__"),
                          args=[ast.Constant(value=str(module)), *_]):
                words.add(module)
    return words & known.keys()


def may_import(house: Path) -> dict[str, set[str]]:
    """The rooms that each room may import, by what it says of itself."""
    said = {room: SAYS.fullmatch(ast.get_docstring(ast.parse((house / room / "__init__.py").read_text())))
            for room in ROOMS}
    assert all(said.values()), said
    return {room: set(match["below"].split(", ")) - {"no other room"} for room, match in said.items()}


def complaints(house: Path) -> list[str]:
    """The imports that lead to where they may not, and the first circle."""
    known, allowed = modules(house), may_import(house)
    imports = {name: imported(name, file, known) for name, file in known.items()}
    found = []
    for name, others in imports.items():
        for other in sorted(others):
            here, there = room_of(name), room_of(other)
            if not there:
                found.append(f"{name} imports {other}, a command")
            elif here not in ("", there) and there not in allowed[here]:
                found.append(f"{name} imports {other}, but {here} may not import {there}")
    try:
        TopologicalSorter(imports).prepare()
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
    said = SAYS.fullmatch(ast.get_docstring(ast.parse((GRADER / room / "__init__.py").read_text())))
    assert (GRADER / room / said["first"]).is_file()


def test_there_is_no_module_outside_the_rooms():
    elsewhere = {file.relative_to(GRADER).parts[0] for file in GRADER.glob("*/**/*.py")}
    assert elsewhere == {*ROOMS, "tests"}


@pytest.mark.parametrize("file, line, complaint", [
    ("course/lab.py", "from judging import facts", "course.lab imports judging.facts, but course may not"),
    ("course/lab.py", "import judging.facts", "course.lab imports judging.facts"),
    ("course/lab.py", "def late():\n    from judging.facts import measure", "course.lab imports judging.facts"),
    ("course/lab.py", "from ..judging import facts", "course.lab imports judging.facts"),
    ("course/lab.py", "import importlib\nimportlib.import_module('judging.facts')",
     "course.lab imports judging.facts"),
    ("debugger/inside/heap.py", "from course.lab import select", "debugger may not import course"),
    ("machine/qemu.py", "from machine import machine", "a circle: "),
    ("machine/host.py", "def late():\n    import machine.sandbox\n", None),
    ("judging/judge.py", "import grade", "judging.judge imports grade, a command"),
    ("bench/page.py", "from classroom import one", "bench may not import classroom"),
    ("handout.py", "import mutants", "handout imports mutants, a command"),
])
def test_an_import_that_may_not_be_is_named(file, line, complaint, tmp_path):
    house = tmp_path / "grader"
    for path in modules(GRADER).values():
        (house / path.relative_to(GRADER)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, house / path.relative_to(GRADER))
    for room in ROOMS:
        shutil.copy(GRADER / room / "__init__.py", house / room)
    with (house / file).open("a") as module:
        module.write(f"\n\n{line}\n")
    found = complaints(house)
    assert found == [] if complaint is None else any(complaint in each for each in found), found


# A file as a comment names it: from the root of the tree, or from grader/ if that has the room.
NAMED = re.compile(rf"(?<![\w./*-])((?:grader|kernel|labs|boot|docs)/[\w./-]+|(?:{'|'.join(ROOMS)})/\w[\w./-]*)"
                   r"\.(py|c|h|S|md|in|sh|awk|html)\b")


def test_the_files_that_a_comment_names_are_there():
    for name in project_files():
        if not re.match(r"(boot|kernel|labs|grader(?!/tests))/|Makefile", name) \
                or name.endswith((".md", ".svg", ".patch")):
            continue
        for match in NAMED.finditer((ROOT / name).read_text(errors="replace")):
            above = ROOT if (ROOT / match[1].split("/")[0]).is_dir() else GRADER
            assert "NN" in match[0] or (above / match[0]).is_file(), f"{name} names {match[0]}"
