"""One kernel on many machines: chipsets, CPUs, memory, firmware, and without each device it touches.

The machines are not all combinations but all pairs: whatever two things are chosen, some machine
has both. Each boots to the monitor, with little memory and with more than it uses, and ends as far
as it has what that takes. None has the debug exit.
"""
import asyncio
import itertools
import os
import re
from typing import NamedTuple

import pytest
from conftest import boot_image
from processes import DEADLINE

from machine import machine
from machine.ending import Cause
from machine.image import Image
from machine.machine import Machine
from machine.prompt import PROMPTS_BYTES
from machine.qemu import Config, memory_bytes


class Row(NamedTuple):
    """A machine. `without` is a device that it lacks, or "" for none."""
    chipset: str
    cpu: str
    mem: str
    nr_cpus: int
    without: str
    firmware: str = "bios"

    def __str__(self):
        return "-".join(map(str, self)).replace("--", "-all-")


FACTORS = (
    ("pc", "q35"), ("qemu64", "max"), ("8M", "64M", "20G"), (1, 4),
    ("", "serial", "pit", "i8042", "watchdog", "pvpanic"),
)


def pairs(row):
    """All pairs of what a row chooses, by the number of the factor."""
    return set(itertools.combinations(enumerate(row), 2))


def all_pairs():
    """Rows, one after the other the one with most pairs that no row before it has."""
    rows = list(itertools.product(*FACTORS))
    left = set().union(*map(pairs, rows))
    while left:
        row = max(rows, key=lambda row: len(pairs(row) & left))
        left -= pairs(row)
        yield Row(*row)


# 6 MiB is the least with BIOS for this stage. UEFI takes seconds to start, and more memory: two machines only.
MACHINES = [*all_pairs(), Row("pc", "qemu64", "6M", 1, ""),
            Row("pc", "qemu64", "128M", 1, "i8042", "uefi"), Row("q35", "max", "20G", 4, "", "uefi")]

# What is typed in the end, and how the machine must end then.
ENDS = {
    "": ("hang", Cause.LOCKUP), "pit": ("reboot", Cause.REBOOT), "i8042": ("reboot", Cause.REBOOT),
    "watchdog": ("panic", Cause.PANIC), "pvpanic": ("panic", Cause.DEAD_HALT),
}

# What the kernel must say of what is missing.
SAID = {"serial": "console: there is no serial port", "pit": "clock: "}


def command_of(row, usual):
    """QEMU's command line for a row, made of the usual one."""
    command = list(usual)
    off = f",{row.without}=off" if row.without in ("pit", "i8042") else ""
    command[command.index("-machine") + 1] = row.chipset + off
    if device := {"watchdog": "ib700", "pvpanic": "pvpanic"}.get(row.without):
        at = command.index(device)
        del command[at - 1:at + 1]
    if row.without == "serial":
        command += ["-serial", "none"]          # the console is then COM2
    return [*command, "-cpu", row.cpu, "-smp", str(row.nr_cpus)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Stage 4, for BIOS and for UEFI."""
    return {firmware: boot_image(tmp_path_factory.mktemp(firmware), 4, "log=info",
                                 f"FIRMWARE={firmware}") for firmware in ("bios", "uefi")}


async def until_prompted(guest, image):
    """Waits for the monitor's first prompt, by its own count."""
    async with asyncio.timeout(DEADLINE):
        while not any(await guest.read_memory(image.physical("monitor_prompts"), PROMPTS_BYTES)):
            await asyncio.sleep(0.1)


async def boot(row, image, elf):
    """How the machine ends, and what it shows: on its console, or on its screen where it has none."""
    async with Machine(Config(image, mem=row.mem, firmware=row.firmware)) as guest:
        if row.without == "serial":
            await until_prompted(guest, elf)
            return None, "\n".join(await guest.screen())
        ending = await guest.wait()
        assert ending.cause is Cause.PROMPT, guest.console
        for line in ("frames", "heap", ENDS[row.without][0]):
            guest.type_line(line)
            ending = await guest.wait()
        return ending.cause, guest.console


@pytest.mark.parametrize("row", MACHINES, ids=str)
def test_the_kernel_boots_and_ends_on_every_machine(row, images, monkeypatch):
    if memory_bytes(row.mem) > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        pytest.skip(f"this host does not promise {row.mem} to a process")
    usual = machine.base_command
    monkeypatch.setattr(machine, "base_command",
                        lambda *words, **named: command_of(row, usual(*words, **named)))
    image, elf = images[row.firmware]
    cause, shown = asyncio.run(boot(row, image, Image(elf)))
    assert "Ouroboros, a kernel that eats its own tail" in shown and SAID.get(row.without, "") in shown
    if row.without != "serial":
        assert cause is ENDS[row.without][1], shown
        assert re.search(r"\d+ frames, [1-9]\d* free", shown)
        assert re.search(r"\d+ objects of \d+ bytes", shown)
