"""Lets the tests import the grader's modules, and grade labs as a user would."""
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

GRADER = Path(__file__).resolve().parents[1]
ROOT = GRADER.parent
sys.path.insert(0, str(GRADER))

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


# Files whose tests take minutes. They go first, lest one worker be left with such a file alone.
LONG = ("test_handouts.py", "test_mutants.py", "test_submissions.py", "test_terminal.py", "test_rewind.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


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


def boot_image(directory: Path, lab: int, command_line: str = "log=info", *words: str
               ) -> tuple[Path, Path]:
    """Builds a boot image of a stage. Return: its path, and its ELF's."""
    image = directory / f"{lab}.iso"
    output = subprocess.run(
        ["make", "-s", "iso", "print-ELF", f"LAB={lab}", f"ISO={image}", f"CMDLINE={command_line}",
         *words], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    return image, ROOT / output.splitlines()[-1]


@pytest.fixture
def iso(tmp_path: Path):
    """boot_image() in a directory of the test's own."""
    return lambda *words: boot_image(tmp_path, *words)


# Fixtures that several files use. These modules need what stands above.
from containers import pristine  # noqa: E402, F401
from guests import boot, cured, hung, reset  # noqa: E402, F401
