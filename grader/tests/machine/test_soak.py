"""A soak: thousands of random commands at one monitor, and then the memory is as it was."""
import asyncio
import os
import random
import re

from machine.ending import Cause
from machine.image import Image
from machine.machine import Machine
from machine.qemu import Config

NR_COMMANDS = 5000
UNREAD_BYTES = 4096         # typed ahead at most: a pipe has room for as many

KEPT_PAGES = 64             # of empty slabs: a size class may keep one (kernel/heap.h)

# Commands that no prompt follows.
LAST = {"panic", "hang", "reboot"}

# Arguments by what the monitor's help calls them. Those that cost much come seldom.
NAMES = ["etc/motd", "etc/hostname", "usr/share/factor/0360", "usr/share/doc/lesson.txt"]
ARGUMENTS = {
    "": lambda draw: draw.choice([""] * 9 + ["no", "argument is taken"]),
    "LEVEL": lambda draw: draw.choice(["error", "warn", "info", "debug", "loud", "", "info x"]),
    "[DIR]": lambda draw: draw.choice(["", "etc", "usr", "usr/share/", "etc/motd", "no", "/etc", "..", "//"]),
    "[FILE]": lambda draw: draw.choice([""] * 9 + ["log"]),
    "FILE TEXT": lambda draw: f"{draw.choice(NAMES)} some text",
    "FILE NAME": lambda draw: f"{draw.choice(NAMES)} {draw.choice(NAMES)}",
    "NAME LINES": lambda draw: draw.choice(["", "look", "look ls; heap", "heap ls"]),
    "K": lambda draw: draw.choice(["", "0", "-1", "x"]),    # a plan would outlive the soak
    "FILE": lambda draw: draw.choice([*NAMES, "etc", "", "/etc/motd", "no", "etc/motd/", "x" * 120]),
    "BYTES": lambda draw: draw.choice([
        f"{draw.randint(0, 4096)}", f"{draw.randint(0, 1 << 21)}", hex(1 << draw.randint(0, 63)),
        draw.choice(["0", "1K", "1M", "4G", "-1", "", "x", "16 16", "99999999999999999999"])]),
}
ODD = ["", "   ", "no-such-command", "heap\b\b\b\bframes", "hang\x15heap", "\x1b[Aheap", "  mem  ",
       "x" * 130, "\x01\x7f\x7f"]
SELDOM = {"fill": 8, "ls usr/share/factor": 3, "dmesg": 10, "help": 20}


def commands_in(text):
    """The commands that help lists, each with what it takes."""
    found = re.findall(r"^  (\w+) +((?:\[?[A-Z]+\]?(?: [A-Z]+)?)?) +\S.*$", text, re.MULTILINE)
    return {name: usage for name, usage in found if name not in LAST}


def draw_lines(draw, commands):
    """Random lines: each command that is listed, with what it takes or with something else."""
    often = {name: usage for name, usage in commands.items() if name not in SELDOM}
    lines = [line for line, nr in SELDOM.items() for _ in range(nr)]
    while len(lines) < NR_COMMANDS:
        name, usage = draw.choice(list(often.items()))
        lines.append(draw.choice(ODD) if draw.random() < 0.05 else f"{name} {ARGUMENTS[usage](draw)}")
    draw.shuffle(lines)
    return lines


async def type_ahead(guest, lines):
    """Types lines without waiting for each one's prompt. Return: the ending."""
    nr_bytes = 0
    for line in lines:
        if nr_bytes + len(line) >= UNREAD_BYTES:
            ending = await guest.wait()
            if ending.cause is not Cause.PROMPT:
                return ending
            nr_bytes = 0
        guest.type_line(line)
        nr_bytes += len(line) + 1
    return await guest.wait()


async def ask(guest, line):
    """What the monitor answers to one line."""
    nr_before = len(guest.console)
    guest.type_line(line)
    assert (await guest.wait()).cause is Cause.PROMPT, guest.console[nr_before:]
    return guest.console[nr_before:]


async def memory_of(guest):
    """
    Objects, their bytes, the heap's free pages, its pages and the frames that are left, once everything
    is given back that can be; both are checked. Before that the heap gets all the memory there is.
    """
    await ask(guest, "fill")
    await ask(guest, "free")
    heap = re.search(r"(\d+) objects of (\d+) bytes live; (\d+) pages, (\d+) free",
                     await ask(guest, "heap"))
    nr_objects, live_bytes, nr_pages, nr_free = map(int, heap.groups())
    return nr_free, (nr_objects, live_bytes, nr_pages, await ask(guest, "frames"))


async def soak(config, prompts_at, draw):
    async with Machine(config, prompts_at) as guest:
        assert (await guest.wait()).cause is Cause.PROMPT
        commands = commands_in(await ask(guest, "help"))
        before = await memory_of(guest)
        ending = await type_ahead(guest, draw_lines(draw, commands))
        assert ending.cause is Cause.PROMPT, guest.console[-2000:]
        return commands, before, await memory_of(guest), guest.console


def test_random_commands_leave_the_memory_as_it_was(iso):
    seed = os.environ.get("SOAK_SEED") or str(random.randrange(1 << 32))
    print(f"once more: SOAK_SEED={seed}")           # shown if the test fails
    image, elf = iso(4)
    commands, before, after, console = asyncio.run(
        soak(Config(image, mem="16M"), Image(elf).physical("monitor_prompts"), random.Random(seed)))
    assert {"heap", "frames", "ls", "cat", "alloc", "fill", "free"} <= commands.keys()
    assert console.count("\nouroboros> ") > NR_COMMANDS
    assert before[1] == after[1]
    assert abs(before[0] - after[0]) <= KEPT_PAGES
