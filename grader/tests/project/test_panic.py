"""The panic path: its stack has a bound, and what fails on the way costs none of its words."""
import asyncio
import re

import graphs
from conftest import ROOT, boot_image
from trees import patch_for

from course import lab
from judging.observe import _read_panic
from machine.abi import PanicKind
from machine.image import Image
from machine.machine import Machine
from machine.qemu import Config
from proof.check import check

LOG = "labs/04-static-log/log.c"
LOCKS = range(12)


def number(file, name):
    """A constant of a C file."""
    return int(re.search(rf"^#define {name}\s+(\w+)", (ROOT / file).read_text(), re.M)[1], 0)


def test_all_events_of_a_report_fit_on_one_stack():
    """Whatever a report runs into, it goes on on top of that: MAX_EVENTS times at most."""
    bound, = (root.stack_bytes for root in graphs.rules().roots if root.function == "trap_vectors")
    assert bound * number("kernel/panic.c", "MAX_EVENTS") <= number("kernel/layout.h", "STACK_BYTES")
    proof = check(graphs.stage(max(lab.available())), graphs.rules())
    assert proof.holds, [line for verdict in proof.verdicts for line in verdict.lines]


def after(directory, statements, declarations=""):
    """What dmesg ends with when these stand in it: the console, and the panic's record."""
    before = (ROOT / LOG).read_text()
    changed = before.replace("void log_dump(void)\n{\n",
                             f"{declarations}\nvoid log_dump(void)\n{{\n{statements}\n")
    patch = directory / "x.patch"
    patch.write_text(patch_for(LOG, changed))
    image, elf = boot_image(directory, 4, "log=info", f"PATCH={patch}")

    async def look():
        async with Machine(Config(image)) as machine:
            await machine.run(["dmesg"])
            return machine.console, await _read_panic(machine, Image(elf))

    console, record = asyncio.run(look())
    return console.partition("ouroboros> dmesg\n")[2], record


def test_a_message_that_faults_keeps_its_words(tmp_path):
    console, record = after(tmp_path, 'panic("the disk is on fire: %s", (char *)16);')
    fault = r"page fault reading 0x10 \(not mapped\) in \w+\+0x[0-9a-f]+"
    assert re.match(r"\nPANIC: the disk is on fire: \n"
                    rf"\nFAULT, while reporting the above: {fault}\n"
                    r"backtrace, innermost first:\n  0x\w+ log_dump\+", console), console
    assert console.endswith("The machine stays put for a debugger.\n")
    assert record.kind is PanicKind.BUG
    assert re.fullmatch(rf"the disk is on fire: ; FAULT: {fault}", record.message)


def test_a_message_is_one_line(tmp_path):
    console, record = after(tmp_path, r'panic("a\nb: %s", "\r\033[2J");')
    assert console.startswith("\nPANIC: a\\x0ab: \\x0d\\x1b[2J\nbacktrace"), console
    assert record.message == "a\\x0ab: \\x0d\\x1b[2J"


def test_a_message_without_an_end_is_cut(tmp_path):
    console, record = after(tmp_path, 'panic("%s", endless);',
                            "static char endless[100000] = { [0 ... 99999] = 'x' };")
    assert console.startswith(f"\nPANIC: {251 * 'x'}\nbacktrace"), console
    assert record.message == 251 * "x"


def test_a_lock_that_is_damaged_hides_no_other(tmp_path):
    declarations = "".join(f"static DEFINE_SPINLOCK(lock{n});" for n in range(3))
    statements = "".join(f"spin_lock(&lock{n});" for n in range(3))
    console, record = after(tmp_path, statements + 'lock1.name = (char *)16; panic("locked");',
                            declarations)
    assert re.search(r"\ncpu0 holds \nFAULT, while reporting the above: page fault .*\n", console)
    for name in ("lock0", "lock2"):
        assert re.search(rf"\ncpu0 holds {name} since log_dump \(log.c:\d+\)\n", console), console
    assert console.endswith("The machine stays put for a debugger.\n")
    assert record.message.startswith("locked; FAULT: page fault reading 0x10 ")


def test_a_report_that_only_fails_ends(tmp_path):
    """As many events as a report stands, and the machine is told all the same."""
    declarations = "".join(f"static DEFINE_SPINLOCK(lock{n});" for n in LOCKS)
    statements = "".join(f"spin_lock(&lock{n}); lock{n}.name = (char *)16;" for n in LOCKS)
    console, record = after(tmp_path, statements + 'panic("locked");', declarations)
    assert console.count("while reporting the above") == number("kernel/panic.c", "MAX_EVENTS") - 1
    assert record.kind is PanicKind.BUG and record.message.startswith("locked; FAULT: ")
