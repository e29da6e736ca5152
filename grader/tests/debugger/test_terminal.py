"""What people do with a machine: make run, debug, gdb and console."""
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import GRADER, ROOT
from processes import DEADLINE, Terminal, qemus_of, until
from trees import copied, patch_for

from debugger.run import _how_it_ended
from machine import qemu
from machine.host import PREFIX

NO_MACHINE = "is running here. Start one with make run or make debug"


def command(what, *arguments):
    return [sys.executable, str(GRADER / "terminal.py"), what, *map(str, arguments)]


@pytest.fixture
def guest(iso, tmp_path):
    """A function that builds a stage and returns --iso, --elf, for an ELF that no other test has."""
    def build(*words):
        image, elf = iso(*words)
        return "--iso", image, "--elf", shutil.copy(elf, tmp_path / "kernel.elf")
    return build


def test_run_on_a_terminal_and_quit(guest, tmp_path):
    terminal = Terminal(*command("run", *guest(0)))
    terminal.expect("Ctrl-A x quits")
    terminal.expect("ouroboros> ")
    terminal.type("hang\r")
    terminal.expect("LOCKUP: cpu0 makes no progress")
    terminal.expect("stays put")
    terminal.expect("Ctrl-A x leaves. To look into it, in another terminal: make gdb")
    terminal.type("\x01x")
    assert terminal.status() == 0
    assert not qemus_of(tmp_path) and not (tmp_path / "machine").is_symlink()


def test_the_screen_of_a_run_can_be_seen(guest, tmp_path):
    words = re.search(r"type (Ctrl-A c), .*\n`(screendump) FILE`", (ROOT / "docs/boot.md").read_text())
    picture = tmp_path / "screen.ppm"
    terminal = Terminal(*command("run", *guest(0)))
    terminal.expect("ouroboros> ")
    assert words[1] == "Ctrl-A c"
    terminal.type("\x01c")
    terminal.expect(r"\(qemu\) ")
    terminal.type(f"{words[2]} {picture}\r")
    until(lambda: picture.exists() and picture.read_bytes().startswith(b"P6\n720 400\n"))
    terminal.expect(r"\(qemu\) ")
    terminal.type("\x01c\r")
    terminal.expect("ouroboros> ")
    terminal.type("\x01x")
    assert terminal.status() == 0


def test_run_ends_with_the_guest(guest):
    terminal = Terminal(*command("run", *guest(0)))
    terminal.expect("ouroboros> ")
    terminal.type("reboot\r")
    terminal.expect("The machine reset itself.")
    assert terminal.status() == 0


@pytest.mark.parametrize("size, firmware, least", [
    *((size, "bios", "5M") for size in ("abc", "", "0", "064M", "64MB", "64m", "-64M", "4M", "5119K")),
    ("83M", "uefi", "84M with UEFI"), ("5M", "uefi", "84M with UEFI")])
def test_a_size_of_memory_that_is_none(size, firmware, least, tmp_path):
    (tmp_path / "file").touch()
    for words in (command("run"), [sys.executable, str(GRADER / "rewind.py")]):
        done = subprocess.run([*words, "--iso", tmp_path / "file", "--elf", tmp_path / "file",
                               f"--mem={size}", f"--firmware={firmware}"], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode == 2
        assert done.stderr.endswith(f"error: {size!r} is not a size of memory like 64M or 6G, "
                                    f"and of at least {least}\n")


@pytest.mark.parametrize("size, nr_bytes", [
    ("8", 8 << 20), ("8M", 8 << 20), ("8192K", 8 << 20), ("64M", 64 << 20), ("6G", 6 << 30),
    ("", 0), ("-8M", 0), ("8T", 0), ("0x8M", 0)])
def test_a_size_of_memory(size, nr_bytes):
    assert qemu.memory_bytes(size) == nr_bytes


def test_run_survives_a_qemu_that_does_not_start(guest, tmp_path):
    words = [*guest(0)]
    words[1] = tmp_path / "none.iso"
    done = subprocess.run(command("run", *words), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 2
    assert "none.iso: no such file" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("events, resets, words", [
    (["guest-reset"], None, "The machine reset itself."), (["host-qmp-quit"], None, ""),
    (["guest-shutdown"], None, "The machine switched itself off."),
    (["guest-reset"], "Triple fault\n", "Triple fault: "), ([], "", ""),
])
def test_how_it_ended(tmp_path, events, resets, words):
    if resets is not None:
        (tmp_path / "resets").write_text(resets)
    assert _how_it_ended(0, tmp_path / "resets", events).startswith(words)
    assert bool(_how_it_ended(0, tmp_path / "resets", events)) == bool(words)


@pytest.mark.parametrize("tests, status", [("string.*", 0), ("no.such", 1)])
def test_run_reports_the_result_of_tests(guest, tests, status):
    done = subprocess.run(command("run", *guest(0, f"log=info ktest={tests}")), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE,
                          check=False)
    assert done.returncode == status
    assert ("all tests passed" if status == 0 else "some tests failed") in done.stderr


@pytest.mark.parametrize("script, status, last_line", [
    (b"", 0, b"ouroboros> "),
    (b"help\nmem", 0, b"ouroboros> "),
    (b"panic\nhelp\n", 1, b"stays put for a debugger.\r\n"),
    (b"hang\n", 1, b"stays put for a debugger.\r\n"),
])
def test_run_takes_a_script(guest, tmp_path, script, status, last_line):
    done = subprocess.run(command("run", *guest(0)), input=script, capture_output=True,
                          timeout=DEADLINE, check=False)
    assert done.returncode == status
    assert done.stdout.endswith(last_line)
    assert not qemus_of(tmp_path)


def test_debug_stops_the_guest_at_ctrl_c_and_ends_with_gdb(guest, tmp_path):
    terminal = Terminal(*command("debug", *guest(0)))
    terminal.expect("The console is shown here")
    terminal.expect(r"\(gdb\) ")
    terminal.type("hbreak monitor_run\r")
    terminal.expect(r"\(gdb\) ")
    terminal.type("continue\r")
    terminal.expect("Ouroboros")                    # the guest's console, in the same terminal
    terminal.expect(r"monitor_run \(\) at kernel/monitor.c")
    terminal.type("continue\r")
    terminal.expect("ouroboros> ")
    until(lambda: qemus_of(tmp_path))
    terminal.type("\x03")
    terminal.expect("SIGINT")
    assert qemus_of(tmp_path)
    terminal.type("backtrace\r")
    terminal.expect("kmain")
    terminal.type("quit\r")
    assert terminal.status() == 0
    until(lambda: not qemus_of(tmp_path))
    assert not (tmp_path / "machine").is_symlink()


def test_ctrl_c_in_gdb_does_not_end_make(tmp_path):
    terminal = Terminal("make", "debug", "LAB=0", f"ISO={tmp_path}/0.iso")
    terminal.expect(r"\(gdb\) ")
    terminal.type("continue\r")
    terminal.expect("ouroboros> ")
    terminal.type("\x03")
    terminal.expect("SIGINT")
    terminal.type("quit\r")
    assert terminal.status() == 0       # make says "Interrupt" and fails if it has heard of it
    assert "***" not in terminal.text


def test_debug_stops_by_itself_when_the_kernel_hangs(guest):
    done = subprocess.run(
        command("debug", *guest(3, "log=debug"), "--", "-batch", "-ex", "continue", "-ex", "backtrace"),
        cwd=ROOT, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=DEADLINE,
        check=False)
    functions = re.findall(r"^#\d+ .*?(\w+) \(", done.stdout, re.MULTILINE)
    for function in ("lockup_report", "spin_lock", "heap_rescue", "table_grow", "kmain"):
        assert function in functions, done.stdout + done.stderr
    assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stderr


def test_what_is_typed_in_gdb_waits_for_the_prompt(guest):
    done = subprocess.run(
        command("debug", *guest(3, "log=error"), "--", "-batch", "-ex", "type heap", "-ex", "type fill",
                "-ex", "continue"),
        cwd=ROOT, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=DEADLINE,
        check=False)
    console = done.stdout.replace("\r", "")
    assert re.search(r"ouroboros> heap\n.*\nouroboros> fill\n.*LOCKUP: cpu0 makes no progress\ncpu0 waits for heap_lock",
                     console, re.DOTALL), console


def test_the_console_of_a_debugged_guest_in_another_terminal(guest):
    words = guest(0)
    gdb = Terminal(*command("debug", *words))
    gdb.expect(r"\(gdb\) ")
    console = Terminal(*command("console", *words[2:]))
    console.expect("Ctrl-A x closes this view")
    gdb.type("continue\r")
    console.expect("Ouroboros")
    console.expect("ouroboros> ")
    console.type("help\r")
    console.expect("monitor|mem")
    console.expect("ouroboros> ")
    assert "ouroboros> " not in gdb.text
    gdb.type("\x03")
    gdb.expect("SIGINT")
    late = Terminal(*command("console", *words[2:]))        # sees what there was
    late.expect("Ouroboros")
    late.type("\x01x")
    assert late.status() == 0
    gdb.type("quit\r")
    assert gdb.status() == 0 and console.status() == 0


def attached(words, gdb_command):
    """Attaches a GDB to a guest's machine for one command. Return: what became of it."""
    return subprocess.run(command("gdb", *words[2:], "--", "-batch", "-ex", gdb_command), text=True,
                          cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=DEADLINE, check=False)


def test_gdb_says_where_a_machine_is_whose_kernel_does_not_run_yet(guest):
    words = guest(0)
    run = Terminal(*command("run", *words, "--stopped"))
    run.expect("Waiting for GDB: make gdb")
    done = attached(words, "kill")
    assert "kmain() has not begun, as the machine is still in its firmware" in done.stdout
    assert run.status() == 0


def test_gdb_attaches_to_a_running_guest_and_lets_it_go_on(guest, tmp_path):
    words = guest(0)
    run = Terminal(*command("run", *words))
    run.expect("ouroboros> ")
    for turn in range(2):
        done = attached(words, "backtrace")
        assert done.returncode == 0 and "monitor_run" in done.stdout, done.stdout + done.stderr
        run.type("mem\r")
        run.expect("kernel")
        run.expect("ouroboros> ")
    refused = subprocess.run(command("console", *words[2:]), text=True, stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=DEADLINE, check=False)
    assert refused.returncode == 3
    assert "its console is in the terminal that it was started in" in refused.stderr
    run.type("mem\r")                   # having been asked for a console, it still runs
    run.expect("kernel")
    run.expect("ouroboros> ")
    run.type("\x01x")
    assert run.status() == 0
    gone = subprocess.run(command("gdb", *words[2:]), text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=DEADLINE, check=False)
    assert gone.returncode == 3 and NO_MACHINE in gone.stderr


def test_a_stopped_guest_waits_for_gdb(guest, tmp_path):
    words = guest(0)
    run = Terminal(*command("run", *words, "--stopped"))
    run.expect("Waiting for GDB: make gdb")
    done = attached(words, "print $pc")
    assert "0xfff0" in done.stdout, done.stdout + done.stderr
    run.expect("ouroboros> ")           # GDB has left, so it goes on
    run.type("\x01x")
    assert run.status() == 0


def test_two_machines_of_one_stage(guest, tmp_path):
    """The later one is found; it does not take the first one's place when it is gone itself."""
    words = guest(0)
    first = Terminal(*command("debug", *words))
    first.expect(r"\(gdb\) ")
    second = Terminal(*command("debug", *words))
    second.expect(r"\(gdb\) ")
    assert (tmp_path / "machine").is_symlink()
    link = os.readlink(tmp_path / "machine")
    for gdb in (first, second):
        gdb.type("continue\r")
        gdb.expect("ouroboros> ")
        gdb.type("\x03")
        gdb.expect("SIGINT")
    attach = command("gdb", *words[2:])
    both = subprocess.run(attach, text=True, capture_output=True, timeout=DEADLINE, check=False)
    assert both.returncode == 3 and "somebody debugs that machine already" in both.stderr
    second.type("quit\r")
    assert second.status() == 0 and not os.path.exists(link)
    assert os.readlink(tmp_path / "machine") != link        # the first one's
    first.type("quit\r")
    assert first.status() == 0 and not (tmp_path / "machine").is_symlink()


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")
def test_in_tmux_the_console_has_a_pane_of_its_own(guest, tmp_path):
    def tmux(*words):
        return subprocess.run(["tmux", "-S", tmp_path / "tmux", "-f", "/dev/null", *words], text=True,
                              capture_output=True, check=False, env=environment).stdout

    def seen(text, pane):
        return text in tmux("capture-pane", "-p", "-t", f"0.{pane}")

    environment = {key: value for key, value in os.environ.items() if not key.startswith("TMUX")}
    tmux("new-session", "-d", "-x", "200", "-y", "50", "-c", ROOT, "sh")
    try:
        tmux("send-keys", "-t", "0.0", " ".join(command("debug", *guest(0))), "Enter")
        until(lambda: seen("(gdb)", 0))
        until(lambda: len(tmux("list-panes").splitlines()) == 2)
        tmux("send-keys", "-t", "0.0", "continue", "Enter")
        until(lambda: seen("ouroboros>", 1))
        tmux("send-keys", "-t", "0.1", "mem", "Enter")
        until(lambda: seen("firmware", 1))
        assert not seen("ouroboros>", 0)
        tmux("send-keys", "-t", "0.0", "C-c", "")
        until(lambda: seen("SIGINT", 0))
        tmux("send-keys", "-t", "0.0", "quit", "Enter")
        until(lambda: len(tmux("list-panes").splitlines()) == 1)
    finally:
        tmux("kill-server")


def test_without_a_lab_the_only_machine_is_found(tmp_path):
    """Also though build/stage leads to its directory as well. Other tests' machines are elsewhere."""
    tree = copied(tmp_path / "tree")
    run = Terminal("make", "run", "LAB=0", "VARIANT=", f"ISO={tmp_path}/0.iso", directory=tree)
    run.expect("ouroboros> ")
    subprocess.run(["make", "-s", "elf", "LAB=0"], cwd=tree, check=True)        # makes the link
    done = subprocess.run([sys.executable, tree / "grader/terminal.py", "gdb", "--", "-batch", "-ex",
                           "backtrace"], text=True, cwd=tree, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=DEADLINE, check=False)
    assert "monitor_run" in done.stdout, done.stdout + done.stderr
    run.type("\x01x")
    assert run.status() == 0


@pytest.mark.parametrize("what", ["run", "debug"])
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM])
def test_whose_terminal_is_closed_leaves_nothing(guest, tmp_path, what, how):
    terminal = Terminal(*command(what, *guest(0)), TMPDIR=str(tmp_path))
    terminal.expect(r"ouroboros> |\(gdb\) ")
    os.kill(terminal.pid, how)
    terminal.status()
    until(lambda: not qemus_of(tmp_path))
    assert not [*tmp_path.glob(f"{PREFIX}*")] and not (tmp_path / "machine").is_symlink()


@pytest.mark.parametrize("what, typed", [
    ("run", ()), ("debug", ()), ("debug", ("continue",)), ("rewind", ()),
])
def test_nothing_outlives_the_terminal_of_make(what, typed, tmp_path):
    """The kernel tells only make, which then waits for us."""
    terminal = Terminal("make", what, "LAB=0", f"ISO={tmp_path}/0.iso", TMPDIR=str(tmp_path))
    terminal.expect(r"ouroboros> |\(gdb\) ")
    for line in typed:
        terminal.type(line + "\r")
        terminal.expect("ouroboros> ")
    os.close(terminal.file)
    until(lambda: not qemus_of(tmp_path))
    Terminal.running.discard(terminal.pid)
    os.waitpid(terminal.pid, 0)
    until(lambda: not [*tmp_path.glob(f"{PREFIX}*")])


@pytest.mark.parametrize("second", [signal.SIGHUP, signal.SIGTERM])
def test_a_second_signal_does_not_disturb_the_clean_up(second):
    program = ("import os, signal\n"
               "from debugger.foreground import clean_up_when_told_to_end\n"
               "clean_up_when_told_to_end()\n"
               "try:\n"
               "    signal.raise_signal(signal.SIGHUP)\n"
               "finally:\n"
               f"    signal.raise_signal({second:d})\n"
               "    print('cleaned up')\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=GRADER, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGHUP, "cleaned up\n", "")


@pytest.mark.parametrize("moment", ["tempfile.mkdtemp", "shutil.rmtree", "signal.pthread_sigmask"])
@pytest.mark.parametrize("call", range(1, 5))
def test_a_signal_at_any_moment_leaves_no_directory(moment, call, tmp_path):
    """As the first thing that the call-th call of a function of the machine's does, or the last."""
    module, function = moment.split(".")
    program = ("import os, signal, shutil, tempfile\n"
               "from debugger.foreground import clean_up_when_told_to_end\n"
               "from machine.host import temporary_directory\n"
               f"calls, real = 0, {moment}\n"
               "def signalled(*arguments, **names):\n"
               "    global calls\n"
               "    calls += 1\n"
               f"    if calls == {call}:\n"
               "        os.kill(os.getpid(), signal.SIGTERM)\n"
               "    return real(*arguments, **names)\n"
               f"{module}.{function} = signalled\n"
               "clean_up_when_told_to_end()\n"
               "with temporary_directory():\n"
               "    pass\n"
               "signal.raise_signal(signal.SIGTERM)\n")
    done = subprocess.run([sys.executable, "-c", program], cwd=GRADER, stdin=subprocess.DEVNULL,
                          env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert (done.returncode, [*tmp_path.iterdir()]) == (128 + signal.SIGTERM, [])


def test_nothing_outlives_make(tmp_path):
    make = subprocess.Popen(["make", "debug", "LAB=0", "BREAK=kmain", f"ISO={tmp_path}/0.iso"],
                            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    until(lambda: qemus_of(tmp_path))
    make.kill()
    make.wait()
    until(lambda: not qemus_of(tmp_path))


def test_a_long_temporary_directory(guest, tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    done = subprocess.run(command("debug", *guest(0), "--", "-batch", "-ex", "print $pc"), text=True,
                          cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE,
                          env={**os.environ, "TMPDIR": str(deep)}, check=False)
    assert "0xfff0" in done.stdout, done.stdout + done.stderr


def test_quitting_gdb_does_not_let_the_guest_run_on(guest):
    done = subprocess.run(command("debug", *guest(0), "--", "-batch", "-ex", "hbreak kmain", "-ex",
                                  "continue"), text=True, cwd=ROOT, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=DEADLINE, check=False)
    assert "Breakpoint 1, kmain" in done.stdout and "eats its own tail" not in done.stdout


def test_a_breakpoint_that_is_none_leaves_it_stopped(tmp_path):
    done = subprocess.run(["make", "debug", "LAB=0", "BREAK=nobody", f"ISO={tmp_path}/0.iso"], text=True,
                          cwd=ROOT, input="print $pc\nquit\n", capture_output=True, timeout=DEADLINE,
                          check=False)
    assert "nobody" in done.stderr and "0xfff0" in done.stdout, done.stdout + done.stderr


@pytest.fixture
def too_large(tmp_path):
    """The words for make of a stage 1 whose kernel does not fit in memory, the ISO's among them."""
    frame = "labs/01-frames/frame.c"
    (tmp_path / "bss.patch").write_text(patch_for(
        frame, (ROOT / frame).read_text() + "char map_of_all_frames[200u << 20];\n"))
    return ["LAB=1", f"PATCH={tmp_path}/bss.patch", f"ISO={tmp_path}/1.iso"]


@pytest.mark.parametrize("target, complaint", [
    ("run", "terminal.py: GRUB did not load the kernel: error: out of memory."),
    ("rewind", "rewind.py: GRUB did not load the kernel: error: out of memory."),
])
def test_a_kernel_that_does_not_fit_is_no_riddle(too_large, target, complaint):
    done = subprocess.run(["make", "-s", target, *too_large], cwd=ROOT, text=True, input="help\n",
                          capture_output=True, timeout=DEADLINE, check=False)
    assert done.returncode != 0 and complaint in done.stderr


def test_a_person_sees_that_the_kernel_does_not_fit(too_large):
    terminal = Terminal("make", "-s", "run", *too_large)
    terminal.expect(r"error: out of memory\.\s+error: .*\s+GRUB did not start the kernel\.")
    terminal.expect(r"The machine switched itself off\.")


def test_gdb_may_wait_for_a_kernel_that_does_not_fit(too_large):
    terminal = Terminal("make", "-s", "debug", *too_large)
    terminal.expect(r"\(gdb\) ")
    terminal.type("continue\n")
    terminal.expect(r"error: out of memory\.\s+error: .*\s+GRUB did not start the kernel\.")


def test_a_boot_that_grub_gives_up_ends_with_its_reason(tmp_path):
    """GRUB 2.12 and later may need more than the least that we take for UEFI; 2.06 does with that."""
    done = subprocess.run(["make", "-s", "run", "LAB=0", "FIRMWARE=uefi", "MEM=84M",
                           f"ISO={tmp_path}/uefi.iso"], cwd=ROOT, text=True, input="help\n",
                          capture_output=True, timeout=DEADLINE, check=False)
    if "ouroboros> " in done.stdout:
        assert done.returncode == 0
    else:
        assert done.returncode != 0
        assert "terminal.py: GRUB did not load the kernel: could not allocate" in done.stderr
