"""The GDB commands where there is nothing to see yet, or what there is is damaged."""
import re
import subprocess

import guests
import pytest
from guests import COMMANDS, POISON, SCRIPT, run_gdb


def test_at_the_first_instruction(reset):
    pc, *texts = reset.gdb("print/x $pc", *COMMANDS)
    assert pc.endswith("0xfff0\n")
    expect_before_kmain("its firmware or boot loader", texts)


def expect_before_kmain(where, texts):
    for command, text in zip(COMMANDS, texts):
        assert text == (f"{command.split()[0]}: kmain() has not begun, as the machine is still in "
                        f"{where}. Try: hbreak kmain, continue.\n")


@pytest.mark.parametrize("place, where, frame", [
    ("*0x7c00", "its firmware or boot loader", r"0x0+7c00 in \?\? \(\)"),        # GRUB's first
    ("start", "boot/start.S", r"start \(\) at boot/start.S:\d+"),
])
def test_before_kmain(reset, place, where, frame):
    _, _, *texts, backtrace = reset.gdb(f"hbreak {place}", "continue", *COMMANDS, "backtrace")
    expect_before_kmain(where, texts)
    assert re.fullmatch(rf"kmain\(\) has not begun, .* {where}. Try: .*\n#0  {frame}\n", backtrace)


def test_in_start_with_paging_on(reset):
    *_, frames, backtrace = reset.gdb("hbreak start_long_mode", "continue", "frames", "backtrace")
    assert frames == "frames: memmap_init() has not run yet. Try: hbreak paging_init, continue.\n"
    assert re.fullmatch(r"#0  start_long_mode \(\) at boot/start.S:\d+\n", backtrace)


def test_a_change_may_be_half_done(cured, hung):
    half_done = "a change may be half done.\n"
    flaw = {"'frame.c'::heads[10]": "0x401"}
    held, = cured.damaged({"'frame.c'::frame_lock.locked": "1", **flaw}, "frames")
    assert re.search(f"^frame_lock is held since frame_alloc .*: {half_done}frames: frame 0x401",
                     held, re.M)
    free, = cured.damaged(flaw, "frames")
    assert "frames: frame 0x401" in free and half_done not in free
    adding, = hung.damaged({"initramfs.nr_entries": "initramfs.nr_entries + 1"}, "dentries")
    assert re.search(rf"^directory_add\(\) is at work: {half_done}dentries: .* slots are in use, but",
                     adding, re.M)
    assert half_done not in "".join(hung.gdb("dentries"))
    done, = cured.damaged({"initramfs.nr_entries": "initramfs.nr_entries + 1"}, "dentries")
    assert "slots are in use, but" in done and half_done not in done


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
        "heap: heap_init() has not run yet. Try: hbreak fail_init, continue.\n"
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


@pytest.mark.parametrize("place, value, command, note, still", [
    ("'frame.c'::heads[10]", "0x7fffffff", "frames",
     "frame 0x7fffffff in the list of order 10: there is no such frame", "frames are free"),
    ("'frame.c'::heads[10]", "0x401", "frames", "list of order 10: not aligned", "order"),
    ("'frame.c'::heads[10]", "0x200000", "frames", "there is no such frame", "are free"),
    ("'frame.c'::links['frame.c'::heads[10]].next", "'frame.c'::heads[10]", "frames",
     "in the list of order 10: found there again", "frames are free"),
    ("'frame.c'::links['frame.c'::links['frame.c'::heads[10]].next].prev", "1", "frames",
     "linked back to 0x1, not to the block before it", "frames are free"),
    ("'frame.c'::tags[1]", "0x1a", "frames", "has 14 blocks, but 15 are tagged as free", "order"),
    ("'frame.c'::tags['frame.c'::heads[10]]", "0x77", "frames", "not tagged as free, but 0x77",
     "?"),
    ("'frame.c'::tags['frame.c'::heads[0]]", "0x77", "frames", "not tagged as free, but 0x77",
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
    ("'pages.c'::bins[32]", POISON, "heap",
     "the free runs of bins[32]: 0x6b6b6b6b6b6b6b6b is no page of RAM", "objects"),
    ("'pages.c'::bins[32]", "initramfs.slots", "heap", "is no page of RAM", "objects"),
    ("'pages.c'::bins[32]", "(void *)((long)initramfs.slots & ~0xfff)", "heap",
     "is not free, its tag is 3", "objects"),
    ("'pages.c'::bins[32]->next", "'pages.c'::bins[32]", "heap", "prev is 0x0, not 0xffff8", "16"),
    ("'pages.c'::bins[32]->nr_pages", "0", "heap", "nr_pages is 0x0", "objects"),
    ("'pages.c'::page_tags", "1", "heap", "`page_tags` of pages.c is 0x1", ""),
    ("'pages.c'::nr_page_tags", POISON, "heap",
     "`nr_page_tags` of pages.c is 0x6b6b6b6b6b6b6b6b", ""),
    ("'pages.c'::page_tags", "1", "slab initramfs.slots", "`page_tags` of pages.c is 0x1", ""),
    ("'log.c'::ring_head", "20000", "dmesg", "`ring_head` is 0x4e20", ""),
    ("'log.c'::ring_tail", POISON, "dmesg", "`ring_tail` 0x6b6b6b6b6b6b6b6b", ""),
    ("log_storage.ring[9]", "27", "dmesg", "", "\\x1b"),
    ("initramfs.slots", POISON, "dentries", "initramfs.slots is 0x6b6b6b6b6b6b6b6b", ""),
    ("initramfs.nr_slots", "4097", "dentries", "initramfs.nr_slots is 0x1001", ""),
    ("initramfs.slots", "(void *)0xffff800000200000", "dentries",
     "slots at 0xffff800000200000 cannot be read", ""),
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
    text, = cured.damaged({place: value}, command)
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


def test_a_command_that_does_not_end_is_noticed(cured, monkeypatch):
    monkeypatch.setattr(guests, "MAX_STEPS", 1000)
    with pytest.raises(AssertionError, match="more than 1,000 steps"):
        cured.gdb("dentries")


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
