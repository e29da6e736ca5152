"""Machine with real machines: every way to end, and that no QEMU ever stays behind."""
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import GRADER, ROOT
from processes import DEADLINE, qemus_of, until
from trees import patch_for

from course import lab
from judging.findings import dissect
from judging.observe import observe
from machine import ending as endings
from machine import machine
from machine.abi import Outcome
from machine.ending import Cause, CpuException
from machine.host import MachineError
from machine.image import Image, Memory
from machine.machine import Machine
from machine.prompt import PROMPT
from machine.qemu import Config


async def boot(config, *lines, **how):
    """Boots to the prompt and types lines. Return: the ending and the console."""
    async with Machine(config, **how) as guest:
        ending = await guest.wait()
        for line in lines:
            assert ending.cause is Cause.PROMPT
            guest.type_line(line)
            ending = await guest.wait()
        return ending, guest.console


@pytest.mark.parametrize("line, cause", [
    ("help", Cause.PROMPT), ("reboot", Cause.REBOOT), ("panic", Cause.PANIC),
    ("hang", Cause.LOCKUP),
])
def test_how_machines_end(iso, line, cause):
    image, _ = iso(0)
    ending, console = asyncio.run(boot(Config(image), line))
    assert ending.cause is cause
    assert console.startswith("\nOuroboros")


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_when_the_tests_are_over_their_results_are_in_memory(iso, firmware):
    async def look():
        async with Machine(Config(image, mem="128M", firmware=firmware)) as guest:
            ending = await guest.wait()
            return ending, await Memory.of(guest, Image(elf))

    image, elf = iso(0, "log=info ktest=string.*", f"FIRMWARE={firmware}")
    ending, memory = asyncio.run(look())
    assert ending.cause is Cause.REBOOT
    assert Outcome(memory.number("ktests_outcome")) is Outcome.PASSED
    tests = [name for name in Image(elf).ktests if name.startswith("string_")]
    assert tests and {Outcome(memory.number(f"ktest_outcome_{name}")) for name in tests} == \
        {Outcome.PASSED}
    assert memory.number("ktest_outcome_paging_the_image_is_mapped_by_section") == 0


def patched(tmp_path, code):
    """A patch that runs `code` at the start of frame_init() of lab 1."""
    name = "labs/01-frames/frame.c"
    frame = (ROOT / name).read_text()
    changed = frame.replace("void frame_init(void)\n{\n", f"void frame_init(void)\n{{\n{code}\n")
    assert changed != frame
    patch = tmp_path / "frame.patch"
    patch.write_text(patch_for(name, changed))
    return f"PATCH={patch}"


def test_a_guest_that_powers_off_leaves_its_memory(iso, tmp_path):
    async def look():
        async with Machine(Config(image)) as guest:
            ending = await guest.wait()
            return ending, await dissect(guest, elf)

    # ACPI's PM1a control register, where SeaBIOS puts it: sleep, as deep as can be
    image, elf = iso(1, "log=info", patched(
        tmp_path, '__asm__ volatile("outw %w0, %w1; 1: jmp 1b" : : "a"(0x2000), "d"(0x604));'))
    ending, autopsy = asyncio.run(look())
    assert ending.cause is Cause.OFF
    assert autopsy.functions[-1] == "frame_init"


def test_the_debug_exit_of_make_run_does_nothing_here(iso, tmp_path):
    image, _ = iso(1, "log=info", patched(
        tmp_path, '__asm__ volatile("outb %b0, %w1" : : "a"(0x10), "d"(0xf4));'))
    ending, _ = asyncio.run(boot(Config(image)))
    assert ending.cause is Cause.PROMPT


@pytest.mark.parametrize("code, exception", [
    ("lidt %0; int3", CpuException(3)), ("lidt %0; xorl %%eax, %%eax; movb %%al, 0x1234",
                                          CpuException(14, 0x1234)),
    ("lidt %0; ud2", CpuException(6)),
])
def test_a_triple_fault_is_known_by_its_first_exception(iso, tmp_path, code, exception):
    statement = ("static const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) "
                 f'none; __asm__ volatile("{code}" : : "m"(none) : "rax");')
    image, elf = iso(1, "log=info", patched(tmp_path, statement))
    ending, _ = asyncio.run(boot(Config(image), logs_exceptions=True))
    assert (ending.cause, ending.exception) == (Cause.TRIPLE_FAULT, exception)
    to_the_prompt = lab.Boot((lab.Test("boot.prompt", 1, "", expect="monitor"),))
    record = asyncio.run(observe(Config(image), Image(elf), to_the_prompt, []))
    assert (record.ending, record.autopsy is None) == (ending, False)


def test_a_flood_of_exceptions_is_kept_in_bounds(iso, tmp_path):
    async def look():
        async with Machine(Config(image), logs_exceptions=True) as guest:
            return await guest.wait(), len(guest._log), sum(
                file.stat().st_size for file in guest.private.iterdir())

    # interrupt vector 47 is a spurious IRQ 15, which the kernel ignores
    image, _ = iso(1, "log=info", patched(tmp_path, '__asm__ volatile("1: int $47; jmp 1b");'))
    ending, log_bytes, disk_bytes = asyncio.run(look())
    assert ending.cause is Cause.LOCKUP
    assert log_bytes <= machine.LOG_BYTES and disk_bytes < 1 << 20


def test_an_image_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(endings, "IDLE_LIMIT", 4)
    (tmp_path / "no.iso").write_bytes(b"not an image")
    ending, console = asyncio.run(boot(Config(tmp_path / "no.iso")))
    assert (ending.cause, console) == (Cause.SILENCE, "")


@pytest.mark.parametrize("missing, complaint", [
    ("ouroboros.elf", "error: file `/boot/ouroboros.elf' not found."),
    ("initramfs.cpio", "error: file `/boot/initramfs.cpio' not found."),
    ("grub/grub.cfg", "grub>"),
    ("grub/i386-pc/normal.mod", "error: file `/boot/grub/i386-pc/normal.mod' not found."),
])
def test_an_image_that_lacks_a_file_ends_at_once_with_grubs_complaint(iso, tmp_path, missing, complaint):
    whole, _ = iso(0)
    subprocess.run(["xorriso", "-indev", whole, "-outdev", tmp_path / "less.iso", "-boot_image", "any",
                    "replay", "-rm", f"/boot/{missing}", "--"], check=True, capture_output=True)
    ending, _ = asyncio.run(boot(Config(tmp_path / "less.iso")))
    assert ending.cause is Cause.NOT_LOADED and ending.detail.endswith(complaint)


def test_an_archive_that_does_not_fit_ends_at_once_with_grubs_complaint(iso, tmp_path):
    (tmp_path / "large.cpio").write_bytes(bytes(8 << 20))
    image, _ = iso(0, "log=info", f"INITRAMFS={tmp_path}/large.cpio")
    ending, console = asyncio.run(boot(Config(image, mem="10M")))
    assert (ending.cause, ending.detail) == (Cause.NOT_LOADED, "error: out of memory.")
    assert console.splitlines()[-1] == "GRUB did not start the kernel."


def test_an_image_that_is_not_there(tmp_path):
    with pytest.raises(MachineError, match="No such file"):
        asyncio.run(boot(Config(tmp_path / "missing.iso")))


def test_gdb_finds_the_frames_behind_the_interrupt(iso):
    async def look():
        async with Machine(Config(image)) as guest:
            await guest.wait()
            guest.type_line("hang")
            await guest.wait()
            kind = await guest.read_memory(Image(elf).physical("panic_record"), 4)
            return kind, await dissect(guest, elf, ["bootinfo.nr_modules", "no_such_thing"])

    image, elf = iso(0)
    kind, autopsy = asyncio.run(look())
    assert int.from_bytes(kind, "little") == 5              # PANIC_LOCKUP
    assert autopsy.functions[:4] == ["start_high", "kmain", "monitor_run", "execute"]
    assert "hang" in autopsy.functions and "trap_dispatch" not in autopsy.functions
    assert autopsy.deadlock is None
    assert autopsy.values == {"bootinfo.nr_modules": 1, "no_such_thing": None}
    assert 60 << 20 < autopsy.available_bytes < 64 << 20


ODD_NAMES = ["x" * 120, "a,b", "a:b", "a b", "a'b", 'a"b', "目录", "a\\b", "-x", os.fsdecode(b"\xff")]


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_a_directory_of_any_name_will_do(name, iso, tmp_path, monkeypatch):
    async def look():
        async with Machine(Config(image)) as guest:
            assert (await guest.wait()).cause is Cause.PROMPT
            return await dissect(guest, elf), await guest.read_memory(0x100000, 4)

    image, elf = iso(0)
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    autopsy, _ = asyncio.run(look())
    assert "kmain" in autopsy.functions and autopsy.available_bytes


def test_a_gdb_that_is_attached_to_nothing_is_no_evidence(iso, monkeypatch):
    async def look():
        async with Machine(Config(image)) as guest:
            await guest.wait()
            monkeypatch.setattr(guest, "listen_for_gdb", lambda: asyncio.sleep(0, Path("/no/socket")))
            await dissect(guest, elf)

    image, elf = iso(0)
    with pytest.raises(MachineError, match="GDB is attached to no machine"):
        asyncio.run(look())


def test_a_command_that_qemu_refuses_is_our_fault(iso, monkeypatch):
    async def ask(what):
        async with Machine(Config(image)) as guest:
            async def refuse(command):
                return "device busy"

            await guest.wait()
            monkeypatch.setattr(guest, "hmp", refuse)
            await getattr(guest, what)()

    image, _ = iso(0)
    for what in ("listen_for_gdb", "registers"):
        with pytest.raises(MachineError, match="device busy"):
            asyncio.run(ask(what))


def test_two_machines_at_once(iso):
    async def both():
        return await asyncio.gather(boot(Config(image), "hang"), boot(Config(image), "panic"))

    image, _ = iso(0)
    first, second = asyncio.run(both())
    assert (first[0].cause, second[0].cause) == (Cause.LOCKUP, Cause.PANIC)


def test_a_machine_that_is_left_is_ended(iso):
    async def leave():
        async with Machine(Config(image)) as guest:
            directory = guest.private
            raise KeyError(guest.pid, directory)

    image, _ = iso(0)
    with pytest.raises(KeyError) as caught:
        asyncio.run(leave())
    pid, directory = caught.value.args
    assert not os.path.exists(f"/proc/{pid}") and not directory.exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_qemu_outlives_the_grader(tmp_path, how):
    grader = subprocess.Popen([sys.executable, str(GRADER / "grade.py"), "3"], cwd=ROOT,
                              env={**os.environ, "TMPDIR": str(tmp_path)},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: qemus_of(tmp_path))
    grader.send_signal(how)
    assert grader.wait(DEADLINE) == (-how if how is signal.SIGKILL else 3)
    until(lambda: not qemus_of(tmp_path))


@pytest.mark.parametrize("looked_at", [True, False])
def test_lines_that_were_typed_ahead_do_not_bring_the_watchdog(iso, looked_at):
    async def type_ahead():
        async with Machine(Config(image), prompts_at) as machine:
            await machine.wait()
            for _ in range(12):
                machine.type_line("ls usr/share/factor")
            return await machine.wait(), machine.console

    image, elf = iso(4)
    prompts_at = Image(elf).physical("monitor_prompts") if looked_at else None
    ending, console = asyncio.run(type_ahead())
    assert ending.cause is Cause.PROMPT and console.count("0001\n") == 12
    assert console.count(PROMPT) == 13


def test_what_is_typed_while_a_command_runs_is_carried_out_whole(iso):
    """2,000 bytes, of which the serial port has room for 16: the sender keeps the others."""
    async def paste():
        async with Machine(Config(image)) as machine:
            await machine.wait()
            for line in ["fill", *lines]:
                machine.type_line(line)
            return (await machine.wait()).cause, machine.console

    lines = [f"number-{number:012}" for number in range(100)]
    image, _ = iso(4)
    cause, console = asyncio.run(paste())
    assert cause is Cause.PROMPT
    assert re.findall(r'^no command "(.*)"; try help$', console, re.M) == lines
