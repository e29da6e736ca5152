"""Lets the tests import the grader's modules, and grade labs as a user would."""
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

GRADER = Path(__file__).resolve().parents[1]
ROOT = GRADER.parent
sys.path.insert(0, str(GRADER))

from course.build import BLANK_LINE  # noqa: E402
from judging import ktap  # noqa: E402
from judging.record import Results  # noqa: E402
from machine import choices  # noqa: E402
from machine.abi import Outcome  # noqa: E402

# Programs are started as from a shell, not from the make that runs the tests, and git as
# somebody has it who has set up nothing.
for name in choices.NOT_OURS:
    os.environ.pop(name, None)
os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

# A script that runs the tests in the background has SIGINT ignored, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def nothing_is_left_on_a_terminal():
    """A test that fails in the midst of a session leaves no machine behind."""
    yield
    from processes import Terminal
    Terminal.kill_all()


# Files whose tests take longest. They go first, lest one worker be left with such a file alone.
LONG = ("handouts", "surroundings", "mutants", "adding_a_lab", "rewind", "labs", "machine", "submissions", "skeleton",
        "gradescope", "pretending", "terminal", "setup", "docs", "panic", "contracts", "conduct")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {f"test_{name}.py": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))


def grade(*arguments: str, directory: Path) -> tuple[int, list[dict], str]:
    """Runs grade.py. Return: its exit status, the labs in its JSON, and what it printed."""
    file = directory / "grade.json"
    done = subprocess.run([sys.executable, str(GRADER / "grade.py"), "--json", str(file),
                           *arguments], cwd=ROOT, text=True, capture_output=True, check=False)
    labs = json.loads(file.read_text())["labs"] if file.exists() else []
    return done.returncode, labs, done.stdout + done.stderr


def as_printed(console: str) -> Results:
    """What an honest kernel's memory says that has run all tests and printed these results."""
    outcomes = {result.name: Outcome[result.status.name] for result in ktap.parse(console)}
    failed = {Outcome.FAILED, Outcome.TODO} & set(outcomes.values())
    return Results(Outcome.FAILED if failed else Outcome.PASSED, outcomes)


@functools.lru_cache(maxsize=32)
def _built(lab: int, *words: str) -> tuple[bytes, Path]:
    """A stage's boot image with BLANK_LINE for its command line, and the path of its ELF."""
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory, "x.iso")
        output = subprocess.run(
            ["make", "-s", "iso", "print-ELF", f"LAB={lab}", f"ISO={image}",
             f"CMDLINE={BLANK_LINE.decode()}", *words],
            cwd=ROOT, text=True, capture_output=True, check=True).stdout
        return image.read_bytes(), ROOT / output.splitlines()[-1]


def boot_image(directory: Path, lab: int, command_line: str = "log=info", *words: str
               ) -> tuple[Path, Path]:
    """Makes a boot image of a stage. Return: its path, and its ELF's."""
    image = directory / f"{lab}.iso"
    blank, elf = _built(lab, *words)
    image.write_bytes(blank.replace(BLANK_LINE, command_line.encode().ljust(len(BLANK_LINE))))
    return image, elf


@pytest.fixture
def iso(tmp_path: Path):
    """boot_image() in a directory of the test's own."""
    return lambda *words: boot_image(tmp_path, *words)


@pytest.fixture
def path_without(tmp_path: Path):
    """A function that gives a PATH with all tools but some, and false ones of these scripts for others."""
    def variables(*missing: str, **scripts: str) -> dict[str, str]:
        place = tmp_path / "bin"
        place.mkdir(exist_ok=True)
        scripts = {name.replace("_", "-"): script for name, script in scripts.items()}
        for directory in ("/usr/sbin", "/usr/bin"):
            for name in set(os.listdir(directory)) - {*missing, *scripts} - set(os.listdir(place)):
                (place / name).symlink_to(f"{directory}/{name}")
        for name, script in scripts.items():
            (place / name).unlink(missing_ok=True)
            (place / name).write_text(f"#!/bin/sh\n{script}\n")
            (place / name).chmod(0o755)
        return {"PATH": str(place)}
    return variables


# Fixtures that several files use. These modules need what stands above.
from containers import pristine  # noqa: E402, F401
from guests import boot, cured, hung, reset  # noqa: E402, F401
