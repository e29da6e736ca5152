# SPDX-License-Identifier: MIT
"""Says why the machine has stopped by itself, where GDB knows only "Unknown signal"."""
from __future__ import annotations

import contextlib

import gdb

from debugger.inside.reader import Note, check_kernel, evaluate

NO_PANIC = 0                    # PANIC_NONE, kernel/panic.h


def _stopped(event: gdb.StopEvent) -> None:
    """To be called when GDB has stopped."""
    if not isinstance(event, gdb.SignalEvent) or event.stop_signal.startswith("SIG"):
        return
    with contextlib.suppress(Note, gdb.error):
        check_kernel()
        record = evaluate("panic_record")
        if int(record["kind"]) != NO_PANIC:
            print(f"The kernel has reported: {record['message'].string(errors='replace')}\n"
                  "It stays put, whatever you do. Try: backtrace, cycle, help ouroboros.")


gdb.events.stop.connect(_stopped)         # once, however often this is imported
