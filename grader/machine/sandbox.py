# SPDX-License-Identifier: MIT
"""Runs a command on a student's files with nothing in sight but the paths that it is given.

wrap() puts bubblewrap (bwrap) before a command if that works, or else Landlock (landlock.py), as
in most containers. If neither works, it leaves the command alone. kind() says which one it is, and
trouble() why there is none. Limits are the kernel's own (setrlimit) and hold in any case.

The sandbox has /usr and the linker's cache, the tools that are installed elsewhere, and an
empty /tmp. It has a handful of devices, and the paths that the caller lists, each at its own place.
There is no network, no /etc, no home, no /proc, no other process, no capability, and nobody
else's terminal. Inherited file descriptors stay open. Landlock gives the same files, but no /tmp.
It does not hide that other files and processes exist, and of the network it bars only TCP.

The bounds are:
  time        RLIMIT_CPU, for each process. Processor time decides, so that a busy host changes
              no verdict. The caller's own limit on wall time ends programs that sleep or fork.
  memory      RLIMIT_AS, for each process; /tmp has a size of its own.
  disk        RLIMIT_FSIZE, for each file in the writable directories. Their sum has no quota:
              only a program that means to write many files can exceed it.
  processes   Above all, none of the student's code runs here: it is compiled, and then
              runs inside QEMU. The programs are make, the compiler, QEMU and our own scripts,
              which fork a known few. RLIMIT_NPROC helps if one is subverted. In a user
              namespace it counts that sandbox alone (Linux 5.14), but it does not bind root. The
              pid namespace dies as a whole with bwrap, however fast programs fork in it.

bwrap's exit status is the command's, or 128 + the signal that ended it. Killing bwrap ends all
that runs in the sandbox, but a moment later: its files may still be open then.
Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import argparse
import functools
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from machine.choices import chosen, words_of
from machine.host import temporary_directory

PROBE_LIMIT = 20                # seconds for a command that does nothing
TMP_BYTES = 256 << 20           # of /tmp, which is memory
MAX_PROCESSES = 256             # and threads, in one sandbox, unless root runs it

# What a program needs of the system besides its own files. Merged into /usr or not.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
          "/etc/alternatives", "/etc/ld.so.cache")

# What Landlock leaves of /dev: bubblewrap has its own.
DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")

LANDLOCK = Path(__file__).with_name("landlock.py")

# What may run in the sandbox and is not part of the system everywhere.
TOOLS = ("make", "gcc", "cc", "ld", "spin", "x86_64-elf-gcc", "x86_64-elf-ld", "x86_64-linux-gnu-gcc",
         "x86_64-linux-gnu-ld", "qemu-system-x86_64", "grub-mkrescue", "grub2-mkrescue",
         "i686-elf-grub-mkrescue", "xorriso", "mformat", "patch", "gdb", "gdb-multiarch",
         "x86_64-elf-gdb")


@dataclass(frozen=True)
class Limits:
    """What each process may use. Give `apply` to subprocess as its preexec_fn."""
    cpu_seconds: int            # SIGXCPU then, SIGKILL a second later
    memory_bytes: int           # of address space; allocations fail beyond it
    file_bytes: int             # of each file written; SIGXFSZ then
    open_files: int = 256

    def apply(self) -> None:
        """Limits this process and its children. A limit that is tighter already stays."""
        for what, soft, hard in ((resource.RLIMIT_CPU, self.cpu_seconds, self.cpu_seconds + 1),
                                 (resource.RLIMIT_AS, self.memory_bytes, self.memory_bytes),
                                 (resource.RLIMIT_FSIZE, self.file_bytes, self.file_bytes),
                                 (resource.RLIMIT_NOFILE, self.open_files, self.open_files),
                                 (resource.RLIMIT_CORE, 0, 0)):
            _, most = resource.getrlimit(what)
            if most != resource.RLIM_INFINITY:
                soft, hard = min(soft, most), min(hard, most)
            resource.setrlimit(what, (soft, hard))


# One file takes 0.3 s and 60 MB, and its object is below 1 MB; an image is 16 MB.
COMPILE = Limits(cpu_seconds=20, memory_bytes=1 << 30, file_bytes=64 << 20)


# GDB with a student's debugging information: it takes 0.1 s and 100 MB.
DEBUG = Limits(cpu_seconds=30, memory_bytes=4 << 30, file_bytes=16 << 20)


def qemu_limits(guest_bytes: int, file_bytes: int) -> Limits:
    """QEMU's limits, for a guest with so much memory: it adds its code cache and stacks."""
    return Limits(cpu_seconds=300, memory_bytes=guest_bytes + (3 << 30), file_bytes=file_bytes)


def environment(**variables: str) -> dict[str, str]:
    """A clean environment for subprocess: where the tools are, plain English, and `variables`."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"} | variables


AUTO, REQUIRED, NONE = "auto", "required", "none"

_is_wanted = True


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds --sandbox, which decides for this process."""
    parser.add_argument("--sandbox", type=_choose, choices=(AUTO, REQUIRED, NONE), default=AUTO,
                        help=f"{AUTO}: the best that works here; {REQUIRED}: refuse to work without "
                             f"one; {NONE}")


def _choose(which: str) -> str:
    """What --sandbox says. Raises ArgumentTypeError if there is none, and there must be one."""
    global _is_wanted
    _is_wanted = which != NONE
    if which == REQUIRED and (why := trouble()):
        raise argparse.ArgumentTypeError(f"there is no sandbox here: {why}")
    return which


def _why_not(command: list[str]) -> str:
    """Why a sandbox's command does not work here, in one line; "" if it does. Tried, not guessed."""
    try:
        done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              env=environment(), timeout=PROBE_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {PROBE_LIMIT} s"
    except OSError as error:
        return error.strerror or str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]


@functools.cache
def _bwrap_trouble() -> str:
    """Why bubblewrap does not work here; "" if it does."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed. Try: make setup"
    with temporary_directory() as directory:        # by which it is found if we are killed now
        why = _why_not(_bwrap(["sh", "-c", "(exit 0)"], (), (Path(directory),), None))
    return why and "bwrap: " + why.removeprefix("bwrap: ")


@functools.cache
def _landlock_trouble() -> str:
    """Why Landlock does not work here; "" if it does."""
    why = _why_not(_landlock(["/bin/sh", "-c", "(exit 0)"], (), ()))
    return why and "Landlock: " + why.removeprefix("Landlock: ")


def kind() -> str:
    """What there is: "bubblewrap", "Landlock", or "" for no sandbox."""
    if not _is_wanted or sys.platform != "linux":
        return ""
    return "" if trouble() else "Landlock" if _bwrap_trouble() else "bubblewrap"


def trouble() -> str:
    """Why there is no sandbox here, in one line; "" if there is one."""
    if not _is_wanted:
        return "none is wanted"
    if sys.platform != "linux":
        return "bwrap and Landlock exist for Linux only"
    why = _bwrap_trouble()
    return why and (why_not := _landlock_trouble()) and f"{why}; {why_not}"


def wrap(command: list[str], readable: Sequence[Path] = (), writable: Sequence[Path] = (),
         directory: Path | None = None) -> list[str]:
    """
    The command that runs `command` in a sandbox, in `directory` (/tmp if there is none), which
    sees the `readable` and `writable` files and directories, all of which must exist. A
    writable one may lie in a readable one, and then counts.
    Return: `command` as it is where trouble() has something to say, and so a caller gives the
    directory and the environment() to subprocess as well.
    """
    match kind():
        case "bubblewrap":
            return _bwrap(command, readable, writable, directory)
        case "Landlock":
            return _landlock(command, readable, writable)
    return command


def _landlock(command: list[str], readable: Sequence[Path], writable: Sequence[Path]) -> list[str]:
    """The command with our launcher before it. What does not exist here is left out."""
    seen = [*filter(os.path.exists, SYSTEM), *_prefixes(), *readable]
    return [sys.executable, "-I", str(LANDLOCK),
            *(f"--list={os.path.abspath(path.parent)}" for path in readable),  # Python lists what it imports
            *(f"--read={os.path.abspath(path)}" for path in seen),
            *(f"--write={os.path.abspath(path)}" for path in (*DEVICES, *writable)), "--", *command]


def _bwrap(command: list[str], readable: Sequence[Path], writable: Sequence[Path],
           directory: Path | None) -> list[str]:
    """The command with bwrap before it. Later binds lie over earlier ones."""
    binds = ["--size", str(TMP_BYTES), "--tmpfs", "/tmp", "--dev", "/dev", "--remount-ro", "/dev"]
    for path in SYSTEM:
        if os.path.islink(path):
            binds += ["--symlink", os.readlink(path), path]
        else:
            binds += ["--ro-bind-try", path, path]
    for path in (*_prefixes(), *readable):
        binds += ["--ro-bind", str(path.absolute()), str(path.absolute())]
    for path in writable:
        binds += ["--bind", str(path.absolute()), str(path.absolute())]
    return [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent",
            "--new-session", "--cap-drop", "ALL", *binds, "--remount-ro", "/",
            "--chdir", str(directory.absolute()) if directory else "/tmp", "--",
            "prlimit", f"--nproc={MAX_PROCESSES}", "--", *command]


def _prefixes() -> list[Path]:
    """Where tools outside the system are installed: /opt/cross for /opt/cross/bin/gcc."""
    choices = chosen()
    tools = (*TOOLS, *words_of(choices.get("CC", "")), choices.get("CROSS_COMPILE", "") + "gcc",
             *(choices.get(name, "") for name in ("NM", "STRIP", "GRUB_MKRESCUE")))
    found = {_prefix(program) for program in _outside(tools, os.environ.get("PATH", os.defpath))}
    grub = Path(choices.get("GRUB_DIR", SYSTEM[0])).absolute()
    return sorted(found | ({grub} if grub.is_dir() and not _is_system(grub) else set()))


@functools.cache
def _outside(tools: tuple[str, ...], path: str) -> set[Path]:
    """Where these tools lie outside the system: a search for each of 35 machines takes long."""
    return {place for tool in filter(None, (shutil.which(tool, path=path) for tool in tools))
            for place in (Path(tool).absolute(), Path(tool).resolve()) if not _is_system(place)}


def _is_system(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in SYSTEM)


def _prefix(program: Path) -> Path:
    """
    The directory that holds all that came with a program: all of Nix's store, as its packages
    need each other; else the one above bin/, but never a home or what contains it.
    """
    if program.is_relative_to("/nix/store"):
        return Path("/nix/store")
    above = program.parent.parent
    home = Path(os.path.expanduser("~"))        # which some have not
    is_own = program.parent.name in ("bin", "sbin") and not home.is_relative_to(above)
    return above if is_own else program.parent
