"""The GDB commands and pretty-printers, in real GDBs on real machines, whole and damaged."""
import asyncio
import difflib
import hashlib
import os
import re
import shutil
import subprocess
import time

import pytest
from conftest import GRADER, ROOT

from debugger import stack
from debugger.stack import Frame, Lock, Place
from judging import findings
from machine.ending import Cause
from machine.machine import Machine
from machine.qemu import Config

SCRIPT = GRADER / "debugger/ouroboros.py"
COMMANDS = ("cycle", "locks", "frames", "heap", "slab initramfs.slots", "dmesg", "dentries",
            "bootinfo")
LIMIT = 60              # seconds for a GDB: far more than anything here takes
COLUMNS = 100
POISON = "0x6b6b6b6b6b6b6b6b"


def build(directory, lab, level="debug", *words):
    """A boot image of a stage, and its ELF."""
    image = directory / f"{lab}.iso"
    output = subprocess.run(
        ["make", "-s", "iso", "print-ELF", f"LAB={lab}", f"ISO={image}", f"CMDLINE=log={level}",
         *words], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    return image, ROOT / output.splitlines()[-1]


def run_gdb(*words, charset="C.UTF-8"):
    """What GDB says to some commands."""
    done = subprocess.run(
        ["gdb", "-nx", "-nh", "-q", "-batch", "-iex", "set auto-load off", *map(str, words)],
        cwd=ROOT, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=LIMIT,
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
        words = ["-ex", f"source {SCRIPT}", "-ex", f"target remote {self.socket}"]
        for number, command in enumerate(commands):
            words += ["-ex", f"echo \\n@{number}@\\n", "-ex", command]
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
            image, elf = build(tmp_path_factory.mktemp("iso"), lab, "debug", *words)
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
    while not socket.exists():
        assert qemu.poll() is None
        time.sleep(0.01)
    yield Guest(cured.image, cured.elf, socket)
    qemu.kill()
    qemu.wait()


def calls(*functions):
    """A stack, outermost first."""
    return [Frame(name, "x.c", 10 + index, len(functions) - 1 - index, False)
            for index, name in enumerate(functions)]


def lock(function):
    return Lock("heap_lock", True, 0, Place(function, "x.c", 1) if function else None)


@pytest.mark.parametrize("functions, taker, found", [
    ("kmain kmalloc rescue log kmalloc spin_lock", "kmalloc", "kmalloc rescue log kmalloc"),
    ("kmain kmalloc rescue kmalloc spin_lock cpu_relax", "kmalloc", "kmalloc rescue kmalloc"),
    ("kmalloc a kmalloc b kmalloc spin_lock", "kmalloc", "kmalloc b kmalloc"),
    ("kmain log kmalloc spin_lock", "kfree", ""),
    ("kmain kmalloc spin_lock", "kmalloc", ""),
    ("kmain kmalloc spin_lock", "", ""),
    ("", "kmalloc", ""),
])
def test_the_cycle_in_a_stack(functions, taker, found):
    way = stack.cycle(calls(*functions.split()), lock(taker))
    assert [call.function for call in way] == found.split()


@pytest.mark.parametrize("functions, found", [
    ("cpu_stop stop panic_stop TRAP spin_lock kmalloc", "spin_lock kmalloc"),
    ("cpu_stop report panic kfree kmain", "kfree kmain"),
    ("__ubsan_handle panic_stop kfree", "kfree"), ("kmalloc panic", "kmalloc panic"),
    ("panic", ""),
])
def test_what_was_going_on_before_the_report(functions, found):
    frames = [Frame(name, "x.c", 1, number, name == "TRAP")
              for number, name in enumerate(functions.split())]
    assert [frame.function for frame in stack.interrupted(frames)] == found.split()


def test_the_commands_are_listed_and_explained(cured):
    output, manual, *helps = cured.gdb("ouroboros", "help ouroboros",
                                       *(f"help {command.split()[0]}" for command in COMMANDS))
    for command in COMMANDS:
        line = next(line for line in output.splitlines() if line.split()[:1] == command.split()[:1])
        assert len(line.split()) > 4 and line in manual
    assert all(f"Usage: {command.split()[0]}" in text for command, text in zip(COMMANDS, helps))


@pytest.mark.parametrize("lab", [0, 1, 2, 3, 4])
def test_every_command_in_every_stage(boot, lab):
    guest = boot(lab, Cause.LOCKUP if lab == 3 else Cause.PROMPT)
    found = dict(zip((command.split()[0] for command in COMMANDS), guest.gdb(*COMMANDS)))
    assert all(len(line) <= COLUMNS for text in found.values() for line in text.splitlines()
               if "waits for" not in line)
    assert found["cycle"].startswith("cpu0 waits for heap_lock in kmalloc" if lab == 3 else
                                     "No cycle: cpu0 waits for no lock.")
    assert "heap_lock" in found["locks"] and "loader:       GRUB" in found["bootinfo"]
    assert "initramfs" in found["bootinfo"] and "kernel" in found["bootinfo"]
    if lab < 1:
        assert found["frames"] == "frames: there is no frame allocator yet in this stage.\n"
    else:
        assert "frames are free" in found["frames"] and "frames:" not in found["frames"]
    if lab < 2:
        assert found["heap"] == "heap: there is no heap yet in this stage.\n"
        assert found["slab"] == "slab: there is no heap yet in this stage.\n"
    else:
        assert "pages are free" in found["heap"] and "heap:" not in found["heap"]
    if lab < 3:
        assert found["dmesg"] == "dmesg: this stage's logger keeps no records.\n"
        assert "The directory is empty" in found["dentries"]
    else:
        assert "debug initramfs: directory grows to 64 slots" in found["dmesg"]
        assert "-rw-r--r--       113  etc/motd" in found["dentries"]


def test_the_cycle_is_drawn_with_the_numbers_of_gdb(hung):
    text, = hung.gdb("cycle")
    assert re.match(r"cpu0 waits for heap_lock in (kmalloc \(heap.c:\d+\)), "
                    r"which cpu0 itself holds since \1\.\n", text)
    drawn = re.findall(r"#(\d+) +(\w+) +(\w+\.c:\d+)", text)
    names = [name for _, name, _ in drawn]
    assert names[0] == names[-1] == "kmalloc"
    for name in ("heap_rescue", "log_debug", "log_record"):
        assert name in names
    for (number, name, place), frame in zip(drawn, hung.gdb(
            *(f"frame {number}" for number, _, _ in drawn))):
        assert frame.startswith(f"#{number} ") and name in frame and place in frame
    assert re.search("┌─► #\\d+ +kmalloc .*holds heap_lock\n", text)
    assert re.search("└── #\\d+ +kmalloc .*waits for it\n", text)
    plain, = hung.gdb("cycle", charset="C")
    assert re.search(r"\+-> #\d+ +kmalloc .*\n  \|   #", plain) and plain.isascii()


def test_another_cycle_and_a_machine_that_is_full(boot):
    guest = boot(3, Cause.LOCKUP, words=("VARIANT=log-lock",), line="fill")
    cycle, heap, frames = guest.gdb("cycle", "heap", "frames")
    assert cycle.startswith("cpu0 waits for log_lock in log_record (")
    names = re.findall(r"#\d+ +(\w+)", cycle)
    assert names[0] == names[-1] == "log_record" and "heap_rescue" in names
    assert "No free run.\n" in heap and "\n0 of " in heap and "more.\n" in heap
    assert re.search(r"\n\d of [\d,]+ frames are free", frames) and "|" + "#" * 64 + "|" in frames
    assert all(len(line) <= COLUMNS for line in (heap + frames).splitlines())


def test_locks_say_who_has_them(hung):
    text, = hung.gdb("locks")
    assert re.search(r"^heap_lock +held by cpu0 +kmalloc \(heap.c:\d+\)$", text, re.M)
    assert re.search(r"^frame_lock +free +frame_alloc \(frame.c:\d+\)$", text, re.M)
    assert re.search(r"^test_lock +free +never$", text, re.M)
    assert re.search(r"^cpu0 waits for heap_lock in kmalloc \(heap.c:\d+\)\.$", text, re.M)


def test_the_numbers_are_those_of_the_monitor(cured):
    heap, frames = cured.gdb("heap", "frames")
    values = cured.gdb(*(f"print {name}" for name in (
        "'heap.c'::counts.nr_allocated - 'heap.c'::counts.nr_freed",
        "'heap.c'::counts.live_bytes", "'heap.c'::counts.nr_rescues",
        "'pages.c'::nr_free", "'frame.c'::nr_managed")))
    live, nr_bytes, rescues, nr_free, managed = (int(text.split()[-1]) for text in values)
    objects = [int(number.replace(",", ""))
               for number in re.findall(r"([\d,]+) / [\d,]+ +\d+%", heap)]
    assert f"{live:,} objects, {nr_bytes:,} bytes asked for." in heap and sum(objects) == live
    assert f"{nr_free:,} of " in heap and f"{rescues} rescues so far." in heap
    assert f"of {managed:,} frames are free" in frames


def test_the_map_shows_what_is_whose(cured):
    text, = cured.gdb("frames")
    rows = re.findall(r"^ +0x\w+ \|(.*)\|$", text, re.M)
    cells = "".join(rows)
    assert "128 KiB a character" in text and len(rows) == 8
    assert cells[:8] == " " * 8                         # the first MiB
    assert {".", "#", "+", " "} == set(cells)


def test_dmesg_shows_the_lines_that_match(hung, cured):
    for guest in (hung, cured):
        everything, some, none, bad = guest.gdb("dmesg", "dmesg grows to (64|128) ", "dmesg zebra",
                                                "dmesg (")
        assert len(some.splitlines()) == 2 < len(everything.splitlines()) and none == ""
        assert some.splitlines() == everything.splitlines()[:2]
        assert "is no regular expression" in bad
        for line in everything.splitlines():
            assert re.match(r"\[ \d\.\d{3}\] (debug|info |warn ) \w+: ", line)


def test_dmesg_reads_a_ring_that_has_come_round(cured):
    text, = cured.damaged({
        "*(int *)&log_storage.ring[16380]": "0x6f0a6e6f", "*(int *)log_storage.ring": "0x0a656e",
        "'log.c'::ring_tail": "16380", "'log.c'::ring_head": "16387"}, "dmesg")
    assert text == "on\none\n"


def test_dentries_shows_a_part_or_what_matches(cured):
    first, some, none = cured.gdb("dentries", "dentries etc/*", "dentries zebra*")
    assert first.startswith("2,609 entries in 4,096 slots: 64% full.\n")
    assert "\nand 2,589 more." in first and len(first.splitlines()) == 22
    assert re.findall(r"\S+$", some, re.M)[1:] == ["etc/hostname", "etc/motd"]
    assert "None of them matches zebra*." in none


def test_slab_explains_every_kind_of_address(cured):
    name = "initramfs.slots[5].name"
    run = "((char *)'pages.c'::bins[5])"
    cases = {
        name: r"class 32, .*\nobject \d+ of it, at 0x\w+: live, 22 bytes asked for\.",
        f"{name} + 7": r"object \d+ of it, at 0x\w+, 7 bytes in: live, 22 bytes",
        f"(long){name} & ~0xfff": "is in its header",
        f"((long){name} & ~0xfff) + 4095": "class 32, .*\n.* is behind its last slot",
        "initramfs.slots": r"class large, .*\nobject 0 of it, at 0x\w+: live, 262144 bytes",
        "&initramfs.slots[4000]": r"object 0 of it, at 0x\w+, 256000 bytes in: live",
        f"{run} + 5000": r"is in page 1 of a free run of \d+ pages at 0x\w+\.",
        "'heap.c'::last_emptied->first_slot":
            r"class 5440, 0 of 3 slots live, 4 pages\nobject 0.*: free\.",
        "'heap.c'::last_emptied->first_slot + 2 * 5440 + 5": "in: free, and never used yet",
        "'heap.c'::last_emptied->first_slot - 1": "is in its header",
        "0xffff800000000000 + bootinfo.modules[0].start": "in RAM, but its page is not the heap's",
        "0xffff800000000000": "in RAM, but its page is not the heap's",
        "0xffff900000000000": "behind the end of RAM", "heap_lock": "in the kernel's image",
        "kmain": "in the kernel's image", "0": "not in the direct map", "-1": "kernel's image",
        "$pc": "in the kernel's image", "$sp": "in the kernel's image",
        "": "of which address", "nosuch": "No symbol", "kmalloc(1)": "may-call-functions is off",
        "initramfs.nr_slots = 1": "would write", "'heap.c'::counts.nr_freed++": "would write",
        "1 == 1": "not in the direct map", "*(long *)1": "Cannot access memory",
        "1 +": "A syntax error", "$nothing": "",
    }
    for (expression, expected), text in zip(cases.items(), cured.gdb(
            *(f"slab {expression}" for expression in cases))):
        assert re.search(expected, text), f"{expression}: {text}"


def test_slab_sees_an_overrun_and_a_damaged_table(cured):
    name, freed = "initramfs.slots[5].name", "'heap.c'::last_emptied"
    full = f"((struct slab *)((long){name} & ~0xfff))"
    at_name, at_freed = f"slab {name}", f"slab {freed}->first_slot"
    for place, value, command, expected in (
            (f"{name}[22]", "'A'", at_name,
             "live, 22 bytes asked for, but overrun: the byte behind them is 0x41, not 0xa5.\n"),
            (f"{full}->slots[0]", "0x8000", f"slab {full}->first_slot",
             "live, 32 bytes asked for, which fill its slot.\n"),
            (f"{full}->slots[0]", "0x8021", f"slab {full}->first_slot",
             "live, but nobody knows how many bytes were asked for.\n"
             "slab: .*: slots.0. is 0x8021: more left over than a slot of 32"),
            (f"{full}->slots[0]", "9", f"slab {full}->first_slot",
             "free, but not in its slab's list of free slots.\nslab: .* nr_free is 0 and nr_used "
             "118, but 117 slots are live, 0 in the list of free slots"),
            (f"{freed}->free", "1", at_freed,
             "free, but not in its slab's list of free slots.\nslab: .* nr_free is 3 and nr_used "
             "1, but 0 slots are live, 0 in the list of free slots"),
            (f"{freed}->slots[0]", "0x9540", at_freed, "live, 0 bytes asked for, but overrun: .*\n"
             "slab: .*: free is 0, but slots.0. is 0x9540: not free")):
        text, = cured.damaged({place: value}, command)
        assert re.search(expected, text), text


def test_the_printers(hung, cured):
    cases = {
        " heap_lock": r"heap_lock: held by cpu0 since kmalloc \(heap.c:\d+\)$",
        " 'frame.c'::frame_lock": r"frame_lock: free, last taken in frame_alloc \(frame.c:\d+\)$",
        " 'kernel_test.c'::test_lock": "test_lock: free, never taken$",
        " *heap_lock.taken_at": r"kmalloc \(heap.c:\d+\)$",
        " this_cpu": r"cpu0, waits for heap_lock in kmalloc \(heap.c:\d+\)$",
        " panic_record": "PANIC_LOCKUP: cpu0 waits for heap_lock in kmalloc",
        " initramfs": r"768 entries in 1024 slots = \{slots = 0x",
        " *'log.c'::oldest": r"log record: \[ 0.\d+\] debug initramfs: directory grows to 64 s",
        " 'heap.c'::classes[1]": r"slots of 32 bytes, 118 a slab = \{with_room = 0x",
        " 'heap.c'::large": r"large objects, 1 a slab = \{",
        " *'heap.c'::classes[1].with_room":
            r"slab: \d+ of 118 slots of 32 bytes live, 1 page = \{next = ",
        " *'pages.c'::bins[4]": r"free run: 23 pages = \{next = 0x0",
        " 'memmap.c'::ranges[0]": r"0x00000000000 - 0x0000009efff +636 KiB  low$",
        " bootinfo.ranges[0]": "0x00000000000 - .* 639 KiB  available$",
        " bootinfo.modules[0]": "0x.* KiB  initramfs$",
        " *(struct trap_frame *)((char *)&nmi_stack_top - 176)":
            r"vector 2, error 0x0, at 0x\w+ <spin_lock\+\d+> = \{r15 = ",
        "/r panic_record": r"\{kind = 5, message = ", "/r heap_lock": r"\{locked = 1, owner = 0",
    }
    for (expression, expected), text in zip(cases.items(), hung.gdb(
            *(f"print{expression}" for expression in cases))):
        assert re.search(rf" = {expected}", text.strip()), f"{expression}: {text}"
    free, = cured.gdb("print initramfs.slots[5]")
    assert re.search(r"= [\w/]+: -rw-r--r--, \d+ bytes = \{name = 0x", free)


def test_at_the_first_instruction(reset):
    pc, *texts = reset.gdb("print/x $pc", *COMMANDS)
    assert pc.endswith("0xfff0\n")
    for command, text in zip(COMMANDS, texts):
        assert text == (f"{command.split()[0]}: the kernel is not in memory yet, as the machine is "
                        "still in its firmware or boot loader. Try: hbreak kmain, continue.\n")


def test_while_the_kernel_wakes_up(reset):
    def at(function):
        return (f"hbreak {function}", "continue", "delete")

    stops = ["kmain", "options_init", "frame_init", "heap_init", "initramfs_init"]
    words = [word for stop in stops for word in (*at(stop), *COMMANDS)]
    texts = reset.gdb(*words)
    step = 3 + len(COMMANDS)
    found = {stop: dict(zip((command.split()[0] for command in COMMANDS),
                            texts[number * step + 3:(number + 1) * step]))
             for number, stop in enumerate(stops)}
    early = found["kmain"]
    assert early["bootinfo"] == \
        "bootinfo: bootinfo_init() has not run yet. Try: hbreak options_init, continue.\n"
    for name in ("frames", "heap", "slab"):
        assert early[name] == \
            f"{name}: memmap_init() has not run yet. Try: hbreak paging_init, continue.\n"
    assert early["dmesg"] == ""
    assert "memmap_init() has not run yet" in found["options_init"]["bootinfo"]
    assert "loader:       GRUB" in found["options_init"]["bootinfo"]
    assert found["frame_init"]["frames"] == \
        "frames: frame_init() has not run yet. Try: hbreak heap_init, continue.\n"
    assert found["heap_init"]["heap"] == \
        "heap: heap_init() has not run yet. Try: hbreak initramfs_init, continue.\n"
    assert "frames are free" in found["heap_init"]["frames"]
    assert "64 of 64 pages are free" in found["initramfs_init"]["heap"]
    for stop in stops:
        assert found[stop]["cycle"].startswith("No cycle: cpu0 waits for no lock.")
        assert "The directory is empty" in found[stop]["dentries"]
        assert "lock " in found[stop]["locks"]


def test_without_a_machine_or_a_kernel(cured, tmp_path):
    stripped = tmp_path / "für-stripped.elf"
    subprocess.run(["strip", "--strip-debug", "-o", stripped, cured.elf], check=True)
    for elf, words in (([cured.elf], "attached to no machine. Try: make debug"),
                       ([stripped], "no debugging information about kmain"),
                       (["/bin/true"], "no debugging information about kmain"),
                       ([], "GDB has no kernel. Try: file")):
        output = run_gdb(*elf, "-ex", f"source {SCRIPT}",
                         *(word for command in COMMANDS for word in ("-ex", command)))
        assert output.count(words) == len(COMMANDS), output
    output = run_gdb(stripped, "-ex", f"source {SCRIPT}", "-ex", "cycle", charset="C")
    assert "cycle: no debugging information about kmain in the ELF" in output


def test_with_the_wrong_kernel(cured, hung):
    for text in cured.gdb(*COMMANDS, elf=hung.elf):
        assert "the machine runs another kernel than build/stage-3/kernel.elf" in text


@pytest.mark.parametrize("place, value, command, note, still", [
    ("'frame.c'::links[10].next", "0x7fffffff", "frames",
     "frame 0x7fffffff in the list of order 10: there is no such frame", "frames are free"),
    ("'frame.c'::links[10].next", "0x401", "frames", "list of order 10: not aligned", "order"),
    ("'frame.c'::links[10].next", "0x200000", "frames", "there is no such frame", "are free"),
    ("'frame.c'::links['frame.c'::links[10].next].next", "'frame.c'::links[10].next", "frames",
     "linked back to 0xa, not to the block before it", "frames are free"),
    ("'frame.c'::tags[1]", "0x1a", "frames", "has 14 blocks, but 15 are tagged as free", "order"),
    ("'frame.c'::tags['frame.c'::links[10].next]", "0x77", "frames", "not tagged as free, but 0x77",
     "?"),
    ("'frame.c'::tags['frame.c'::links[0].next]", "0x77", "frames", "not tagged as free, but 0x77",
     "? damaged"),
    ("'frame.c'::tags", POISON, "frames", "`tags` of frame.c is 0x6b6b6b6b6b6b6b6b", ""),
    ("'frame.c'::links", "0x10", "frames", "`links` of frame.c is 0x10", ""),
    ("'frame.c'::nr_tags", POISON, "frames", "`nr_tags` of frame.c is 0x6b6b6b6b6b6b6b6b", ""),
    ("'frame.c'::nr_managed", "0", "frames", "frame_init() has not finished", ""),
    ("'memmap.c'::top", POISON, "frames", "`top` of memmap.c is 0x6b6b6b6b6b6b6b6b", ""),
    ("'heap.c'::classes[1].with_room", "0x1234", "heap",
     "the list of class 32: 0x1234 is no address of a slab", "pages are free"),
    ("'heap.c'::classes[1].with_room->next", "'heap.c'::classes[1].with_room", "heap",
     "prev is 0x0, not 0xffff8", "pages are free"),
    ("'heap.c'::classes[1].with_room->class", "0x99", "heap", "its class is 0x99", "are free"),
    ("'heap.c'::classes[1].with_room->nr_pages", "0", "heap", "nr_pages is 0x0", "pages are free"),
    ("'heap.c'::classes[1].with_room->nr_slots", "7", "heap", "nr_slots is 0x7", "pages are free"),
    ("'heap.c'::classes[1].with_room->slot_bytes", "4294967292", "heap",
     "slot_bytes is 0xfffffffc", "pages are free"),
    ("'heap.c'::classes[1].with_room->first_slot", POISON, "heap",
     "first_slot is 0x6b6b6b6b6b6b6b6b", "pages are free"),
    ("'heap.c'::classes[1].with_room->reciprocal", "0", "heap",
     "reciprocal is 0x0", "pages are free"),
    ("'heap.c'::classes[1].with_room->nr_used", "119", "heap", "nr_used is 0x77", "pages are free"),
    ("'heap.c'::classes[1].with_room->nr_free", "40000", "heap",
     "nr_free is 0x9c40", "pages are free"),
    ("'heap.c'::classes[1].with_room->nr_free", "1", "heap", "nr_free is 0x1", "pages are free"),
    ("'heap.c'::classes[1].with_room->free", "500", "heap", "free is 0x1f4", "pages are free"),
    ("'heap.c'::classes[1].with_room->slots[0]", "0xffff", "heap",
     "slots[0] is 0xffff: more left over than a slot of 32 bytes has", "pages are free"),
    ("'heap.c'::last_emptied->nr_free", "2", "heap",
     "but 0 slots are live, 1 in the list of free slots", "pages are free"),
    ("'heap.c'::last_emptied->slots[0]", "0", "heap",
     "slots[0] is 0 again: its list of free slots never ends", "pages are free"),
    ("'heap.c'::last_emptied->slots[0]", "0x7777", "heap",
     "slots[0] is 0x7777, which is no slot that was ever used", "pages are free"),
    ("'heap.c'::last_emptied->slots[0]", "0x8000", "heap",
     "free is 0, but slots[0] is 0x8000: not free", "pages are free"),
    ("'heap.c'::classes[1].nr_slots", "0", "heap", "slot_bytes is 32, nr_slots 0 and", ""),
    ("'heap.c'::classes[1].nr_slots", "119", "heap", "nr_slots 119 and nr_pages 1", ""),
    ("'heap.c'::classes[1].nr_slots", "5", "heap", "nr_slots is 0x76", "pages are free"),
    ("'heap.c'::classes[1].slot_bytes", "0", "slab initramfs.slots[5].name",
     "slot_bytes is 0, nr_slots 118 and", ""),
    ("'heap.c'::counts.nr_freed", POISON, "heap",
     "counts.nr_freed is 0x6b6b6b6b6b6b6b6b, but nr_allocated 0x", "pages are free"),
    ("'pages.c'::bins[5]", POISON, "heap",
     "the free runs of bins[5]: 0x6b6b6b6b6b6b6b6b is no page of RAM", "objects"),
    ("'pages.c'::bins[5]", "initramfs.slots", "heap", "is no page of RAM", "objects"),
    ("'pages.c'::bins[5]", "(void *)((long)initramfs.slots & ~0xfff)", "heap",
     "is not free, its tag is 3", "objects"),
    ("'pages.c'::bins[5]->next", "'pages.c'::bins[5]", "heap", "prev is 0x0, not 0xffff8", "16"),
    ("'pages.c'::bins[5]->nr_pages", "0", "heap", "nr_pages is 0x0", "objects"),
    ("'pages.c'::page_tags", "1", "heap", "`page_tags` of pages.c is 0x1", ""),
    ("'pages.c'::nr_page_tags", POISON, "heap",
     "`nr_page_tags` of pages.c is 0x6b6b6b6b6b6b6b6b", ""),
    ("'pages.c'::page_tags", "1", "slab initramfs.slots", "`page_tags` of pages.c is 0x1", ""),
    ("'log.c'::ring_head", "20000", "dmesg", "`ring_head` is 0x4e20", ""),
    ("'log.c'::ring_tail", POISON, "dmesg", "`ring_tail` 0x6b6b6b6b6b6b6b6b", ""),
    ("log_storage.ring[9]", "27", "dmesg", "", "\\x1b"),
    ("initramfs.slots", POISON, "dentries", "initramfs.slots is 0x6b6b6b6b6b6b6b6b", ""),
    ("initramfs.nr_slots", "4097", "dentries", "initramfs.nr_slots is 0x1001", ""),
    ("initramfs.nr_slots", "1 << 16", "dentries", "the 0x10000 slots at 0xffff8", ""),
    ("initramfs.nr_slots", "1 << 11", "dentries", "slots are in use, but nr_entries is", "etc"),
    ("initramfs.nr_slots", "1 << 12 | 1", "dentries", "is no size of the table", ""),
    ("initramfs.nr_entries", "5", "dentries",
     "2609 slots are in use, but nr_entries is 0x5", "motd"),
    ("initramfs.slots[5].name", "0x10", "dentries",
     "name is 0x10, which is no address in RAM", "motd"),
    ("initramfs.slots[5].name[0]", "7", "dentries *factor*", "", "\\x07sr"),
    ("initramfs.slots[5].name_bytes", "3", "dentries", "but name_bytes is 3", "motd"),
    ("bootinfo.nr_ranges", "1000", "bootinfo", "bootinfo.nr_ranges is 0x3e8, but there is room for",
     "GRUB"),
    ("bootinfo.nr_modules", POISON, "bootinfo", "bootinfo.nr_modules is 0x6b6b", "GRUB"),
    ("'memmap.c'::nr_ranges", "257", "bootinfo", "`nr_ranges` of memmap.c is 0x101", "GRUB"),
    ("'memmap.c'::ranges[0].owner", "77", "bootinfo", "", "unknown owner 0x4d"),
    ("heap_lock.name", "0x10", "locks", "name is 0x10, which is no string", "frame_lock"),
    ("heap_lock.name", POISON, "locks",
     "name is 0x6b6b6b6b6b6b6b6b, which is no string", "frame_lock"),
    ("heap_lock.taken_at", POISON, "locks",
     "taken_at is 0x6b6b6b6b6b6b6b6b, which is no place", "frame_lock"),
    ("heap_lock.taken_at", "&initramfs", "locks", "which is no place", "frame_lock"),
    ("heap_lock.locked", "7", "locks", "locked is 0x7", "frame_lock"),
    ("this_cpu.waits_for", "0x10", "locks",
     "this_cpu.waits_for is 0x10, which is none", "heap_lock"),
    ("this_cpu.waits_for", "&initramfs", "cycle", "which is none of the locks", ""),
    ("this_cpu.waits_for", "&heap_lock", "cycle", "", "heap_lock.*which nobody holds now"),
    ("this_cpu.waits_at", POISON, "cycle", "waits_at is 0x6b6b6b6b6b6b6b6b, which is no place", ""),
    ("heap_lock.taken_at", "&heap_lock", "cycle", "", "No cycle"),
])
def test_damage_is_named_and_the_rest_shown(cured, place, value, command, note, still):
    start = time.monotonic()
    text, = cured.damaged({place: value}, command)
    assert time.monotonic() - start < 10
    notes = [line for line in text.splitlines() if line.startswith(f"{command.split()[0]}: ")]
    assert any(note in line for line in notes) if note else not notes or not still, text
    assert re.search(still if ".*" in still else re.escape(still), text), text


@pytest.mark.parametrize("place, value, note", [
    ("'log.c'::oldest", POISON, "record 1 of the list is 0x6b6b6b6b6b6b6b6b"),
    ("'log.c'::oldest->next", "'log.c'::oldest", "as one before it: the list never ends"),
    ("'log.c'::oldest->next->nr_bytes", POISON, "record 2 of the list, at 0xffff8"),
    ("'log.c'::nr_records", "99", "but `nr_records` is 0x63"),
    ("'log.c'::oldest->next", "0", "the list has 1 records, but `nr_records` is 0x6"),
])
def test_a_damaged_list_of_records(hung, place, value, note):
    text, = hung.damaged({place: value}, "dmesg")
    assert note in text.splitlines()[-1] and text.splitlines()[-1].startswith("dmesg: ")
    assert len(text.splitlines()) < 10


def test_a_cycle_that_is_none(hung):
    left, = hung.damaged({"heap_lock.taken_at": "'frame.c'::frame_lock.taken_at"}, "cycle")
    assert "No cycle on this stack: frame_alloc has returned and left heap_lock locked." in left
    other, = hung.damaged({"heap_lock.owner": "1"}, "cycle")
    assert other.startswith("No cycle: cpu0 waits for heap_lock in kmalloc (")
    assert "which cpu1 holds since kmalloc" in other
    never, = hung.damaged({"heap_lock.taken_at": "0"}, "cycle")
    assert "itself holds since ?." in never
    idle, = hung.damaged({"this_cpu.waits_for": "0"}, "cycle")
    assert re.fullmatch(r"No cycle: cpu0 waits for no lock\.\n"
                        r"cpu0 holds heap_lock since kmalloc \(heap.c:\d+\)\.\n", idle)


def test_printers_of_damaged_structures(cured):
    for place, expression in {
            "heap_lock.name": "heap_lock", "heap_lock.taken_at": "heap_lock",
            "this_cpu.waits_for": "this_cpu", "this_cpu.waits_at": "this_cpu",
            "initramfs.slots[5].name": "initramfs.slots[5]", "initramfs.slots": "*initramfs.slots",
            "heap_lock.taken_at->file": "*heap_lock.taken_at",
            "'memmap.c'::ranges[0].owner": "'memmap.c'::ranges[0]",
            "panic_record.kind": "panic_record"}.items():
        cured.damaged({place: "0x6b6b6b6b"}, f"print {expression}", f"print/r {expression}")


def test_a_machine_of_6_gib_is_shown_in_a_second(boot):
    guest = boot(4, mem="6G")
    for command in COMMANDS:
        start = time.monotonic()
        text, = guest.gdb(command)
        assert time.monotonic() - start < 3, command    # GDB's own start included
        assert all(len(line) <= COLUMNS for line in text.splitlines())
    frames, = guest.gdb("frames")
    assert "16 MiB a character" in frames and len(frames.splitlines()) < 25


def test_a_heap_of_ones_own(boot, tmp_path_factory):
    heap = "labs/02-heap/heap.c"
    patch = tmp_path_factory.mktemp("patch") / "own.patch"
    patch.write_text("".join(difflib.unified_diff(
        (ROOT / heap).read_text().splitlines(True),
        (GRADER / "tests/other_heap.c").read_text().splitlines(True), f"a/{heap}", f"b/{heap}")))
    guest = boot(3, Cause.LOCKUP, words=(f"PATCH={patch}",))
    cycle, heap, slab, dmesg, dentries = guest.gdb(
        "cycle", "heap", "slab initramfs.slots", "dmesg", "dentries")
    for name, text in (("heap", heap), ("slab", slab)):
        assert text == (f"{name}: this stage's heap.c has no `classes`: "
                        "known here is the heap that lab 2 hands out.\n")
    assert "└── #" in cycle and "grows to 64 slots" in dmesg and "etc/motd" in dentries


def test_variables_of_another_kind_than_ours(boot, tmp_path_factory):
    patch = tmp_path_factory.mktemp("patch") / "kind.patch"
    for name, pairs in {
            "labs/01-frames/frame.c": {
                "nr_managed": "nr_ours",
                "static size_t nr_ours;": "static struct link nr_managed __attribute__((used));\n"
                                          "static size_t nr_ours;"},
            "labs/03-deadlock/log.c": {
                "oldest": "first_kept",
                "static size_t nr_records;":
                    "static size_t nr_records; static long oldest __attribute__((used));"}}.items():
        old = new = (ROOT / name).read_text()
        for word, other in pairs.items():
            assert word in new
            new = new.replace(word, other)
        with patch.open("a") as file:
            file.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True),
                                                 f"a/{name}", f"b/{name}"))
    guest = boot(3, Cause.LOCKUP, words=(f"PATCH={patch}",))
    assert guest.gdb("frames") == ["frames: Cannot convert value to long.\n"]
    with pytest.raises(AssertionError, match="dmesg: this stage's structures are not those known"):
        guest.gdb("dmesg")              # which run_gdb() takes for a mistake of ours


def test_nothing_is_changed(hung):
    settings = ("trust-readonly-sections", "may-call-functions", "backtrace past-main",
                "backtrace limit", "print pretty", "pagination", "language")
    look = ("frame", *(f"show {name}" for name in settings))
    memory = hung.memory()
    chosen, *texts = hung.gdb("frame 14", *look, *COMMANDS, "slab kmalloc(1)", "slab 1 +",
                              "print heap_lock", *look, "info breakpoints")
    assert texts[:len(look)] == texts[-1 - len(look):-1]
    assert "#14 " in texts[0] and "No breakpoints" in texts[-1]
    assert hung.memory() == memory


def test_a_setting_of_the_users_own_stays(cured):
    *_, trust, may_call = cured.gdb(
        "set trust-readonly-sections on", "set may-call-functions off", *COMMANDS,
        "show trust-readonly-sections", "show may-call-functions")
    assert "is on" in trust and "is off" in may_call


def test_it_may_be_sourced_twice_and_from_anywhere(cured, tmp_path):
    output = run_gdb(cured.elf, "-cd", tmp_path, "-ex", f"source {SCRIPT}",
                     "-ex", f"source {SCRIPT}", "-ex", "ouroboros", "-ex", "info pretty-printer")
    assert output.count("Show the wait cycle") == 1
    assert output.count("  ouroboros\n") == 1 and "objfile" in output


@pytest.mark.parametrize("boxed", [True, False])
def test_the_grader_sees_the_same_cycle_and_leaves_nothing(hung, tmp_path, monkeypatch, boxed):
    class Standing:
        private = tmp_path

        async def listen_for_gdb(self):
            return hung.socket

    if not boxed:
        monkeypatch.setattr(findings.sandbox, "wrap", lambda command, *_: command)
        shutil.copytree(GRADER / "debugger", tmp_path / "debugger",
                        ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(findings.AUTOPSY, tmp_path)
        monkeypatch.setattr(findings, "AUTOPSY", tmp_path / findings.AUTOPSY.name)
        autopsy = asyncio.run(findings.dissect(Standing(), hung.elf))
        assert not list(tmp_path.rglob("__pycache__"))
    else:
        Standing.private = hung.socket.parent
        autopsy = asyncio.run(findings.dissect(Standing(), hung.elf))
    drawn = re.findall(r"#\d+ +(\w+)", hung.gdb("cycle")[0])
    assert findings.describe_deadlock(autopsy, autopsy.deadlock).endswith(
        f"along {' → '.join(drawn)}")
