"""What a backtrace names is found where it is defined, by a search for its name."""
import re
import subprocess

from graphs import make
from conftest import ROOT


def is_defined(name, lines):
    """Does a line begin a function of that name? KTEST() alone pastes names; ktest.h says how."""
    starts = re.compile(rf'[^\s#/*].*\b{name}\)?\(.*[^;]|{name}:.*|.*"{name}:.*')
    test = re.compile("KTEST\\(" + name.removeprefix("ktest_").replace("_", "(?:_|, )") + "\\)")
    return any(starts.fullmatch(line) or name.startswith("ktest_") and test.match(line) for line in lines)


def test_every_function_is_defined_under_its_name():
    make("elf", "LAB=4")
    listed = subprocess.run(["nm", ROOT / "build/stage-4/kernel.elf"], text=True, check=True,
                            stdout=subprocess.PIPE).stdout
    names = {name.partition(".")[0] for _, letter, name in (line.split() for line in listed.splitlines())
             if letter in "tT" and not re.fullmatch(r"(text|image|rodata)_(start|end)", name)}
    lines = [line for file in [*make("files", "LAB=4").split(), "boot/start.S", "kernel/entry.S"]
             for line in (ROOT / file).read_text().splitlines()]
    assert len(names) > 300
    assert [name for name in sorted(names) if not is_defined(name, lines)] == []
