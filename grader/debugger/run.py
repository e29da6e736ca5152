# SPDX-License-Identifier: MIT
"""`make run`: a machine whose console is this terminal."""
from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Callable

from debugger.attach import gdb_flags, qemu_running
from debugger.place import GDB, listen, machines_place
from machine.host import MachineError
from machine.prompt import GRUBS_LAST_BYTES, ends_in_prompt, why_grub_gave_up
from machine.qemu import DEBUG_EXIT, Config, base_command

EXIT_PASSED, EXIT_FAILED = 33, 35       # of QEMU: 2 * status + 1, kernel/machine.h
SWITCHED_OFF = "guest-shutdown"         # QEMU's word; our kernel never does that, but GRUB may


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
    if SWITCHED_OFF in reasons:
        return "The machine switched itself off."
    return "The machine reset itself." if "guest-reset" in reasons else ""


def _type_script(qemu: subprocess.Popen[bytes]) -> int | None:
    """
    Shows the console and types our standard input, a line at each prompt. Return: QEMU's exit
    status, or None when the input has ended before the machine. Raises MachineError if GRUB gives up.
    """
    tail = b""
    while data := os.read(qemu.stdout.fileno(), 4096):
        os.write(sys.stdout.fileno(), data)
        tail = (tail + data)[-GRUBS_LAST_BYTES:]
        if why := why_grub_gave_up(tail):
            print(flush=True)
            raise MachineError(f"GRUB did not load the kernel: {why}")
        if ends_in_prompt(tail):
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
                    "-chardev", f"socket,id=qmp,fd={qmp_peer.fileno()}", "-qmp", "chardev:qmp",
                    "-d", "cpu_reset", "-D", str(resets),
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
    return 0 if status in (None, 0, EXIT_PASSED) and SWITCHED_OFF not in events.reasons else 1
