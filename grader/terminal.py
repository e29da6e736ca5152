# SPDX-License-Identifier: MIT
"""A machine and the person before it: `make run`, `debug`, `gdb` and `console`.

    terminal.py run     --iso ISO --elf ELF [--stopped] [--mem 64M] [--accel tcg] [--firmware bios]
    terminal.py debug   --iso ISO --elf ELF [--break FUNCTION] [--type LINE] … [-- GDB-ARGUMENTS]
    terminal.py gdb     [--elf ELF] [-- GDB-ARGUMENTS]
    terminal.py console [--elf ELF | SOCKET]

A machine that runs has a private directory with its sockets and a copy of its ELF. A symbolic
link "machine" beside the ELF leads there, so that `gdb` and `console` find it, and nobody else's.
Whether it still runs, and whether somebody debugs it, is told by who has locked a file there: a
connection, even one that is closed at once, would have QEMU stop it.
"""
from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable, Iterator

from console import CONSOLE, LINES, Console, listen, view
from machine import PROMPT
from qemu import (MIN_MEMORY, Config, MachineError, base_command, end_with_parent, memory_bytes,
                  parent_guard, qemu_guard, virtual_time)

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ROOT / "grader/debugger/ouroboros.py"
PLACE = "machine"                       # the link, and in the directory:
GDB, ELF, RUNNING, DEBUGGED, FIRST = "gdb", "kernel.elf", "running", "debugged", "first.gdb"
ADDRESS_BYTES = 108                     # of a UNIX socket's name, with its NUL: unix(7)
EXIT_PASSED, EXIT_FAILED = 33, 35       # of QEMU: 2 * status + 1, kernel/machine.h
GREETING = ("Stopped at its first instruction: continue lets it go, Ctrl-C stops it, quit ends "
            "it.\\nhelp ouroboros lists the commands for this kernel.\\n")
STAY_STOPPED = "python gdb.events.gdb_exiting.connect(lambda _: gdb.execute('disconnect'))"
WIDE = 160                              # columns of a terminal in which two panes fit side by side

# How machine_exit() ends QEMU with a status. Not the grader's: whoever ends, its memory stays.
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]


# ---- the machine, and where it is found


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """A directory of our own whose name is short enough for sockets to lie in it."""
    usual = Path(tempfile.gettempdir(), "ouroboros-12345678", CONSOLE)
    short = len(os.fsencode(usual)) < ADDRESS_BYTES
    with tempfile.TemporaryDirectory(prefix="ouroboros-", dir=None if short else "/tmp") as name:
        yield Path(name)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Locks a file for as long as we live. Gives false if somebody else has locked it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextlib.contextmanager
def machines_place(elf: Path) -> Iterator[Path]:
    """A directory for one machine, to which the link beside its ELF leads for as long."""
    with private_directory() as directory, locked(directory / RUNNING):
        shutil.copy(elf, directory / ELF)
        link = elf.with_name(PLACE)
        before = Path(os.readlink(link)) if link.is_symlink() else None
        _link(link, directory)
        try:
            yield directory
        finally:
            with contextlib.suppress(OSError):
                if os.readlink(link) == str(directory):     # and not that of a later machine
                    if before and before.is_dir():          # an earlier one still runs
                        _link(link, before)
                    else:
                        link.unlink()


def _link(link: Path, target: Path) -> None:
    """Makes a symbolic link, in the place of one that may be there."""
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.symlink_to(target)
    new.replace(link)


def _running(elf: Path | None, name: str) -> Path:
    """The socket `name` of the machine that runs an ELF, or of the only machine there is."""
    links = [elf.with_name(PLACE)] if elf else sorted(ROOT.glob(f"build/stage-*/{PLACE}"))
    found = []
    for link in links:
        with contextlib.suppress(OSError), locked(link / RUNNING) as is_ours:
            found += [] if is_ours else [link]
    if not found:
        raise MachineError(f"no machine {f'of {elf.parent.name} ' if elf else ''}is running here. "
                           "Start one with make run or make debug")
    if len(found) > 1:
        raise MachineError("which one? Say LAB=N; there run: "
                           f"{', '.join(link.parent.name for link in found)}")
    if not (found[0] / name).exists():
        raise MachineError("its console is in the terminal that it was started in")
    return found[0].resolve() / name


def clean_up_when_told_to_end() -> None:
    """
    Has a signal that would end us be an exception, so that all is left as it should be. The end
    of who has started us, mostly make, is such a signal too, and so is that of our terminal.
    """
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    end_with_parent(signal.SIGTERM)
    if sys.stdin.isatty():
        threading.Thread(target=_watch_terminal, daemon=True).start()


def _watch_terminal() -> None:
    """
    Sends ourselves SIGHUP when the terminal is closed. The kernel tells only the first program
    in it; if that is make, it waits for us.
    """
    terminal = select.poll()
    terminal.register(sys.stdin, 0)         # no event but its end
    terminal.poll()
    signal.pthread_kill(threading.main_thread().ident, signal.SIGHUP)


@contextlib.contextmanager
def qemu_running(command: list[str], inherited: list[socket.socket], **how: Any
                 ) -> Iterator[subprocess.Popen[bytes]]:
    """
    Starts QEMU, as subprocess.Popen would, and kills it on the way out. The sockets that it
    inherits are closed here, so that their other ends notice when it ends.
    """
    with contextlib.ExitStack() as ours:
        descriptors = [ours.enter_context(end).fileno() for end in inherited]
        qemu = subprocess.Popen(command, pass_fds=descriptors, preexec_fn=qemu_guard(), **how)
    try:
        yield qemu
    finally:
        qemu.kill()
        qemu.wait()


def gdb_flags(listener: socket.socket) -> list[str]:
    """Has QEMU wait for GDB at a socket of ours: who connects before QEMU is there must wait."""
    return ["-chardev", f"socket,id=gdb,fd={listener.fileno()},server=on,wait=off",
            "-gdb", "chardev:gdb"]


def gdb_command(elf: Path, address: Path, arguments: list[str]) -> list[str]:
    """The command that attaches GDB, with our commands, to the machine that runs an ELF."""
    if shutil.which("gdb") is None:
        raise MachineError("gdb is not installed. Try: make setup")
    return ["gdb", "-q", "-iex", "set debuginfod enabled off", str(elf), "-ex", "set confirm off",
            "-ex", "set pagination off",                # a question would swallow what is typed next
            "-ex", "set breakpoint pending off",        # there is no library to come
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
            while os.tcgetpgrp(terminal) != ours:       # it was bg: GDB needs the terminal
                os.killpg(ours, signal.SIGSTOP)
            os.tcsetpgrp(terminal, process.pid)
            os.killpg(process.pid, signal.SIGCONT)
    except OSError:                                     # the terminal is gone
        return 128 + signal.SIGHUP
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


def run(config: Config, elf: Path, stopped: bool, clock: list[str]) -> int:
    """
    Boots a machine with its console on this terminal, in real time, or as `clock` says. Without
    a terminal the standard input is a script, and the machine ends with it, or with a panic. One
    that starts `stopped` waits for GDB to let it go.
    """
    person = sys.stdin.isatty()
    told: list[str] = []

    def react(event: str) -> None:
        if person and event == "GUEST_PANICKED" and not told:
            told.append(event)
            print("\nCtrl-A x leaves. To look into it, in another terminal: make gdb\r",
                  file=sys.stderr)

    qmp, qmp_peer = socket.socketpair()
    with qmp, machines_place(elf) as place:
        listener = listen(place / GDB)
        resets = place / "resets"
        command = base_command(config, panic="none" if person else "exit-failure") + clock
        command += [*DEBUG_EXIT, "-serial", "mon:stdio" if person else "stdio",
                    "-chardev", f"socket,id=qmp,fd={qmp_peer.fileno()}",
                    "-mon", "chardev=qmp,mode=control", "-d", "cpu_reset", "-D", str(resets),
                    *gdb_flags(listener), *(["-S"] if stopped else [])]
        if person:
            print("Ctrl-A x quits.", file=sys.stderr)
        pipe = None if person else subprocess.PIPE
        with qemu_running(command, [qmp_peer, listener], stdin=pipe, stdout=pipe) as qemu:
            events = Events(qmp, react)
            if stopped:
                print("Waiting for GDB: make gdb\r", file=sys.stderr)
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


def debug(config: Config, elf: Path, clock: list[str], commands: list[str], arguments: list[str]
          ) -> int:
    """
    Boots a machine stopped at its first instruction and hands the terminal to GDB, which begins
    with these commands, as far as they succeed. The machine ends when GDB does. Its console is
    in a pane of its own, or shown here. `clock` as in run().
    """
    with machines_place(elf) as place, locked(place / DEBUGGED):
        listener = listen(place / GDB)
        guest, guest_peer = socket.socketpair()
        command = base_command(config, panic="pause") + clock + [
            "-S", "-action", "shutdown=pause", *DEBUG_EXIT, *gdb_flags(listener),
            "-chardev", f"socket,id=console,fd={guest_peer.fileno()}", "-serial", "chardev:console"]
        (place / FIRST).write_text("".join(f"{line}\n" for line in commands))
        gdb = gdb_command(elf, place / GDB, ["-ex", STAY_STOPPED, "-ex", f"echo {GREETING}",
                                             "-ex", f"source {place / FIRST}", *arguments])
        with qemu_running(command, [guest_peer, listener], stdin=subprocess.DEVNULL,
                          start_new_session=True):
            console = Console(guest, place, shown=True)
            if not _open_pane(place / CONSOLE):
                print("The console is shown here. To type at it: type LINE in GDB, or make console "
                      "in another terminal.", file=sys.stderr)
            status = call_in_foreground(gdb, OUROBOROS_LINES=str(place / LINES))
        console.until_the_end()
        return status


def attach(elf: Path | None, arguments: list[str]) -> int:
    """Attaches GDB to a machine that runs. When GDB ends, the machine goes on."""
    address = _running(elf, GDB)
    with locked(address.with_name(DEBUGGED)) as is_ours:
        if not is_ours:
            raise MachineError("somebody debugs that machine already")
        return call_in_foreground(gdb_command(address.with_name(ELF), address, arguments))


# ---- the command line


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say which machine."""
    parser.add_argument("--iso", type=Path)
    parser.add_argument("--elf", type=Path)
    parser.add_argument("--mem", default=Config.mem)
    parser.add_argument("--accel", choices=["tcg", "kvm"], default=Config.accel)
    parser.add_argument("--firmware", choices=["bios", "uefi"], default=Config.firmware)


def machine_of(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Config:
    """The machine that add_machine()'s arguments describe; ends with a message if there is none."""
    for name in ("iso", "elf"):
        file = getattr(given, name)
        if file is None:
            parser.error(f"needs --iso and --elf, or something else: see {parser.prog} --help")
        if not file.is_file():
            parser.error(f"--{name} {file}: no such file")
    if memory_bytes(given.mem) < MIN_MEMORY:
        parser.error(f"{given.mem!r} is not a size of memory like 64M or 6G, and of at least "
                     f"{MIN_MEMORY >> 20}M")
    return Config(given.iso, given.mem, given.accel, given.firmware)


def words_for_gdb(words: list[str]) -> tuple[list[str], list[str]]:
    """The command line in two: ours, and what follows --, for GDB."""
    end = words.index("--") if "--" in words else len(words)
    return words[:end], words[end + 1:]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="terminal.py", description=__doc__.splitlines()[0],
                                     epilog="What follows -- goes to GDB.")
    parser.add_argument("what", choices=["run", "debug", "gdb", "console"])
    parser.add_argument("socket", type=Path, nargs="?", help="for console")
    parser.add_argument("--stopped", action="store_true", help="for run: until GDB lets it go")
    parser.add_argument("--count", action="store_true", help="time is instructions, as tests need it")
    parser.add_argument("--break", dest="stop_at", metavar="FUNCTION", help="for debug: go there")
    parser.add_argument("--type", metavar="LINE[; LINE]…", help="for debug: at the monitor")
    add_machine(parser)
    words, arguments = words_for_gdb(words)
    given = parser.parse_args(words)
    clean_up_when_told_to_end()
    try:
        if given.what == "console":
            return view(given.socket or _running(given.elf, CONSOLE))
        if given.what == "gdb":
            return attach(given.elf, arguments)
        config = machine_of(parser, given)
        clock = virtual_time() if given.count and config.accel == "tcg" else []
        if given.what == "run":
            return run(config, given.elf, given.stopped, clock)
        first = [f"type {given.type}"] if given.type else []
        first += [f"hbreak {given.stop_at}", "continue"] if given.stop_at else []
        return debug(config, given.elf, clock, first, arguments)
    except (MachineError, OSError) as error:
        print(f"terminal.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
