"""The GDB commands and pretty-printers, in real GDBs on real machines."""
import asyncio
import re
import shutil

import pytest
from conftest import GRADER, ROOT
from guests import COLUMNS, COMMANDS, SCRIPT, run_gdb
from trees import LABS, patch_for

from judging import findings
from machine.ending import Cause


def test_the_commands_are_listed_and_explained(cured):
    output, manual, *helps = cured.gdb("ouroboros", "help ouroboros",
                                       *(f"help {command.split()[0]}" for command in COMMANDS))
    for command in COMMANDS:
        line = next(line for line in output.splitlines() if line.split()[:1] == command.split()[:1])
        assert len(line.split()) > 4 and line in manual
    assert all(f"Usage: {command.split()[0]}" in text for command, text in zip(COMMANDS, helps))


@pytest.mark.parametrize("lab", [each.number for each in LABS])
def test_every_command_in_every_stage(boot, lab):
    guest = boot(lab, Cause.LOCKUP if lab == 3 else Cause.PROMPT)
    found = dict(zip((command.split()[0] for command in COMMANDS), guest.gdb(*COMMANDS)))
    assert all(len(line) <= COLUMNS for text in found.values() for line in text.splitlines()
               if "waits for" not in line)
    assert found["cycle"].startswith("cpu0 waits for heap_lock in kmalloc" if lab == 3 else
                                     "No cycle: cpu0 waits for no lock.")
    assert found["store"] == ("The store has no files.\n" if lab >= 6 else
                              "store: there is no store yet in this stage.\n")
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
    assert re.search(r"\n\d?\d of [\d,]+ frames are free", frames) and "|" + "#" * 64 + "|" in frames
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
            assert re.match(r"\[ +\d+  \d\.\d{3}\] (debug|info |warn ) \w+: ", line)


def test_dmesg_shows_the_beginning_of_a_record_that_is_not_finished(boot):
    """Lab 5's logger, interrupted in the midst of a record by a fault."""
    text, = boot(5, Cause.PANIC, words=("VARIANT=bad-argument",)).gdb("dmesg rescue")
    assert re.fullmatch(r"\[ +\d+ +0\.\d+\] debug heap: rescue 1: no room for \d+ bytes,  <not finished>\n", text)


def test_dmesg_reads_a_ring_that_has_come_round(cured):
    text, = cured.damaged({
        "*(int *)&log_storage.ring[16380]": "0x6f0a6e6f", "*(int *)log_storage.ring": "0x0a656e",
        "'log.c'::ring_tail": "16380", "'log.c'::ring_head": "16387"}, "dmesg")
    assert text == "on\none\n"


def test_store_shows_what_was_written(boot):
    guest = boot(6, mem="48M", line="write notes hello")
    assert guest.gdb("store") == ["        6 of         6  notes  'hello\\n'\n"]
    damaged, = guest.damaged({"files->nr_bytes": "7"}, "store")
    assert damaged == "store: file 1 of the list: nr_bytes is 0x7, capacity_bytes 0x6.\n"
    damaged, = guest.damaged({"files->next": "files"}, "store")
    assert damaged.endswith("the list never ends.\n")
    damaged, = guest.damaged({"files->name": "16"}, "store")
    assert damaged.startswith("store: the name of file 1 of the list")


@pytest.mark.parametrize("design, why", [
    ("one-object/store.c", "`files` are not like those of lab 6's solution, which are known here. Type ls at the "
                           "monitor"),
    ("logged/store.c", "store.c has no `files`: known here is the store that lab 6 hands out")])
def test_a_store_of_ones_own(design, why, boot, tmp_path):
    patch = tmp_path / "own.patch"
    patch.write_text(patch_for("labs/06-every-failure/store.c", (GRADER / "tests/designs" / design).read_text()))
    text, = boot(6, mem="48M", line="write notes hello", words=(f"PATCH={patch}",)).gdb("store")
    assert " ".join(text.split()) == f"store: this stage's {why}."


def test_dentries_shows_a_part_or_what_matches(cured):
    first, some, none = cured.gdb("dentries", "dentries etc/*", "dentries zebra*")
    assert first.startswith("2,609 entries in 4,096 slots: 64% full.\n")
    assert "\nand 2,589 more." in first and len(first.splitlines()) == 22
    assert re.findall(r"\S+$", some, re.M)[1:] == ["etc/hostname", "etc/motd"]
    assert "None of them matches zebra*." in none


def test_slab_explains_every_kind_of_address(cured):
    name = "initramfs.slots[5].name"
    run = "((char *)'pages.c'::bins[32])"
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


def test_the_printers(hung, cured):
    cases = {
        " heap_lock": r"heap_lock: held by cpu0 since kmalloc \(heap.c:\d+\)$",
        " 'frame.c'::frame_lock": r"frame_lock: free, last taken in frame_alloc \(frame.c:\d+\)$",
        " 'kernel_test.c'::test_lock": "test_lock: free, never taken$",
        " *heap_lock.taken_at": r"kmalloc \(heap.c:\d+\)$",
        " this_cpu": r"cpu0, waits for heap_lock in kmalloc \(heap.c:\d+\)$",
        " panic_record": "PANIC_LOCKUP: cpu0 makes no progress",
        " initramfs": r"768 entries in 1024 slots = \{slots = 0x",
        " *'log.c'::oldest": r"log record: \[    1  0.\d+\] debug initramfs: directory grows to 64 s",
        " 'heap.c'::classes[1]": r"slots of 32 bytes, 118 a slab = \{with_room = 0x",
        " 'heap.c'::large": r"large objects, 1 a slab = \{",
        " *'heap.c'::classes[1].with_room":
            r"slab: \d+ of 118 slots of 32 bytes live, 1 page = \{next = ",
        " *'pages.c'::bins[23]": r"free run: 23 pages = \{next = 0x0",
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


def test_a_machine_of_6_gib_is_shown_without_a_look_at_each_of_its_frames(boot):
    guest = boot(4, mem="6G")
    for text in guest.gdb(*COMMANDS):           # in at most MAX_STEPS each, for 1.5 million frames
        assert all(len(line) <= COLUMNS for line in text.splitlines())
    frames, = guest.gdb("frames")
    assert "16 MiB a character" in frames and len(frames.splitlines()) < 25


def test_a_heap_of_ones_own(boot, tmp_path_factory):
    heap = "labs/02-heap/heap.c"
    patch = tmp_path_factory.mktemp("patch") / "own.patch"
    patch.write_text(patch_for(heap, (GRADER / "tests/designs/heap.c").read_text()))
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
        new = (ROOT / name).read_text()
        for word, other in pairs.items():
            assert word in new
            new = new.replace(word, other)
        with patch.open("a") as file:
            file.write(patch_for(name, new))
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
        private = hung.socket.parent

        async def listen_for_gdb(self):
            return hung.socket

    if not boxed:
        monkeypatch.setattr(findings.sandbox, "wrap", lambda command, *_: command)
        shutil.copytree(GRADER / "debugger", tmp_path / "debugger",
                        ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "judging").mkdir()
        monkeypatch.setattr(findings, "AUTOPSY",
                            shutil.copy(findings.AUTOPSY, tmp_path / "judging"))
    autopsy = asyncio.run(findings.dissect(Standing(), hung.elf))
    assert not list(tmp_path.rglob("__pycache__"))
    drawn = re.findall(r"#\d+ +(\w+)", hung.gdb("cycle")[0])
    assert findings.describe_deadlock(autopsy, autopsy.deadlock).endswith(
        f"along {' → '.join(drawn)}")
