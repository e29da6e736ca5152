# SPDX-License-Identifier: MIT
"""`make debug`: a machine that GDB has from its first instruction on."""
from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from debugger.attach import STAY_STOPPED, gdb_command, gdb_flags, qemu_running
from debugger.console import Console
from debugger.foreground import call_in_foreground
from debugger.place import CONSOLE, DEBUGGED, GDB, LINES, listen, locked, machines_place
from machine.host import ROOT
from machine.qemu import DEBUG_EXIT, Config, base_command

FIRST = "first.gdb"                     # in the machine's place: the commands that GDB begins with
GREETING = ("Stopped at its first instruction: continue lets it go, Ctrl-C stops it, quit ends "
            "it.\\nhelp ouroboros lists the commands for this kernel.\\n")
WIDE = 160                              # columns of a terminal in which two panes fit side by side


def _tmux(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["tmux", *words], text=True, capture_output=True, check=False)


def _open_pane(address: Path) -> bool:
    """Opens the console beside us, if we are in tmux and there is room."""
    pane = os.environ.get("TMUX_PANE", "")
    if not (pane and sys.stdout.isatty() and shutil.which("tmux")):
        return False
    columns = _tmux("display-message", "-p", "-t", pane, "#{pane_width}").stdout.strip()
    side = "-h" if columns.isdecimal() and int(columns) >= WIDE else "-v"
    return _tmux("split-window", "-d", side, "-t", pane, sys.executable,
                 str(ROOT / "grader/terminal.py"), "console", str(address)).returncode == 0


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
