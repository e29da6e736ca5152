# SPDX-License-Identifier: MIT
"""Programs that share a terminal with make: who gets Ctrl-C, and what ends when the terminal does."""
from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading

from machine.host import ENDINGS, end_with_parent, parent_guard, undisturbed


def clean_up_when_told_to_end() -> None:
    """
    Has a signal that would end us be an exception, so that all is left as it should be. The end
    of who has started us, mostly make, is such a signal too, and so is that of our terminal. Only
    the first signal counts: one more would interrupt the clean-up.
    """
    def end(number: int, _: object) -> None:
        for ending in ENDINGS:
            signal.signal(ending, lambda *_: None)
        sys.exit(128 + number)

    for ending in ENDINGS:
        signal.signal(ending, end)
    end_with_parent(signal.SIGTERM)
    if sys.stdin.isatty():
        with undisturbed():                 # in the thread always: signals are for the main one
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
