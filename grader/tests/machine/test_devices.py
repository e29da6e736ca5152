"""The kernel on machines that lack a device, have another in its place, or raise an NMI."""
import asyncio
import re
import subprocess

import pytest
from conftest import ROOT
from elftools.elf.elffile import ELFFile
from guests import run_gdb
from processes import DEADLINE
from trees import patch_for

from judging.observe import _read_panic
from machine import machine
from machine.abi import PanicKind
from machine.ending import Cause
from machine.image import Image
from machine.machine import Machine
from machine.qemu import Config

RET = 0xc3                      # the instruction
NO_SERIAL_PORT = ("-global", "isa-serial.iobase=0x3e8")         # COM3 instead, which has IRQ 4 as well
TITLE = "Ouroboros, a kernel that eats its own tail"


@pytest.fixture
def equipped(monkeypatch):
    """A function that has machines made with more of QEMU's flags."""
    def equip(*flags):
        made = machine.base_command
        monkeypatch.setattr(machine, "base_command", lambda *a, **k: [*made(*a, **k), *flags])
    return equip


def ended(image, *lines, prompts_at=None):
    """How a machine ends at which these lines are typed, and what it wrote."""
    async def run():
        async with Machine(Config(image), prompts_at) as guest:
            return (await guest.run(lines)).cause, guest.console
    return asyncio.run(run())


@pytest.mark.parametrize("flags, cause", [
    (["-machine", "i8042=off"], Cause.REBOOT),                  # through port 0xcf9
    (["-machine", "isapc,i8042=off", "-cpu", "qemu64"], Cause.TRIPLE_FAULT),
])
def test_a_reset_needs_no_keyboard_controller(iso, equipped, flags, cause):
    equipped(*flags)
    assert ended(iso(0)[0], "reboot")[0] is cause


def test_a_timer_that_is_not_there_costs_a_message(iso, equipped):
    equipped("-machine", "pit=off")
    cause, console = ended(iso(4)[0], "hang")
    assert re.search(r"^clock: \d+ kHz, says the timer, which cannot be; times are 0$", console, re.M)
    assert " 0.000] info  initramfs" in console
    assert cause is Cause.LOCKUP and "LOCKUP: cpu0 makes no progress" in console


def test_without_a_serial_port_the_screen_says_it_all(iso, equipped):
    async def look():
        async with Machine(Config(image)) as guest:
            return (await guest.wait()).cause, guest.console, await guest.screen()

    equipped(*NO_SERIAL_PORT)
    image, _ = iso(3, "log=debug")
    cause, console, screen = asyncio.run(look())
    assert (cause, console) == (Cause.LOCKUP, "")
    assert screen[0] == "LOCKUP: cpu0 makes no progress"
    assert screen[1].startswith("cpu0 waits for heap_lock in kmalloc (heap.c:")
    assert "-> heap_rescue -> log_debug ->" in "".join(screen)


async def shows(guest, line):
    """Waits until this is the last line on the screen."""
    async with asyncio.timeout(DEADLINE):
        while (await guest.screen())[-1:] != [line]:
            pass


def test_a_byte_for_another_port_on_that_interrupt_is_not_ours(iso, equipped):
    async def look():
        async with Machine(Config(image)) as guest:
            await shows(guest, "ouroboros>")
            await guest.hmp("o /b 0x3ec 0x0b")          # COM3: let the interrupt through,
            await guest.hmp("o /b 0x3e9 1")             # and raise it for a byte
            guest.type_line("x")
            async with asyncio.timeout(DEADLINE):
                while not (await guest.registers())["halted"] or \
                        "0x61" not in await guest.hmp("i /b 0x3ed"):    # it waits there, unread
                    pass
            return await guest.screen()

    equipped(*NO_SERIAL_PORT)
    image, _ = iso(0)
    screen = asyncio.run(look())
    assert screen[0] == TITLE and "console: there is no serial port, so nothing can be typed" in screen


def test_the_screen_has_the_banner_and_the_last_words(iso):
    async def look():
        async with Machine(Config(image)) as guest:
            await guest.wait()
            banner = await guest.screen()
            guest.type_line("panic the disk is on fire")
            await guest.wait()
            return banner, await guest.screen()

    image, _ = iso(0)
    banner, last_words = asyncio.run(look())
    assert banner == [TITLE]
    assert last_words[:2] == ["PANIC: the disk is on fire", "backtrace, innermost first:"]
    assert last_words[-1] == "The machine stays put for a debugger."


FRAME = "labs/01-frames/frame.c"
UNMAP = """
#include "cpu.h"

static void unmap(const void *page)
{
	uint64_t *table = phys_to_virt(read_cr3());

	for (int shift = 39; shift > PAGE_SHIFT; shift -= 9)
		table = phys_to_virt(table[(uint64_t)page >> shift & 511] & ~0xffful);
	table[(uint64_t)page >> PAGE_SHIFT & 511] = 0;
	write_cr3(read_cr3());
}
"""


@pytest.mark.parametrize("has_port", [True, False])
def test_a_screen_that_is_not_mapped_costs_the_screen_alone(iso, equipped, tmp_path, has_port):
    """The words are on the serial port; without one they are in the record, and the machine is told."""
    patch = tmp_path / "x.patch"
    before = (ROOT / FRAME).read_text()
    patch.write_text(patch_for(FRAME, before.replace("void frame_init(void)\n{\n", f"{UNMAP}\n"
        "void frame_init(void)\n{\nunmap(phys_to_virt(0xb8000)); *(volatile int *)16 = 1;\n")))
    image, elf = iso(1, "initramfs=off", f"PATCH={patch}")

    async def look():
        async with Machine(Config(image)) as machine:
            ending = await machine.wait()
            return ending.cause, machine.console, await _read_panic(machine, Image(elf))

    if not has_port:
        equipped(*NO_SERIAL_PORT)
    cause, console, record = asyncio.run(look())
    fault = r"page fault writing 0x10 \(not mapped\) in frame_init\+0x[0-9a-f]+"
    another = r"page fault writing 0xffff8000000b8000 \(not mapped\) in \w+\+0x[0-9a-f]+"
    assert record.kind is PanicKind.FAULT
    assert re.match(rf"{fault}; FAULT: {another}", record.message)
    assert cause is Cause.PANIC
    if has_port:
        assert re.search(rf"\nFAULT: {fault}\n\nFAULT, while reporting the above: {another}\nrip ", console)
        assert console.endswith("The machine stays put for a debugger.\n")


@pytest.mark.parametrize("port, words", [("0x443", "log=info"), ("0xf4", "ktest=clock.*")])
def test_a_port_that_answers_as_another_device_does_is_not_written(iso, equipped, port, words):
    async def look():
        async with Machine(Config(image)) as guest:
            return (await guest.wait()).cause, (guest.private / "other").read_bytes()

    equipped("-chardev", "file,id=other,path=other", "-device", f"isa-debugcon,iobase={port},chardev=other")
    image, _ = iso(0, words)
    cause, written = asyncio.run(look())
    assert written == b"" and cause is (Cause.PROMPT if port == "0x443" else Cause.REBOOT)


def test_on_a_real_board_there_is_no_watchdog(iso, equipped):
    async def look():
        async with Machine(Config(image)) as guest:
            await guest.wait()
            guest.type_line("hang")
            begin = await guest.virtual_seconds()
            while await guest.virtual_seconds() < begin + 5:
                pass
            return guest.console

    equipped("-cpu", "qemu64,-hypervisor")
    image, _ = iso(0)
    assert asyncio.run(look()).endswith("ouroboros> hang\n")


def at_instruction(image, elf, place, line, *commands):
    """
    What a machine wrote to which `line` was typed, how it ended, and what GDB said when it was at
    `place` and carried out the commands.
    """
    async def run():
        async with Machine(Config(image), Image(elf).physical("monitor_prompts")) as guest:
            assert (await guest.wait()).cause is Cause.PROMPT
            socket = await guest.listen_for_gdb()
            guest.type_line(line)
            said = await asyncio.to_thread(
                run_gdb, elf, "-ex", f"target remote {socket}", "-ex", f"hbreak {place}", "-ex",
                "continue", *(word for command in commands for word in ("-ex", command)),
                "-ex", "detach")
            return (await guest.wait()).cause, guest.console, said
    return asyncio.run(run())


def test_an_nmi_while_the_watchdog_is_off_is_no_lockup(iso):
    async def interrupt():
        async with Machine(Config(image)) as guest:
            await guest.wait()
            await guest.hmp("nmi")
            while "start_high" not in guest.console:
                await asyncio.sleep(0)
            guest.type_line("log loud")
            return (await guest.wait()).cause, guest.console

    image, _ = iso(0)
    cause, console = asyncio.run(interrupt())
    assert cause is Cause.PROMPT and "LOCKUP" not in console and 'no level "loud"' in console
    assert "NMI: from outside, for no reason that the board tells; interrupted, innermost first:\n" \
        "  0x" in console and " console_read+0x" in console


def test_an_nmi_leaves_a_record_in_lab_5(iso):
    async def interrupt():
        async with Machine(Config(image)) as guest:
            await guest.wait()
            await guest.qmp("inject-nmi")
            while "nmi: from outside" not in guest.console:
                await asyncio.sleep(0)
            guest.type_line("dmesg")
            return (await guest.wait()).cause, guest.console

    image, _ = iso(5)
    cause, console = asyncio.run(interrupt())
    record, again = re.findall(r"\[ +2 .*\] warn  nmi: from outside, .*; it has interrupted console_read\+0x\w+$",
                               console, re.M)
    assert cause is Cause.PROMPT and record == again


def test_a_machine_without_a_local_apic(iso, equipped):
    equipped("-cpu", "qemu64,-apic")
    console = ended(iso(5, "ktest=nmi.*,timer.*")[0])[1]
    assert "ok 1 nmi.comes_and_returns_with_all_registers # SKIP this machine has no local APIC" in console
    assert re.search(r"^ok \d timer.ticks_until_it_is_stopped$", console, re.M)


def test_a_machine_whose_firmware_has_no_tables(iso, equipped):
    equipped("-machine", "acpi=off")
    console = ended(iso(5, "ktest=nmi.*,acpi.*")[0])[1]
    assert "ok 1 acpi.finds_the_page\n" in console and "# SKIP one of them says nothing" in console
    assert re.search(r"^ok \d nmi.comes_and_returns_with_all_registers$", console, re.M)


def test_a_clock_that_is_slow_hides_no_lockup(iso):
    """As when the host has been busy during all of its measurements."""
    image, elf = iso(0)
    cause, console, _ = at_instruction(image, elf, "hang", "hang", "set var ticks_per_ms = 4 * ticks_per_ms",
                                       "set var petted_at_ms = petted_at_ms / 4")
    assert cause is Cause.LOCKUP and console.count("NMI: from outside") == 1
    assert console.index("NMI: from outside") < console.index("LOCKUP: cpu0 makes no progress")


def test_an_nmi_before_the_watchdogs_time_is_not_the_watchdogs(iso):
    image, elf = iso(0)
    cause, console, _ = at_instruction(image, elf, "hang", "hang", "monitor nmi")
    nmi, lockup = console.index("NMI: from outside"), console.index("LOCKUP: cpu0 makes no progress")
    assert cause is Cause.LOCKUP and nmi < lockup
    assert re.search(r"^  0x[0-9a-f]+ hang\+0", console[nmi:lockup], re.M)


@pytest.mark.parametrize("place", ["directory_find", "*(directory_find+1)"])
def test_a_backtrace_from_a_prologue_has_the_caller(iso, place):
    image, elf = iso(4)
    cause, console, _ = at_instruction(image, elf, place, "cat etc/hostname", "delete", "monitor nmi")
    assert cause is Cause.PROMPT
    assert re.search(r"innermost first:\n  \w+ directory_find\+\w+\n  \w+ files_cat\+", console)


def test_a_cpu_that_firmware_has_left_with_5_level_paging(iso, equipped):
    async def boot():
        async with Machine(Config(image)) as guest:
            socket = await guest.listen_for_gdb()
            said = await asyncio.to_thread(
                run_gdb, elf, "-ex", f"target remote {socket}", "-ex", f"hbreak *{Image(elf).entry:#x}",
                "-ex", "continue", "-ex", "set $cr4 = $cr4 | 0x1000", "-ex", "print/x $cr4",
                "-ex", "detach")
            return (await guest.wait()).cause, said

    equipped("-cpu", "max", "-S")
    image, elf = iso(0)
    cause, said = asyncio.run(boot())
    assert "$1 = 0x1000" in said and cause is Cause.PROMPT


def test_a_reader_that_pauses_is_no_lockup(iso):
    async def pause():
        async with Machine(Config(image)) as guest:
            await guest.wait()
            asyncio.get_running_loop().remove_reader(guest._output)
            if guest._pause:
                guest._pause.cancel()
            machine.fcntl.fcntl(guest._output, machine.fcntl.F_SETPIPE_SZ, 4096)
            guest.type_line("ls usr/share/factor")
            begin = await guest.virtual_seconds()
            while await guest.virtual_seconds() < begin + 5:
                assert guest._seen("WATCHDOG") is None
            asyncio.get_running_loop().add_reader(guest._output, guest._read_console)
            return (await guest.wait()).cause, guest.console

    image, _ = iso(4)
    cause, console = asyncio.run(pause())
    assert cause is Cause.PROMPT and "[text lost]" not in console and "0001\n" in console


def by_backtrace(pc, start, code):
    """Where the return address is (one word below what is named here), by kernel/backtrace.c."""
    if pc == start or code == RET:
        return "rsp+8"
    return "rsp+16" if pc == start + 1 else "rbp+16"


@pytest.mark.parametrize("lab", [0, 4])
def test_every_function_has_the_frame_that_backtraces_rely_on(iso, lab):
    _, path = iso(lab)
    said = subprocess.run(["objdump", "-WF", path], text=True, capture_output=True, check=True).stdout
    with path.open("rb") as file:
        text = ELFFile(file).get_section_by_name(".text")
        code, base = text.data(), text["sh_addr"]
    nr_functions = 0
    for part in said.split("\n\n"):
        rows = re.findall(r"^([0-9a-f]{16}) (r[sb]p\+(?:8|16)) ", part, re.M)
        if "FDE" not in part or not rows:
            continue                                            # entry.S has frames of its own
        start = int(rows[0][0], 16)
        if b"\x48\xcf" in code[start - base:int(rows[-1][0], 16) - base + 2]:
            continue                                            # a handler, which ends in iretq
        nr_functions += 1
        for pc, by_compiler in ((int(pc, 16), where) for pc, where in rows):
            assert by_compiler == by_backtrace(pc, start, code[pc - base]), f"{path.name} {pc:#x}"
    assert nr_functions > 150
