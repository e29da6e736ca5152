"""Every line for GDB in a handout, run as written, on the machine that it is written for."""
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ROOT
from processes import Terminal

PROMPT = r"(?:^|\n)\(gdb\) $"
WRONG = re.compile(r"Undefined command|No symbol|No function|not defined|Cannot (?:access|insert)|"
                   r"Junk|Invalid|syntax error|[Ee]rror: |^Error|Traceback|Exception|\w+: .*not known",
                   re.MULTILINE)
WINDOW = {"LINES": "60", "COLUMNS": "250"}      # in which nothing waits for "--Type <RET>"
PAGES = sorted([ROOT / "README.md", *ROOT.glob("labs/*/README.md"), *ROOT.glob("docs/**/*.md")])


@dataclass
class Step:
    """What is typed at GDB's prompt, what must be seen then, and whether Ctrl-C ends it."""
    line: str
    seen: list[str] = field(default_factory=list)
    interrupted: bool = False


@dataclass
class Session:
    page: Path
    command: str
    greeting: list[str]
    steps: list[Step]


def sessions_of(page):
    """The blocks of a page that begin with "$ make …" and have lines for GDB."""
    for block in re.findall(r"^ *```\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE):
        lines = [line.strip("\n") for line in block.splitlines()]
        if not any(line.startswith("(gdb)") for line in lines):
            continue
        assert lines[0].startswith("$ make "), f"{page}: {lines[0]}"
        session = Session(page, lines[0].removeprefix("$ "), [], [])
        for line in lines[1:]:
            if line.startswith("(gdb) "):
                session.steps.append(Step(line.removeprefix("(gdb) ")))
            elif line == "^C":
                session.steps[-1].interrupted = True
            else:
                (session.steps[-1].seen if session.steps else session.greeting).append(line)
        yield session


def as_pattern(line):
    """A line of a handout as a regular expression: … stands for anything, blanks for blanks."""
    return r"\s+".join(".*?".join(map(re.escape, word.split("…"))) for word in line.split())


def expect_all(terminal, patterns):
    """Waits for one after the other. Return: all that came meanwhile."""
    return "".join(f"{terminal.expect(pattern)[0]}{terminal.before}" for pattern in patterns)


SESSIONS = [session for page in PAGES for session in sessions_of(page)]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: f"{session.page.parent.name}/"
                         f"{session.page.name}: {session.command}")
def test_a_session_goes_as_written(session, tmp_path):
    terminal = Terminal("sh", "-c", f"exec {session.command} ISO={tmp_path}/x.iso",
                        **WINDOW)
    expect_all(terminal, [*map(as_pattern, session.greeting), PROMPT])
    for step in session.steps:
        terminal.type(step.line + "\r")
        if step.line == "quit":
            break
        said = expect_all(terminal, [r"\n", *map(as_pattern, step.seen)])   # behind the echo
        if step.interrupted:
            terminal.type("\x03")
        said += expect_all(terminal, [PROMPT])
        assert not WRONG.search(said), f"{step.line}: {said}"
    assert terminal.status() == 0


def test_there_are_sessions_for_every_lab():
    assert {page.parent.name for page in PAGES if page.parent.parent.name == "labs"} - {
        "04-static-log"} <= {session.page.parent.name for session in SESSIONS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_what_is_said_of_gdb_is_in_a_session(page):
    """`hbreak kmain` in a sentence counts only if some session of a handout has it."""
    run = {step.line for session in SESSIONS for step in session.steps}
    names = {line.split()[0] for line in run}
    said = re.findall(r"`((?:hbreak|print|p|bt|backtrace|taken|cycle|slab|reverse-\w+|x/\w+|finish)"
                      r"(?: [^`A-Z]+)?)`", page.read_text())
    for line in said:
        assert line in run or (" " not in line and line in names), f"{page.name}: `{line}`"


def test_the_hints_for_lab_0():
    """They are for a kernel that is up."""
    hints = re.findall(r"# Hint: \(gdb\) (.*)", (ROOT / "labs/00-boot/answers.toml").read_text())
    assert len(hints) >= 7
    terminal = Terminal("make", "debug", "LAB=0", **WINDOW)
    terminal.expect(PROMPT)
    terminal.type("continue\r")
    terminal.expect("ouroboros> ")
    terminal.type("\x03")
    terminal.expect(PROMPT)
    for hint in hints:
        terminal.type(hint + "\r")
        terminal.expect(r"\n")
        terminal.expect(PROMPT)
        assert not WRONG.search(terminal.before), f"{hint}: {terminal.before}"
        assert hint.startswith("bootinfo") or " = " in terminal.before, terminal.before
    terminal.type("quit\r")
    assert terminal.status() == 0
