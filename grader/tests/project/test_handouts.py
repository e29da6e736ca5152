"""Every command of a page, run as written, and what the page says that one sees.

The commands of what students get are run in a handout, unpacked in an empty directory; those
of a lab once before and once after its solution was put in, as the block says. All others are
run in a copy of this tree.
"""
import re
import subprocess

import pytest
from conftest import GRADER, ROOT
from pages import ORIGINALS, as_pattern
from processes import Terminal
from trees import LABS, Student, instructors

from course.student import NAME_FILE

# The guest may write on behind GDB's prompt, which shares its terminal.
PROMPTS = {"(gdb)": r"(?:^|\n)\(gdb\) ", "ouroboros>": r"(?:^|\n)ouroboros> $"}
WRONG = re.compile(r"Undefined command|No symbol|No function|not defined|Cannot (?:access|insert)|"
                   r"Junk|Invalid|syntax error|[Ee]rror: |^Error|Traceback|Exception|\w+: .*not known",
                   re.MULTILINE)
# What the kernel or its monitor says to a command that is wrong.
WRONG_IN_KERNEL = re.compile(r"unknown option|bad value|no command \"|^ *not ok |usage: ", re.MULTILINE)
# Where a machine has come to that is left to itself.
BOOTED = r"\nouroboros> $|stays put|The machine (switched|reset) itself"
WINDOW = {"LINES": "60", "COLUMNS": "250"}      # in which nothing waits for "--Type <RET>"
ALL_SOLVED = max(each.number for each in LABS)

# What cannot be run here, or is run elsewhere; with the reason.
NOT_RUN = {
    "make bench.*": "it takes minutes; test_bench.py sees to the bounds",
    "make setup.*": "it may install packages; CI runs it, before these tests",
    "tar --skip-old-files .*": "test_handout.py unpacks one handout over another",
}


def tree_of(page, block):
    """Which labs are solved in the tree where a block is run; None for an instructor's tree."""
    if not page.is_handed_out:
        return None
    if page.path.parent.name == "handout":
        return -1
    if page.lab is None:
        return -1 if block.is_before else ALL_SOLVED
    return page.lab - 1 if block.is_before else page.lab


# A student's tree is changed as seldom as can be: labs in their order.
BLOCKS = sorted(((tree_of(page, block), page, block) for page in ORIGINALS
                 for block in page.blocks if block.is_run and block.commands),
                key=lambda item: (item[0] is None, item[0] or 0))


@pytest.fixture(scope="module")
def students(tmp_path_factory):
    """Who has a name: make asks for it in a terminal as long as there is none."""
    student = Student(tmp_path_factory.mktemp("student"))
    student.given[NAME_FILE] += b"Ada Lovelace\n"
    return student


@pytest.fixture(scope="module")
def instructors_tree(tmp_path_factory):
    return instructors(tmp_path_factory.mktemp("instructor"))


def not_run(line):
    return next((reason for pattern, reason in NOT_RUN.items() if re.fullmatch(pattern, line)), None)


def follow(command, tree):
    """Does what a reader does, who types a command and what follows at the prompts."""
    terminal = Terminal("sh", "-c", command.line, directory=tree, **WINDOW)
    steps, in_gdb = command.steps, command.is_in_gdb
    said = [expect_all(terminal, command.seen)]
    if steps or in_gdb:
        terminal.expect(PROMPTS[steps[0].prompt if steps else "(gdb)"])
    for index, step in enumerate(steps):
        terminal.type(step.line + "\r")
        if step.line == "quit":
            break
        terminal.expect(r"\n")      # behind the echo
        heard = expect_all(terminal, step.seen)
        if step.interrupted:
            terminal.type("\x03")
        if index + 1 < len(steps):
            terminal.expect(PROMPTS[steps[index + 1].prompt])
            heard += terminal.before
        assert not (in_gdb and WRONG.search(heard)), f"{step.line}: {heard}"
        said.append(heard)
    if in_gdb and not steps:
        terminal.type("quit\r")
    if command.line.startswith("make run ") and not command.fails:
        if not steps and not command.seen:
            terminal.expect(BOOTED)
            said.append(terminal.before)
        said.append(leave(terminal))
        shown = "\n".join(command.lines_seen)
        assert WRONG_IN_KERNEL.search(shown) or not WRONG_IN_KERNEL.search("".join(said)), said
        return
    status = terminal.status()
    assert (status != 0) == command.fails, f"{command.line}: exit status {status}: {terminal.text}"


def leave(terminal):
    """Types Ctrl-A x, for a machine that may just be ending by itself. Return: its last words."""
    try:
        terminal.type("\x01x")
    except OSError:
        pass
    terminal.status()
    return terminal.text


def expect_all(terminal, lines):
    """Waits for one line after the other. Return: all that came meanwhile."""
    return "".join(f"{terminal.expect(as_pattern(line))[0]}{terminal.before}" for line in lines)


@pytest.mark.parametrize("solved, page, block", BLOCKS, ids=lambda item: getattr(
    item, "name", None) or (f"line {item.line}" if hasattr(item, "line") else f"solved {item}"))
def test_a_block_goes_as_written(solved, page, block, request):
    tree = request.getfixturevalue("instructors_tree") if solved is None else \
        request.getfixturevalue("students").at(solved)
    for command in block.commands:
        if not not_run(command.line):
            follow(command, tree)


def test_what_is_not_run_is_on_some_page():
    lines = [command.line for _, _, block in BLOCKS for command in block.commands]
    for pattern in NOT_RUN:
        assert any(re.fullmatch(pattern, line) for line in lines), f"no page has: {pattern}"


# Failures that handouts show, by the lab: which mutant, and which of its tests, give them.
FAILURES = {
    1: ("no-coalescing", "frame.buddies_merge_however_they_are_freed",
        "frame.free_blocks_are_as_large_as_can_be_whatever_came_before"),
    2: ("overrun-unnoticed", "heap.overrun"),
}


@pytest.mark.parametrize("number", FAILURES)
def test_a_failure_that_a_handout_shows_is_seen(number):
    mutant, *tests = FAILURES[number]
    said = "".join(subprocess.run(
        ["make", "run", f"LAB={number}", f"TEST={test}", "OPTIONS=initramfs=off",
         f"PATCH=grader/mutants/{number:02}/{mutant}.patch"], cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout for test in tests)
    shown, = (block.text for page in ORIGINALS if page.lab == number for block in page.blocks
              if block.info == "text" and "not ok" in block.text)
    for line in shown.splitlines():
        found = re.search(as_pattern(line), said)
        assert found, f"no {line!r} in {said!r}"
        said = said[found.end():]


def test_a_script_in_a_page_has_a_test_of_its_own():
    tests = "".join(path.read_text() for path in (GRADER / "tests").glob("*/test_*.py"))
    for page in ORIGINALS:
        for block in page.blocks:
            if block.info.startswith("sh"):
                assert f'"{block.info.removeprefix("sh ")}"' in tests, page.name


def test_there_are_sessions_in_gdb_for_every_lab():
    assert {page.lab for _, page, block in BLOCKS
            for command in block.commands if command.steps} >= {each.number for each in LABS}


@pytest.mark.parametrize("page", ORIGINALS, ids=lambda page: page.name)
def test_what_is_said_of_gdb_is_in_a_session(page):
    """`hbreak kmain` in a sentence counts only if some session has it."""
    run = {step.line for _, _, block in BLOCKS for command in block.commands for step in command.steps}
    names = {line.split()[0] for line in run}
    for line in page.spans:
        if re.match(r"(hbreak|print|p|bt|backtrace|taken|cycle|slab|reverse-\w+|x/\w+|finish)\b(?!\.)[^A-Z(]*$", line):
            assert line in run or (" " not in line and line in names), f"{page.name}: `{line}`"


def test_the_hints_for_lab_0():
    """They are for a kernel that is up."""
    hints = re.findall(r"# Hint: \(gdb\) (.*)", (LABS[0].path / "answers.toml").read_text())
    assert len(hints) >= 7
    prompt = PROMPTS["(gdb)"]
    terminal = Terminal("make", "debug", "LAB=0", **WINDOW)
    terminal.expect(prompt)
    terminal.type("continue\r")
    terminal.expect("ouroboros> ")
    terminal.type("\x03")
    terminal.expect(prompt)
    for hint in hints:
        terminal.type(hint + "\r")
        terminal.expect(r"\n")
        terminal.expect(prompt)
        assert not WRONG.search(terminal.before), f"{hint}: {terminal.before}"
        assert hint.startswith(("bootinfo", "info registers", "x/")) or " = " in terminal.before, terminal.before
    terminal.type("quit\r")
    assert terminal.status() == 0
