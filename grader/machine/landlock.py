# SPDX-License-Identifier: MIT
"""Runs a command that reaches no other files than it is given, by Linux's own Landlock.

    landlock.py [--list DIRECTORY]… [--read PATH]… [--write PATH]… -- COMMAND…

Landlock needs no rights and no namespace, so it works where bubblewrap may not: in most
containers (Linux 5.13 and later). Other files cannot be read, written or listed, but one can still
see that they exist. If the kernel supports it, no TCP port can be reached either (6.7). Nor can an
abstract socket be reached then, or a process outside be signalled (6.12).

The launcher exits with the command's status. If it cannot confine the command, it does not run it,
gives the reason on stderr, and exits with 125. Standard library only. Source: the kernel's
Documentation/userspace-api/landlock.rst, and include/uapi/linux/landlock.h.
"""
from __future__ import annotations

import argparse
import ctypes
import os
import signal
import stat
import struct
import sys

# System calls, of the same number on every architecture.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION = 1                     # a flag of CREATE_RULESET: say which there is
PATH_BENEATH = 1
O_PATH = getattr(os, "O_PATH", 0)
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << bit for bit in range(4))
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE

# All rights on files by version: 5.13, 5.19 (REFER), 6.2 (TRUNCATE), 6.7, 6.10 (IOCTL_DEVICE).
RIGHTS = (0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff)
TCP = 3                         # to bind and to connect, from version 4 on
SCOPES = 3                      # abstract sockets and signals, from version 6 on

NOT_CONFINED = 125

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def confine(listed: list[str], readable: list[str], writable: list[str]) -> None:
    """
    Confines this process and all that it starts, for good. Of what is below a `listed` directory
    the names can be read. Raises OSError.
    """
    version = _call(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    rights = RIGHTS[min(version, len(RIGHTS)) - 1]
    attributes = struct.pack("QQQ", rights, TCP, SCOPES)[:8 if version < 4 else 16 if version < 6 else 24]
    rules = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    for path, allowed in (*((path, READ_DIR) for path in listed), *((path, READ) for path in readable),
                          *((path, rights) for path in writable)):
        descriptor = os.open(path, O_PATH | os.O_CLOEXEC)
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            allowed &= OF_FILES
        _call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", allowed & rights, descriptor), 0)
        os.close(descriptor)
    if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    _call(RESTRICT_SELF, rules, 0)
    os.close(rules)


def _is_open(directory: str) -> bool:
    """Can it be looked into? access() does not know of Landlock."""
    try:
        os.close(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))
    except OSError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="append", default=[])
    parser.add_argument("--read", action="append", default=[])
    parser.add_argument("--write", action="append", default=[])
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    for path in filter(os.path.isdir, arguments.write):     # the first: /tmp is out of reach
        os.environ.setdefault("TMPDIR", path)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        confine(arguments.list, arguments.read, arguments.write)
    except OSError as error:
        print(f"Landlock: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_CONFINED)
    # A program out of reach counts as missing: the next one of that name may work.
    os.environ["PATH"] = os.pathsep.join(filter(_is_open, os.environ.get("PATH", os.defpath).split(os.pathsep)))
    try:
        os.execvp(arguments.command[0], arguments.command)
    except OSError as error:
        print(f"{arguments.command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
