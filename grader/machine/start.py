# SPDX-License-Identifier: MIT
"""How every command starts: it mends the surroundings that Python programs take for granted.

Our parent may have closed the standard descriptors: the next files that we open would then be
taken for them. And where the locale is not UTF-8, Python neither reads our files, which have letters
beyond ASCII, nor prints our signs. Files are UTF-8 here in any case; a terminal gets a question
mark for what its locale does not have.
Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import locale
import os
import sys

ENCODING = "OUROBOROS_ENCODING"     # of the terminal: a message to ourselves, started anew


def prepare() -> None:
    """What a command does first, before it opens a file."""
    _open_descriptors()
    _use_utf8()


def _open_descriptors() -> None:
    """Has /dev/null where a standard descriptor is closed."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            os.dup2(opened, number)
            if opened != number:
                os.close(opened)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))


def _use_utf8() -> None:
    """Starts Python anew, in its UTF-8 mode, if it would read files in another encoding."""
    terminal = os.environ.pop(ENCODING, "")
    if not terminal and not _is_utf8(locale.getpreferredencoding(False)):
        environment = {**os.environ, "PYTHONUTF8": "1", ENCODING: sys.stdout.encoding}
        environment.pop("PYTHONIOENCODING", None)
        words = getattr(sys, "orig_argv", [sys.executable, *sys.argv])[1:]
        os.execve(sys.executable, [sys.executable, *words], environment)
    for stream in (sys.stdout, sys.stderr):
        if not _is_utf8(terminal or stream.encoding):
            stream.reconfigure(encoding=terminal or stream.encoding, errors="replace")


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("-", "") == "utf8"
