"""Time that runs backwards: make rewind, and recordings of what failed a grade."""
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import GRADER, ROOT
from processes import DEADLINE, Terminal, qemus_of

from debugger.rewind import record
from machine import recording
from machine.host import MachineError
from machine.machine import Machine
from machine.qemu import Config


def rewind(*words, commands=()):
    """Runs rewind.py with GDB in batch. Return: what GDB printed, from where it attached."""
    told = [word for command in commands for word in ("-ex", command)]
    done = subprocess.run([sys.executable, str(GRADER / "rewind.py"), *map(str, words), "--",
                           "-batch", *told], cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=2 * DEADLINE, check=False)
    output = done.stdout.partition("0x000000000000fff0 in ?? ()\n")[2] + done.stderr
    assert "Traceback" not in output and "Python Exception" not in output, output
    return output


def positions(output):
    """The instruction counts that GDB's `monitor info replay` has printed."""
    return [int(count) for count in re.findall(r"instruction count = (\d+)", output)]


POSITION = "monitor info replay"


def test_from_the_hang_to_where_the_lock_was_taken_and_back(tmp_path):
    """As a person does it, who need not wait: few stops, and a snapshot shortly before."""
    terminal = Terminal("make", "rewind", "LAB=3", "LOG=debug", f"ISO={tmp_path}/3.iso")
    terminal.expect("LOCKUP: cpu0 makes no progress")         # the console, as it was recorded
    at_hang = terminal.expect(r"You are at instruction ([0-9,]+), in spin_lock \(spinlock.c:")[1]
    terminal.expect(r"\(gdb\) ")
    terminal.type("monitor info snapshots\r")
    snapshots = terminal.expect(r"(?s)List of snapshots(.*)\(gdb\) ")[1]
    end = int(at_hang.replace(",", ""))
    assert any(end - 3000 <= int(at) <= end for at in re.findall(r"\bat-(\d+)", snapshots)), snapshots
    terminal.type("python stops = []; gdb.events.stop.connect(stops.append)\r")
    terminal.expect(r"\(gdb\) ")
    terminal.type("taken heap_lock\r")
    terminal.expect(r"heap_lock is taken here, in kmalloc \(heap.c:\d+\)")
    terminal.expect(r"\(gdb\) ")
    terminal.type("python print(len(stops), 'stops')\r")
    assert 0 < int(terminal.expect(r"(\d+) stops\r\n")[1]) <= 5
    terminal.expect(r"\(gdb\) ")
    terminal.type("backtrace\r")
    terminal.expect("kzalloc(?s:.*)table_grow(?s:.*)directory_add")
    terminal.expect(r"\(gdb\) ")
    terminal.type("print heap_lock\r")
    terminal.expect("held by cpu0 since kmalloc")
    terminal.expect(r"\(gdb\) ")
    terminal.type("continue\r")                                 # forward again
    terminal.expect("This is where the recording was opened.")
    terminal.expect(r"\(gdb\) ")
    terminal.type("monitor info replay\r")
    assert terminal.expect(r"instruction count = (\d+)\s")[1] == at_hang.replace(",", "")
    terminal.type("quit\r")
    assert terminal.status() == 0
    assert not qemus_of(tmp_path)


def test_steps_back_and_a_breakpoint_of_ones_own(iso):
    image, elf = iso(3, "log=debug")
    output = rewind("--iso", image, "--elf", elf, commands=[
        POSITION, "reverse-stepi", POSITION, "stepi", POSITION, "hbreak heap_rescue",
        "reverse-continue", "printf \"in %s\\n\", \"rescue\"", "info breakpoints", "reverse-finish",
        "backtrace 1", "taken heap_lock", "info breakpoints", "now", POSITION, "taken heap_lock",
        "taken heap_lock", "now", POSITION])
    at = positions(output)
    assert at[1] == at[0] - 1 and at[2] == at[0] and at[3:] == [at[0], at[0]]
    assert re.search(r"Breakpoint 1, heap_rescue \(bytes=", output)
    assert output.count("keep y   0xffff") == 2         # `taken` leaves it as it was
    assert re.search(r"^#0 .* slab_get ", output, re.MULTILINE)
    assert len(re.findall("heap_lock is taken here, in kmalloc", output)) == 3


def test_taken_says_what_it_needs(recorded_hang):
    needs = {"": "taken: which lock? For example: taken heap_lock.",
             "bootinfo": "taken: bootinfo is no struct spinlock.",
             "nobody": 'taken: No symbol "nobody" in current context.',
             "test_lock": "taken: test_lock has not been taken yet.", "heap_lock = 0": "would write"}
    commands = [word for argument in needs for word in (f"taken {argument}", f"echo after {argument};")]
    output = rewind(recorded_hang, commands=commands)
    for argument, message in needs.items():
        said, _, output = output.partition(f"after {argument};")
        assert message in said, (argument, said)


@pytest.fixture(scope="module")
def recorded_hang(tmp_path_factory):
    """A recording of a lab 4 whose log still allocates, as grade.py leaves it."""
    directory = tmp_path_factory.mktemp("hang") / "recordings"
    done = subprocess.run([sys.executable, str(GRADER / "grade.py"), "4", "--patch",
                           "grader/mutants/04/allocates.patch", "--test", "boot.*", "--record",
                           str(directory)], cwd=ROOT, text=True, capture_output=True, check=False)
    assert "make rewind RECORDING=" in done.stdout, done.stdout + done.stderr
    return next(directory.iterdir())


def test_a_failing_grade_is_replayed_to_the_very_instruction(recorded_hang):
    about = json.loads((recorded_hang / recording.ABOUT).read_text())
    output = rewind(recorded_hang, commands=["continue", POSITION, "cycle", "continue", POSITION])
    assert positions(output) == [about["nr_instructions"] - 1] * 2
    assert "This is the end of the recording." in output
    assert "cpu0 waits for heap_lock in kmalloc" in output


def test_what_passed_leaves_no_recording(tmp_path):
    done = subprocess.run([sys.executable, str(GRADER / "grade.py"), "0", "--test", "boot.*",
                           "--record", str(tmp_path / "none")], cwd=ROOT, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0 and not (tmp_path / "none").exists(), done.stdout + done.stderr


def test_a_recording_has_the_sources_that_were_graded(tmp_path):
    """They may be a student's, in a tree that is gone."""
    tree = tmp_path / "alice"
    (tree / "labs/01-frames").mkdir(parents=True)
    source = (ROOT / "labs/01-frames/frame.c").read_text()
    broken = source.replace("void frame_init(void)\n{",
                            "void frame_init(void)\n{\n\tpanic(\"mine\"); /* of Alice's */")
    (tree / "labs/01-frames/frame.c").write_text(broken)
    subprocess.run([sys.executable, str(GRADER / "grade.py"), "1", "--tree", str(tree), "--test",
                    "frame.metadata_is_small", "--record", str(tmp_path / "recordings")], cwd=ROOT, text=True,
                   capture_output=True, check=False)
    made, = (tmp_path / "recordings").iterdir()
    output = rewind(made, commands=["up", "list"])
    assert "of Alice's" in output and "the kernel announced a panic" in output


def test_recording_changes_no_verdict_even_if_it_fails(tmp_path):
    """A tape that is full, or cannot be written, is no reason to grade differently."""
    def verdicts(*words):
        done = subprocess.run([sys.executable, str(GRADER / "grade.py"), "2", "--patch",
                               "grader/mutants/02/self-deadlock.patch", "--test",
                               "heap.alignment,heap.krealloc_grows", "--json", "-", *words],
                              cwd=ROOT, text=True, capture_output=True, check=False,
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
        return [(test["name"], test["verdict"]) for lab in json.loads(done.stdout)["labs"]
                for test in lab["tests"]]

    expected = verdicts()
    assert verdicts("--record", str(tmp_path / "recordings")) == expected
    assert {verdict for _, verdict in expected} == {"PASS", "DEADLOCK"}
    broken = tmp_path / "qemu-img"
    broken.write_text("#!/bin/sh\necho no space left >&2; exit 1\n")
    broken.chmod(0o755)
    assert verdicts("--record", str(tmp_path / "none")) == expected


def test_a_recording_in_a_directory_with_blanks(recorded_hang, tmp_path):
    made = tmp_path / "my recordings, 2"
    shutil.copytree(recorded_hang, made)
    done = subprocess.run(["make", "rewind", f"RECORDING={made}"], cwd=ROOT, text=True,
                          input="info source\nquit\n", capture_output=True, timeout=DEADLINE, check=False)
    assert f"Located in {made}/source/kernel/spinlock.c" in done.stdout, done.stdout + done.stderr


def test_a_patched_file_is_among_the_sources(recorded_hang):
    assert [*recorded_hang.glob("source/build/patched/*/log.c")]


def test_a_run_of_tests_says_what_became_of_them(iso):
    image, elf = iso(0, "log=info ktest=string.*")
    assert "This recording ends with: all tests passed." in rewind("--iso", image, "--elf", elf)


def test_a_failed_test_is_opened_at_the_check_that_failed(iso):
    """The first one, whichever tests come after; and no way back ends QEMU."""
    patch = ROOT / "grader/mutants/02/lock-left-held-on-failure.patch"
    image, elf = iso(2, "log=info initramfs=off ktest=heap.absurd,heap.alignment", f"PATCH={patch}")
    output = rewind("--iso", image, "--elf", elf, commands=[
        POSITION, "hbreak kmalloc", "reverse-continue", "delete", "reverse-continue", "reverse-continue",
        POSITION, "now", POSITION, "continue", POSITION])
    check = r"at a check that fails, in check_no_lock \(heap_test\.c:\d+\)\."
    assert "This recording ends with: some tests failed." in output
    assert len(re.findall(check, output)) == 2, output                      # where it opens, and now
    assert re.search(r"#1 .* in check_no_lock .*\n(?:warning: .*\n)?\d+\s+CHECK\(!lock", output), output
    assert re.search(r"Breakpoint 1, kmalloc \(bytes=(?:bytes@entry=)?18446744073709551615\)", output), output
    opened, power_on, now, end = positions(output)
    assert power_on == 0 and now == opened < end
    assert "cpu0 holds heap_lock since kmalloc" in output


def test_no_tape_ends_before_its_last_instruction(iso, tmp_path):
    """Or it plays only where QEMU's threads are in step. Not every tape was affected."""
    async def ends_too_early(directory):
        directory.mkdir()
        made = await record(recording.new(directory, Config(image), elf), ["reboot"])
        async with Machine(made.config, tape=made.tape("replay")) as guest:
            await guest.qmp("replay-break", icount=made.nr_instructions - 10)
            while (await guest.qmp("query-status"))["running"]:
                pass
            await guest.qmp("query-status")         # by now it has reported all that happened
            return guest._seen("SHUTDOWN") is not None

    async def look():
        return await asyncio.gather(*(ends_too_early(tmp_path / str(n)) for n in range(4)))

    image, elf = iso(0)
    assert not any(asyncio.run(look()))


@pytest.mark.parametrize("line, ending, place", [
    ("panic", "the kernel announced a panic", r"in panic \(panic\.c:|in do_panic \(monitor\.c:"),
    ("hang", "the watchdog bit", r"in hang \(monitor\.c:"),
    ("reboot", "it reset itself", r"in machine_reboot \(machine\.c:"),
    ("mem", "the monitor's prompt", r"in console_read \(console\.c:"),
])
def test_it_opens_where_things_went_wrong(iso, line, ending, place):
    image, elf = iso(0)
    output = rewind("--iso", image, "--elf", elf, "--type", line,
                    commands=[POSITION, "reverse-stepi", "now", POSITION])
    assert f"This recording ends with: {ending}." in output
    assert re.search(f"You are at instruction [0-9,]+, {place}", output), output
    assert len(set(positions(output))) == 1
    assert "No cycle: cpu0 waits for no lock." in output


def test_a_fault_is_opened_at_the_faulting_line(iso, tmp_path):
    patch = tmp_path / "fault.patch"
    source = (ROOT / "labs/01-frames/frame.c").read_text()
    changed = source.replace("void frame_init(void)\n{",
                             "void frame_init(void)\n{\n\t*(volatile int *)0x1234 = 5;")
    (tmp_path / "frame.c").write_text(changed)
    done = subprocess.run(["diff", "-u", "--label", "a/labs/01-frames/frame.c", "--label",
                           "b/labs/01-frames/frame.c", "labs/01-frames/frame.c",
                           tmp_path / "frame.c"], cwd=ROOT, text=True, capture_output=True)
    patch.write_text(done.stdout)
    image, elf = iso(1, "log=info", f"PATCH={patch}")
    line = changed[:changed.index("0x1234")].count("\n") + 1
    output = rewind("--iso", image, "--elf", elf)
    assert f"in frame_init (frame.c:{line})." in output, output


@pytest.mark.parametrize("damage, message", [
    (lambda made: shutil.rmtree(made), "is no recording: recording.json: No such file"),
    (lambda made: (made / "recording.json").write_text("{"), "recording.json is damaged"),
    (lambda made: (made / "recording.json").write_text('{"tape": 1}'), "recording.json is damaged"),
    (lambda made: (made / "recording.json").write_text("{}"), "it lacks its length"),
    (lambda made: (made / "replay.log").unlink(), "it lacks replay.log"),
])
def test_what_is_no_recording(recorded_hang, tmp_path, damage, message):
    made = tmp_path / "copy"
    shutil.copytree(recorded_hang, made)
    damage(made)
    output = rewind(made)
    assert message in output and output.count("\n") == 1, output


def test_a_damaged_tape(recorded_hang, tmp_path):
    made = tmp_path / "copy"
    shutil.copytree(recorded_hang, made)
    log = (made / "replay.log").read_bytes()
    (made / "replay.log").write_bytes(log[:len(log) // 3])
    assert "does not play: replay.log is damaged" in rewind(made)


@pytest.mark.parametrize("machine, message", [
    ({"accel": "kvm"}, "only TCG can record"), ({"firmware": "uefi"}, "only a boot with FIRMWARE=bios"),
])
def test_what_cannot_be_recorded(tmp_path, machine, message):
    with pytest.raises(MachineError, match=message):
        recording.new(tmp_path, Config(tmp_path / "x.iso", **machine), tmp_path / "x.elf")
