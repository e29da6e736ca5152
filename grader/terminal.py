# SPDX-License-Identifier: MIT
"""A machine and the person before it: `make run`, `debug`, `gdb` and `console`.

    terminal.py run     --iso ISO --elf ELF [--stopped] [--mem 64M] [--accel tcg|kvm] [--firmware …]
    terminal.py debug   --iso ISO --elf ELF [--mem 64M] … [-- GDB-ARGUMENTS]
    terminal.py gdb     [--elf ELF] [-- GDB-ARGUMENTS]
    terminal.py console [--elf ELF]

A machine that runs has a private directory with its sockets and a copy of its ELF. A symbolic
link "machine" beside the ELF leads there, so that `gdb` and `console` find it, and nobody else's.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Callable, Iterator

from console import CONSOLE, LINES, Console, connect, listen, view
from machine import PROMPT
from qemu import MIN_MEMORY, Config, MachineError, base_command, memory_bytes, parent_guard, qemu_guard

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ROOT / "grader/debugger/ouroboros.py"
PLACE, GDB, ELF = "machine", "gdb", "kernel.elf"    # the link, and what the directory holds
EXIT_PASSED, EXIT_FAILED = 33, 35       # of QEMU: 2 * status + 1, kernel/machine.h
GREETING = ("Stopped at its first instruction: continue lets it go, Ctrl-C stops it, quit ends it.\\n"
            "help ouroboros lists the commands for this kernel.\\n")
WIDE = 160                              # columns of a terminal in which two panes fit side by side

# How machine_exit() ends QEMU with a status. Not the grader's: whoever ends, its memory stays.
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


# ---- the machine, and where it is found


@contextlib.contextmanager
def private_place(elf: Path) -> Iterator[Path]:
    """A directory for one machine, to which the link beside its ELF leads for as long."""
    with tempfile.TemporaryDirectory(prefix="ouroboros-") as directory:
        shutil.copy(elf, Path(directory, ELF))
        link = elf.with_name(PLACE)
        new = link.with_name(f".{PLACE}.{os.getpid()}")
        new.symlink_to(directory)
        new.replace(link)
        try:
            yield Path(directory)
        finally:
            with contextlib.suppress(OSError):
                if os.readlink(link) == directory:      # and not that of a later machine
                    link.unlink()


def _running(elf: Path | None, name: str) -> Path:
    """The socket `name` of the machine that runs an ELF, or of the only machine there is."""
    links = [elf.with_name(PLACE)] if elf else sorted(ROOT.glob(f"build/*/{PLACE}"))
    found = []
    for link in links:
        with contextlib.suppress(OSError):
            connect(link / GDB).close()
            found.append(link)
    if not found:
        raise MachineError(f"no machine {f'of {elf.parent.name} ' if elf else ''}is running here. "
                           "Start one with make run or make debug")
    if len(found) > 1:
        raise MachineError("which one? Say LAB=N; there run: "
                           f"{', '.join(link.parent.name for link in found)}")
    if not (found[0] / name).exists():
        raise MachineError("its console is in the terminal that it was started in")
    return found[0] / name


@contextlib.contextmanager
def ended_with_us(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Kills the process on the way out, also when we are told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def gdb_flags(listener: socket.socket) -> list[str]:
    """Has QEMU wait for GDB at a socket of ours: who connects before QEMU is there must wait."""
    return ["-chardev", f"socket,id=gdb,fd={listener.fileno()},server=on,wait=off",
            "-gdb", "chardev:gdb"]


def gdb_command(elf: Path, address: Path, arguments: list[str]) -> list[str]:
    """The command that attaches GDB, with our commands, to the machine that runs an ELF."""
    if shutil.which("gdb") is None:
        raise MachineError("gdb is not installed. Try: make setup")
    return ["gdb", "-q", "-iex", "set debuginfod enabled off", str(elf), "-ex", "set confirm off",
            "-ex", f"target remote {address}", "-ex", f"source {COMMANDS}", *arguments]


def call_in_foreground(command: list[str], **variables: str) -> int:
    """
    Runs a program to its end. Ctrl-C and Ctrl-\\ on this terminal are for it alone, and not for
    make, which would end.
    """
    environment = {**os.environ, **variables}
    if not sys.stdin.isatty():
        return subprocess.call(command, env=environment)
    ours, terminal = os.getpgrp(), sys.stdin.fileno()
    dies_with_us = parent_guard(signal.SIGTERM)

    def prepare() -> None:
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        dies_with_us()

    signal.signal(signal.SIGTTOU, signal.SIG_IGN)       # for whoever hands over the terminal
    process = subprocess.Popen(command, env=environment, preexec_fn=prepare)
    try:
        while True:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            os.tcsetpgrp(terminal, ours)
            if not os.WIFSTOPPED(status):
                return os.waitstatus_to_exitcode(status)
            os.killpg(ours, signal.SIGSTOP)             # Ctrl-Z: we all stop, until fg
            os.tcsetpgrp(terminal, process.pid)
            os.killpg(process.pid, signal.SIGCONT)
    finally:
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)


# ---- make run


class Events:
    """Listens to what QEMU reports through QMP, from a thread of its own."""

    def __init__(self, qmp: socket.socket, react: Callable[[str], None]):
        self._qmp = qmp
        self._react = react                 # is given the name of every event
        self.reasons: list[str] = []        # why the machine was shut down or reset
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError), self._qmp.makefile("rw") as lines:
            lines.write('{"execute": "qmp_capabilities"}')
            lines.flush()
            for line in lines:
                message = json.loads(line)
                if "event" in message:
                    self.reasons += filter(None, [message.get("data", {}).get("reason")])
                    self._react(message["event"])

    def until_the_end(self) -> None:
        """Waits until QEMU, which must have ended, has nothing more to report."""
        self._thread.join()


def _how_it_ended(status: int | None, resets: Path, reasons: list[str]) -> str:
    """A word for the person who watched, or "" if there is nothing to say."""
    if status == EXIT_PASSED:
        return "The machine switched itself off: all tests passed."
    if status == EXIT_FAILED:
        return "The machine switched itself off: some tests failed."
    if resets.exists() and "Triple fault" in resets.read_text(errors="replace"):
        return "Triple fault: the CPU could not even report an exception, and reset itself."
    return "The machine reset itself." if "guest-reset" in reasons else ""


def _type_script(qemu: subprocess.Popen[bytes]) -> int | None:
    """
    Shows the console and types our standard input, a line at each prompt. Return: QEMU's exit
    status, or None when the input has ended before the machine.
    """
    tail = b""
    while data := os.read(qemu.stdout.fileno(), 4096):
        os.write(sys.stdout.fileno(), data)
        tail = (tail + data)[-len(PROMPT) - 1:]
        if tail == b"\n" + PROMPT.encode():
            line = sys.stdin.buffer.readline()
            if not line:
                return None
            os.write(qemu.stdin.fileno(), line.rstrip(b"\r\n") + b"\r")
    return qemu.wait()


def run(config: Config, elf: Path, stopped: bool) -> int:
    """
    Boots a machine with its console on this terminal, in real time. Without a terminal the
    standard input is a script, and the machine ends with it, or with a panic. One that starts
    `stopped` waits for GDB to let it go.
    """
    person = sys.stdin.isatty()
    told: list[str] = []
    make_gdb = f"make gdb LAB={elf.parent.name.removeprefix('stage-').partition('-')[0]}"

    def react(event: str) -> None:
        if person and event == "GUEST_PANICKED" and not told:
            told.append(event)
            print(f"\nCtrl-A x leaves. To look into it, in another terminal: {make_gdb}\r",
                  file=sys.stderr)

    qmp, qmp_peer = socket.socketpair()
    with qmp, private_place(elf) as place, listen(place / GDB) as listener:
        resets = place / "resets"
        command = base_command(config, panic="none" if person else "exit-failure")
        command += [*DEBUG_EXIT, "-serial", "mon:stdio" if person else "stdio",
                    "-chardev", f"socket,id=qmp,fd={qmp_peer.fileno()}",
                    "-mon", "chardev=qmp,mode=control", "-d", "cpu_reset", "-D", str(resets),
                    *gdb_flags(listener), *(["-S"] if stopped else [])]
        if person:
            print("Ctrl-A x quits.", file=sys.stderr)
        pipe = None if person else subprocess.PIPE
        with qmp_peer:
            qemu = subprocess.Popen(command, stdin=pipe, stdout=pipe,
                                    pass_fds=[qmp_peer.fileno(), listener.fileno()],
                                    preexec_fn=qemu_guard())
        with ended_with_us(qemu):
            events = Events(qmp, react)
            if stopped:
                print(f"Waiting for GDB: {make_gdb}\r", file=sys.stderr)
            status = qemu.wait() if person else _type_script(qemu)
        events.until_the_end()
        if last_word := _how_it_ended(status, resets, events.reasons):
            print(f"\n{last_word}", file=sys.stderr)
    return 0 if status in (None, 0, EXIT_PASSED) else 1


# ---- make debug, make gdb, make console


def _tmux(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["tmux", *words], text=True, capture_output=True, check=False)


def _open_pane(address: Path) -> bool:
    """Opens the console beside us, if we are in tmux and there is room."""
    pane = os.environ.get("TMUX_PANE", "")
    if not (pane and sys.stdout.isatty() and shutil.which("tmux")):
        return False
    columns = _tmux("display-message", "-p", "-t", pane, "#{pane_width}").stdout.strip()
    side = "-h" if columns.isdecimal() and int(columns) >= WIDE else "-v"
    return _tmux("split-window", "-d", side, "-t", pane, sys.executable, __file__, "console",
                 str(address)).returncode == 0


def debug(config: Config, elf: Path, arguments: list[str]) -> int:
    """
    Boots a machine stopped at its first instruction and hands the terminal to GDB. The machine
    ends when GDB does. Its console is in a pane of its own, or shown here.
    """
    with private_place(elf) as place, listen(place / GDB) as listener:
        guest, guest_peer = socket.socketpair()
        command = base_command(config, panic="pause") + [
            "-S", "-action", "shutdown=pause", *DEBUG_EXIT, *gdb_flags(listener),
            "-chardev", f"socket,id=console,fd={guest_peer.fileno()}", "-serial", "chardev:console"]
        gdb = gdb_command(elf, place / GDB, ["-ex", f"echo {GREETING}", *arguments])
        with guest_peer:
            qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                    pass_fds=(guest_peer.fileno(), listener.fileno()),
                                    preexec_fn=qemu_guard())
        with ended_with_us(qemu):
            console = Console(guest, place, shown=True)
            if not _open_pane(place / CONSOLE):
                print("The console is shown here. To type at it: type LINE in GDB, or make console "
                      "in another terminal.", file=sys.stderr)
            status = call_in_foreground(gdb, OUROBOROS_LINES=str(place / LINES))
        console.until_the_end()
        return status


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="terminal.py", description=__doc__.splitlines()[0],
                                     epilog="What follows -- goes to GDB.")
    parser.add_argument("what", choices=["run", "debug", "gdb", "console"])
    parser.add_argument("address", type=Path, nargs="?", help="a console's socket")
    parser.add_argument("--iso", type=Path)
    parser.add_argument("--elf", type=Path)
    parser.add_argument("--stopped", action="store_true")
    parser.add_argument("--mem", default=Config.mem)
    parser.add_argument("--accel", choices=["tcg", "kvm"], default=Config.accel)
    parser.add_argument("--firmware", choices=["bios", "uefi"], default=Config.firmware)
    end = words.index("--") if "--" in words else len(words)
    given, arguments = parser.parse_args(words[:end]), words[end + 1:]
    if memory_bytes(given.mem) < MIN_MEMORY:
        print(f"terminal.py: {given.mem!r} is not a size of memory like 64M or 6G, "
              f"and of at least {MIN_MEMORY >> 20}M", file=sys.stderr)
        return 2
    config = Config(given.iso, given.mem, given.accel, given.firmware)
    try:
        if given.what == "console":
            return view(given.address or _running(given.elf, CONSOLE))
        if given.what == "gdb":
            address = _running(given.elf, GDB)
            return call_in_foreground(gdb_command(address.with_name(ELF), address, arguments))
        if not (given.iso and given.elf):
            parser.error(f"{given.what} needs --iso and --elf")
        if given.what == "run":
            return run(config, given.elf, given.stopped)
        return debug(config, given.elf, arguments)
    except MachineError as error:
        print(f"terminal.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
