"""Machines that stand still, and GDBs that look at them: fixtures for the tests of commands."""
import asyncio
import hashlib
import os
import re
import subprocess

import counting
import pytest
from conftest import GRADER, ROOT, boot_image
from processes import DEADLINE, until

from machine.ending import Cause
from machine.machine import Machine
from machine.qemu import Config

SCRIPT = GRADER / "debugger/ouroboros.py"
COMMANDS = ("cycle", "locks", "frames", "heap", "slab initramfs.slots", "dmesg", "dentries",
            "store", "bootinfo")
MAX_STEPS = 1_000_000   # lines of Python that one command may carry out
COLUMNS = 100
POISON = "0x6b6b6b6b6b6b6b6b"


def run_gdb(*words, charset="C.UTF-8"):
    """What GDB says to some commands."""
    done = subprocess.run(
        ["gdb", "-nx", "-nh", "-q", "-batch", "-iex", "set auto-load off", *map(str, words)],
        cwd=ROOT, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=DEADLINE,
        env={**os.environ, "LC_ALL": charset}, check=False)
    output = done.stdout + done.stderr
    for failure in ("Traceback", "Python Exception", "Error occurred in Python", "not those known"):
        assert failure not in output, output
    return output


class Guest:
    """A machine that stands still, and GDBs that look at it one after the other."""

    def __init__(self, image, elf, socket):
        self.image, self.elf, self.socket = image, elf, socket

    def gdb(self, *commands, elf=None, charset="C.UTF-8"):
        """What the commands print, each command's text on its own."""
        words = ["-ex", f"source {SCRIPT}", "-ex", f"target remote {self.socket}",
                 "-ex", f"source {counting.__file__}", "-ex", f"python steps = Steps({MAX_STEPS})"]
        for number, command in enumerate(commands):
            words += ["-ex", f"echo \\n@{number}@\\n", "-ex", "python steps.__enter__()", "-ex", command,
                      "-ex", "python steps.__exit__(); steps.nr = 0"]
        output = run_gdb(elf or self.elf, *words, "-ex", "echo \\n@end@\\n", "-ex", "disconnect",
                         charset=charset)
        parts = re.split(r"\n@(?:\d+|end)@\n", output)
        assert len(parts) == len(commands) + 2, output
        return parts[1:-1]

    def damaged(self, places, *commands):
        """The same with values written to memory before, and put back after."""
        before = [words for number, (place, value) in enumerate(places.items())
                  for words in (f"set $kept{number} = {place}", f"set {place} = {value}")]
        after = [f"set {place} = $kept{number}" for number, place in reversed(
            list(enumerate(places)))]
        texts = self.gdb(*before, *commands, *after)
        sets = texts[:len(before)] + texts[len(before) + len(commands):]
        assert not any(sets), sets
        return texts[len(before):len(before) + len(commands)]


@pytest.fixture(scope="module")
def boot(tmp_path_factory):
    """A function that boots a stage once for all tests, and returns its Guest."""
    loop = asyncio.new_event_loop()
    machines, guests = [], {}

    def start(lab, cause=Cause.PROMPT, mem="64M", words=(), line=""):
        key = (lab, mem, words)
        if key not in guests:
            image, elf = boot_image(tmp_path_factory.mktemp("iso"), lab, "log=debug", *words)
            machine = loop.run_until_complete(Machine(Config(image, mem=mem)).__aenter__())
            machines.append(machine)
            ending = loop.run_until_complete(machine.wait())
            if line:
                machine.type_line(line)
                ending = loop.run_until_complete(machine.wait())
            assert ending.cause is cause
            socket = loop.run_until_complete(machine.listen_for_gdb())
            guests[key] = Guest(image, elf, socket)
            guests[key].memory = lambda: hashlib.sha256(loop.run_until_complete(
                machine.read_memory(0, 64 << 20))).hexdigest()
        return guests[key]

    yield start
    for machine in machines:
        loop.run_until_complete(machine.__aexit__())
    loop.close()


@pytest.fixture(scope="module")
def hung(boot):
    """Lab 3 in its deadlock."""
    return boot(3, Cause.LOCKUP)


@pytest.fixture(scope="module")
def cured(boot):
    """Lab 4 at its prompt."""
    return boot(4)


@pytest.fixture
def reset(tmp_path_factory, cured):
    """Lab 4's machine at its first instruction."""
    socket = tmp_path_factory.mktemp("gdb") / "gdb"
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-m", "64M", "-nodefaults",
         "-display", "none", "-S", "-cdrom", str(cured.image), "-serial", "null",
         "-gdb", f"unix:{socket},server=on,wait=off"], stdin=subprocess.DEVNULL)
    until(lambda: socket.exists() or qemu.poll() is not None)
    assert qemu.poll() is None
    yield Guest(cured.image, cured.elf, socket)
    qemu.kill()
    qemu.wait()
