"""A kernel that QEMU starts without GRUB finds itself as after GRUB."""
import asyncio
import re

import pytest
from conftest import ROOT

from machine import direct, qemu
from machine.ending import Cause
from machine.machine import Machine
from machine.qemu import Config, memory_bytes

WORDS = "log=info ktest=format.*,heap.kzalloc,initramfs.* seed=7"


def console(config):
    """How a boot ends, and what it says but for times, and the KiB in which GRUB leaves a module."""
    async def boot():
        async with Machine(config) as machine:
            ending = await machine.wait()
            return ending.cause, re.sub(r"\[ *\d+ +\d+\.\d+\]|memory: \d+", "…", machine.console)
    return asyncio.run(boot())


@pytest.mark.parametrize("mem", ["64M", "3G", "3500M", "6G"])
def test_it_says_the_same_and_ends_the_same(mem, iso, tmp_path):
    image, elf = iso(2, WORDS)
    file = tmp_path / "direct"
    file.write_bytes(direct.make(elf, WORDS, memory_bytes(mem), (ROOT / "build/initramfs.cpio").read_bytes()))
    by_grub, by_qemu = console(Config(image, mem=mem)), console(Config(file, mem=mem, is_direct=True))
    assert by_qemu == by_grub and by_qemu[0] is not Cause.NOT_LOADED
    assert "ok 1 " in by_qemu[1] and "not ok" not in by_qemu[1]


@pytest.mark.parametrize("firmware", [qemu.QBOOT, "/nonexistent"])
@pytest.mark.parametrize("line, cause, said", [
    ("help", Cause.PROMPT, "reboot"), ("hang", Cause.LOCKUP, "LOCKUP: cpu0"), ("panic", Cause.PANIC, "PANIC: "),
])
def test_interrupts_and_nmis_reach_it_with_either_firmware(line, cause, said, firmware, iso, tmp_path, monkeypatch):
    """What is typed comes by an interrupt, the watchdog's bite by an NMI."""
    async def type_it():
        async with Machine(Config(file, is_direct=True)) as machine:
            return (await machine.run([line])).cause, machine.console

    monkeypatch.setattr(qemu, "QBOOT", firmware)
    _, elf = iso(2)
    file = tmp_path / "direct"
    file.write_bytes(direct.make(elf, "initramfs=off", 64 << 20))
    ending, everything = asyncio.run(type_it())
    assert ending is cause and said in everything


def test_a_kernel_that_does_not_fit_is_left_to_grub(iso):
    _, elf = iso(2)
    assert direct.fits(elf, 16 << 20) and not direct.fits(elf, 2 << 20)
