# SPDX-License-Identifier: MIT
"""One QEMU: how it is started, watched, looked into and ended.

Everything that the project asks of QEMU is in this file, its flags above all. The grader
uses Machine; `make run` and `make debug` use this file as a program:

    machine.py run   --iso ISO [--mem 64M] [--accel tcg|kvm] [--firmware bios|uefi]
    machine.py debug --iso ISO --elf ELF […] [-- GDB-ARGUMENTS]

A Machine talks to its QEMU through an inherited socket and one private directory, so that
any number of them can run side by side. It counts instructions as time (-icount):
what a guest does and how it ends does not depend on how busy the host is. The host's clock
serves as a backstop only. Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, Callable, Iterator

import sandbox

QEMU = "qemu-system-x86_64"
PROMPT = "ouroboros> "                  # MONITOR_PROMPT, kernel/monitor.h
PROMPTS_BYTES = 4                       # of monitor_prompts, kernel/monitor.h
EXIT_PASSED, EXIT_FAILED = 33, 35       # of `make run`: 2 * status + 1, kernel/machine.h
KERNEL_BASE = 0xffffffff80000000        # kernel/layout.h
RFLAGS_IF = 1 << 9
PAGE_FAULT = 14
MIN_MEMORY = 8 << 20
SCREEN, SCREEN_COLUMNS, SCREEN_ROWS = 0xb8000, 80, 25   # VGA text memory

# Backstops, in seconds of the host's time. No verdict should ever need one.
POLL = 0.5                  # silence after which we look at the CPU
SILENCE_LIMIT = 30          # neither a byte nor an event: the guest hangs, or the host does
IDLE_LIMIT = 10             # the same, counting only when we find the CPU halted
NMI_LIMIT = 5               # of silence after the watchdog's NMI, for the lockup report
TOTAL_LIMIT = 300           # however talkative it is
QMP_LIMIT = 30              # for QEMU's answer to a command
CONSOLE_LIMIT_BYTES = 4 << 20
MEMORY_PIECE_BYTES = 8 << 20    # sandbox.qemu_limits() allows files twice as large
PIPE_BYTES = 64 << 10           # in a pipe, unless asked for more
LOG_BYTES = 16 << 10            # of QEMU's log: the registers at the last ten exceptions
CONSOLE_PIPE_BYTES = 1 << 20    # so that the guest never waits for a busy host to read
DEAD_LIMIT = 2              # the same, halted with interrupts masked: nothing will wake it

# Firmware for FIRMWARE=uefi: whole images for -bios, code alone for a flash drive.
UEFI_IMAGES = ("/usr/share/ovmf/OVMF.fd", "/usr/share/OVMF/OVMF.fd",
               "/usr/share/edk2-ovmf/x64/OVMF.fd", "/usr/share/edk2/x64/OVMF.4m.fd")
UEFI_CODE = ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/edk2/ovmf/OVMF_CODE.fd",
             "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/qemu/edk2-x86_64-code.fd",
             "/opt/homebrew/share/qemu/edk2-x86_64-code.fd",
             "/usr/local/share/qemu/edk2-x86_64-code.fd")


class MachineError(Exception):
    """QEMU or the host failed; the guest is not to blame."""


class PanicKind(Enum):
    """enum panic_kind of kernel/panic.h."""
    NONE, BUG, TODO, FAULT, STACK_OVERFLOW, LOCKUP = range(6)


class Outcome(Enum):
    """enum ktest_outcome of kernel/ktest.h."""
    NOT_RUN, RUNNING, PASSED, FAILED, SKIPPED, TODO = range(6)


class Cause(Enum):
    """
    Why a machine stopped being of interest. All but PROMPT leave it stopped, with its memory
    as it was; DIED leaves nothing.
    """
    PROMPT = "the monitor's prompt"
    OFF = "it switched itself off"
    REBOOT = "it reset itself"
    TRIPLE_FAULT = "triple fault"
    PANIC = "the kernel announced a panic"
    LOCKUP = "the watchdog bit"
    DEAD_HALT = "halted with interrupts masked"
    SILENCE = "neither output nor an event"
    FLOOD = "output without end"
    FALSE_PROMPT = "something other than the monitor printed its prompt"
    STUCK = "the machine's clock stands still"
    DIED = "QEMU ended by itself"


# Ends that are QEMU's or the host's fault.
BROKEN = (Cause.STUCK, Cause.DIED)

# Ends at which a prompt is, or could pass for, what the guest had to say last.
_AT_A_PROMPT = (Cause.PROMPT, Cause.LOCKUP, Cause.DEAD_HALT, Cause.SILENCE, Cause.FLOOD)


@dataclass(frozen=True)
class CpuException:
    """An exception as QEMU logs it."""
    vector: int
    address: int | None = None  # that a page fault is about


@dataclass(frozen=True)
class Ending:
    cause: Cause
    detail: str = ""            # QEMU's own words, for DIED
    exception: CpuException | None = None       # that led to a TRIPLE_FAULT


@dataclass(frozen=True)
class Config:
    """What a machine is made of."""
    iso: Path
    mem: str = "64M"
    accel: str = "tcg"
    firmware: str = "bios"


def memory_bytes(text: str) -> int:
    """A size as QEMU takes it for -m, in bytes; 0 if it is none."""
    match = re.fullmatch(r"([1-9][0-9]*)([KMG]?)", text)
    return int(match[1]) << {"K": 10, "G": 30}.get(match[2], 20) if match else 0


def firmware_flags(firmware: str) -> list[str]:
    """The flags that select BIOS (QEMU's default) or UEFI."""
    if firmware == "bios":
        return []
    for image in filter(os.path.exists, UEFI_IMAGES):
        return ["-bios", image]
    for code in filter(os.path.exists, UEFI_CODE):
        return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"]
    raise MachineError("no UEFI firmware (OVMF) is installed. Try: make setup")


def base_command(config: Config, panic: str) -> list[str]:
    """QEMU's command line as far as all uses share it; `panic` is what follows a panic."""
    if shutil.which(QEMU) is None:
        raise MachineError(f"{QEMU} is not installed. Try: make setup")
    return [
        QEMU, "-machine", "pc", "-accel", config.accel, "-m", config.mem,
        "-nodefaults", "-vga", "std", "-display", "none", "-no-reboot",
        "-device", "pvpanic", "-device", "ib700",
        "-action", f"watchdog=inject-nmi,panic={panic}",
        "-cdrom", str(config.iso), "-boot", "d", *firmware_flags(config.firmware),
    ]


# How machine_exit() ends QEMU with a status. Not the grader's: whoever ends, its memory stays.
DEBUG_EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]

# System calls that QEMU never needs once it runs, and whoever breaks out of the guest might.
SECCOMP = ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]

# Guest instructions are time, and a halted CPU skips ahead to its next timer.
VIRTUAL_TIME = ["-icount", "shift=7,sleep=off", "-rtc", "base=2026-01-01,clock=vm"]


def _no_huge_pages() -> None:
    """
    For preexec_fn. A guest that writes to one page in every 4 MiB would otherwise have the host
    clear half of its memory, which takes seconds for 6 GiB.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)         # PR_SET_THP_DISABLE


def parent_guard(how: int) -> Callable[[], None]:
    """For preexec_fn: has Linux send the child the signal `how` if we die, even by SIGKILL."""
    parent = os.getpid()

    def guard() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, how)             # PR_SET_PDEATHSIG
            if os.getppid() != parent:                  # we died before the call
                os.kill(os.getpid(), how)
    return guard


def _qemu_guard() -> Callable[[], None]:
    """For preexec_fn of a QEMU that no sandbox ends."""
    dies_with_us = parent_guard(signal.SIGKILL)

    def guard() -> None:
        _no_huge_pages()
        dies_with_us()
    return guard


# In a sandbox, which dies with us from when it is complete. Until then we may have died without
# its notice: so QEMU is not started before we have answered, and what nobody answers ends.
ON_OUR_WORD = ["sh", "-c", 'echo ready >&0; read -r go && exec "$@"', "sh"]


class Machine:
    """
    A QEMU under virtual time, as an async context manager that always ends it.

    `prompts_at` is the physical address of the kernel's monitor_prompts. Without one, a
    prompt is believed from the console: only for a kernel that nobody has tampered with.
    """

    def __init__(self, config: Config, prompts_at: int | None = None):
        self.config = config
        self._prompts_at = prompts_at
        self._nr_due = 1                        # prompts, until there is one to type at
        self._console = bytearray()
        self._log = bytearray()                 # the end of what QEMU logs
        self._events: list[dict[str, Any]] = []
        self._replies: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Machine:
        self._directory = tempfile.TemporaryDirectory(prefix="ouroboros-")
        self.private = Path(self._directory.name)
        try:
            await self._start()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def _start(self) -> None:
        qmp, qmp_peer = socket.socketpair()
        pipe = self.private / "console"
        for end in (".in", ".out", ".log"):
            os.mkfifo(f"{pipe}{end}")
        command = base_command(self.config, panic="pause")
        if self.config.accel == "tcg":
            command += VIRTUAL_TIME
        if sys.platform == "linux":
            command += SECCOMP
        command += [
            "-action", "reboot=shutdown,shutdown=pause",
            "-chardev", f"pipe,id=console,path={pipe}", "-serial", "chardev:console",
            "-chardev", "socket,id=qmp,fd=0", "-mon", "chardev=qmp,mode=control",
            "-d", "cpu_reset,int", "-D", f"{pipe}.log",     # says "Triple fault", and why
        ]
        self._log_file = os.open(f"{pipe}.log", os.O_RDWR | os.O_NONBLOCK)     # never at its end
        asyncio.get_running_loop().add_reader(self._log_file, self._read_log)
        with qmp_peer, open(self.private / "stderr", "wb") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                *self._in_sandbox([*ON_OUR_WORD, *command]), env=sandbox.environment(),
                cwd=self.private, stdin=qmp_peer, stdout=asyncio.subprocess.DEVNULL, stderr=stderr,
                start_new_session=True, preexec_fn=self._prepare())
        self._started = asyncio.get_running_loop().time()
        reader, self._qmp = await asyncio.open_unix_connection(sock=qmp)
        if await reader.readline() != b"ready\n":
            raise MachineError(f"QEMU did not start: {self._last_words()}")
        self._qmp.write(b"go\n")
        self._tasks.append(asyncio.create_task(self._read_qmp(reader)))
        await self.qmp("qmp_capabilities")
        self._input = os.open(f"{pipe}.in", os.O_WRONLY)
        self._output = os.open(f"{pipe}.out", os.O_RDONLY | os.O_NONBLOCK)
        if sys.platform == "linux":
            fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, CONSOLE_PIPE_BYTES)
        asyncio.get_running_loop().add_reader(self._output, self._read_console)

    @property
    def _is_sandboxed(self) -> bool:
        return self.config.accel == "tcg" and not sandbox.trouble()     # KVM needs the host's /dev

    def _in_sandbox(self, command: list[str]) -> list[str]:
        """The command with a sandbox around it that has the machine's files alone, where we can."""
        if not self._is_sandboxed:
            return command
        return sandbox.wrap(command, [self.config.iso], [self.private], self.private)

    def _prepare(self) -> Callable[[], None]:
        """For preexec_fn."""
        limits = sandbox.qemu_limits(memory_bytes(self.config.mem))
        guard = _no_huge_pages if self._is_sandboxed else _qemu_guard()

        def prepare() -> None:
            guard()
            limits.apply()
        return prepare

    async def kill(self) -> None:
        """Ends QEMU, whatever state it is in, and gives everything back."""
        if hasattr(self, "_process") and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._tasks:         # QEMU ends a little later than its sandbox, and its QMP with it
            await asyncio.wait(self._tasks, timeout=QMP_LIMIT)
        for task in self._tasks:
            task.cancel()
        if hasattr(self, "_qmp"):
            self._qmp.close()
        if hasattr(self, "_log_file"):
            asyncio.get_running_loop().remove_reader(self._log_file)
            os.close(self._log_file)
        if hasattr(self, "_output"):
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
            os.close(self._input)
        self._directory.cleanup()

    @property
    def pid(self) -> int:
        """The process to kill: QEMU's, or that of its sandbox."""
        return self._process.pid

    @property
    def console(self) -> str:
        """All that the guest has written so far."""
        return self._console.decode("utf-8", "replace").replace("\r", "")

    def _read_console(self) -> None:
        """Takes what there is on the console, without waiting."""
        with contextlib.suppress(BlockingIOError):
            while len(self._console) <= CONSOLE_LIMIT_BYTES:
                data = os.read(self._output, CONSOLE_PIPE_BYTES)
                if not data:
                    asyncio.get_running_loop().remove_reader(self._output)
                    break
                self._console += data
                self._changed.set()

    def _read_log(self) -> None:
        """Takes as much of QEMU's log as a pipe holds, and keeps the end: it can be gigabytes."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(PIPE_BYTES // LOG_BYTES):
                self._log = (self._log + os.read(self._log_file, LOG_BYTES))[-LOG_BYTES:]

    async def _read_qmp(self, reader: asyncio.StreamReader) -> None:
        """Sorts what QMP says into replies and events, until QEMU is gone."""
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                message = json.loads(line)
                if "event" in message:
                    self._events.append(message)
                    self._changed.set()
                elif "QMP" not in message:
                    self._replies.put_nowait(message)
        await self._process.wait()
        self._replies.put_nowait(None)
        self._changed.set()

    async def qmp(self, command: str, **arguments: Any) -> Any:
        """Carries out one QMP command."""
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode())
        try:
            async with asyncio.timeout(QMP_LIMIT):
                reply = await self._replies.get()
        except TimeoutError:
            raise MachineError(f"QEMU did not answer {command} within {QMP_LIMIT} s") from None
        if reply is None:
            self._replies.put_nowait(None)
            raise MachineError(f"QEMU is gone: {self._last_words()}")
        if "error" in reply:
            raise MachineError(f"{command}: {reply['error']['desc']}")
        return reply["return"]

    async def hmp(self, command: str) -> str:
        """Carries out one command of QEMU's human monitor."""
        return await self.qmp("human-monitor-command", **{"command-line": command})

    async def read_memory(self, address: int, nr_bytes: int) -> bytes:
        """Reads physical memory from outside, in pieces that QEMU may write to a file."""
        file = self.private / "memory"
        found = bytearray()
        while len(found) < nr_bytes:
            await self.qmp("pmemsave", val=address + len(found), filename=str(file),
                           size=min(nr_bytes - len(found), MEMORY_PIECE_BYTES))
            found += file.read_bytes()
        return bytes(found)

    async def registers(self) -> dict[str, int]:
        """The CPU's registers by lower-case name, and "halted"."""
        text = await self.hmp("info registers")
        found = {name.lower(): int(value, 16)
                 for name, value in re.findall(r"\b([A-Z]+\d*) *=([0-9a-f]{8,16})\b", text)}
        found["rflags"] = found.pop("rfl", found.pop("efl", 0))
        found["halted"] = "HLT=1" in text
        return found

    async def virtual_seconds(self) -> int:
        """The machine's own clock, which stands still when the machine does."""
        time = await self.qmp("qom-get", path="/machine", property="rtc-time")
        return int(datetime(time["tm_year"] + 1900, time["tm_mon"] + 1, time["tm_mday"],
                            time["tm_hour"], time["tm_min"], time["tm_sec"]).timestamp())

    async def screen(self) -> list[str]:
        """The lines on the VGA screen, where GRUB says why it could not load a kernel."""
        cells = (await self.read_memory(SCREEN, 2 * SCREEN_COLUMNS * SCREEN_ROWS))[::2]
        text = cells.decode("cp437").replace("\0", " ")
        lines = [text[start:start + SCREEN_COLUMNS].strip()
                 for start in range(0, len(text), SCREEN_COLUMNS)]
        return [line for line in lines if line]

    async def listen_for_gdb(self) -> Path:
        """Stops the machine and lets a GDB connect to it. Return: the socket."""
        path = self.private / "gdb"
        await self.qmp("stop")
        await self.hmp(f"gdbserver unix:{path},server=on,wait=off")
        return path

    def type_line(self, line: str) -> None:
        """Types a line at the console. wait() then waits for the prompt after it."""
        self._nr_due += 1
        os.write(self._input, line.encode() + b"\r")

    async def wait(self) -> Ending:
        """Watches the machine until it ends in some way, or prompts after all that was typed."""
        silence = Silence(self)
        while True:
            self._changed.clear()
            if ending := await self._ended():
                break
            try:
                async with asyncio.timeout(POLL):
                    await self._changed.wait()
                silence = Silence(self, bitten=self._seen("WATCHDOG") is not None)
            except TimeoutError:
                if ending := await silence.judge():
                    break
        if ending.cause in _AT_A_PROMPT and await self._has_false_prompt():
            ending = Ending(Cause.FALSE_PROMPT)
        if ending.cause not in (Cause.PROMPT, *BROKEN):
            await self.qmp("stop")
        self._read_console()
        return ending

    def _nr_shown(self) -> int:
        """Prompts on the console, at the starts of lines."""
        return self._console.count(b"\n" + PROMPT.encode())

    async def _nr_prompts(self) -> int:
        """Prompts that the monitor has printed, by its own count."""
        if self._prompts_at is None:
            return self._nr_shown()
        return int.from_bytes(await self.read_memory(self._prompts_at, PROMPTS_BYTES), "little")

    async def _is_at_prompt(self) -> bool:
        """Does the monitor wait for a line, with nothing left of what was typed?"""
        prompt = PROMPT.encode()
        if not self._console.endswith(prompt) or await self._nr_prompts() != self._nr_due:
            return False
        self._read_console()        # before it counted, it had answered all but this prompt
        return self._console.endswith(prompt)

    async def _has_false_prompt(self) -> bool:
        """Are there prompts on the console that the monitor has not printed?"""
        self._read_console()
        nr_shown = self._nr_shown()     # first: the monitor counts before it prints
        return nr_shown > await self._nr_prompts()

    def _seen(self, event: str) -> dict[str, Any] | None:
        return next((seen["data"] for seen in self._events if seen["event"] == event), None)

    async def _ended(self) -> Ending | None:
        """How the machine has ended, if it has."""
        if shutdown := self._seen("SHUTDOWN"):
            self._read_log()
            log = self._log.decode(errors="replace")
            if shutdown["reason"] == "guest-reset":
                return Ending(Cause.TRIPLE_FAULT, exception=_last_exception(log)) \
                    if "Triple fault" in log else Ending(Cause.REBOOT)
            if shutdown["reason"] == "guest-shutdown":
                return Ending(Cause.OFF)
            return Ending(Cause.DIED, f"ended from outside: {shutdown['reason']}")
        if (status := self._process.returncode) is not None:
            return Ending(Cause.DIED, self._last_words() or f"exit status {status}")
        if self._seen("GUEST_PANICKED") is not None:
            return Ending(Cause.LOCKUP if self._seen("WATCHDOG") else Cause.PANIC)
        if await self._is_at_prompt():
            return Ending(Cause.PROMPT)
        if len(self._console) > CONSOLE_LIMIT_BYTES:
            return Ending(Cause.FLOOD)
        if asyncio.get_running_loop().time() - self._started > TOTAL_LIMIT:
            return Ending(Cause.FLOOD)
        return None

    def _last_words(self) -> str:
        return (self.private / "stderr").read_text(errors="replace").strip()


_EXCEPTION = re.compile(r"^ *\d+: v=([01][0-9a-f]) .* pc=([0-9a-f]+) ", re.MULTILINE)


def _last_exception(log: str) -> CpuException | None:
    """What the last exceptions in QEMU's log began with: those after it came of delivering it."""
    found = list(_EXCEPTION.finditer(log))
    chain = list(itertools.takewhile(lambda match: match[2] == found[-1][2], reversed(found)))
    if not chain:
        return None
    vector = int(chain[-1][1], 16)
    address = re.search(r"\bCR2=([0-9a-f]+)", log[chain[-1].end():])
    return CpuException(vector, int(address[1], 16) if vector == PAGE_FAULT and address else None)


class Silence:
    """A stretch of time in which a machine neither wrote nor reported anything."""

    def __init__(self, machine: Machine, bitten: bool = False):
        self.machine = machine
        self.bitten = bitten                    # the watchdog has bitten already
        self.seconds = 0.0
        self.idle_seconds = 0.0                 # of these, with the CPU found halted
        self.dead_seconds = 0.0                 # of these, with interrupts masked as well
        self.clock: int | None = None           # the machine's, at the first poll

    async def judge(self) -> Ending | None:
        """To be called every POLL seconds of silence. Return: the ending, once it is certain."""
        clock = await self.machine.virtual_seconds()
        if self.clock is None:
            self.clock = clock
        registers = await self.machine.registers()
        masked = not registers["rflags"] & RFLAGS_IF
        self.seconds += POLL
        self.idle_seconds += POLL if registers["halted"] else 0
        self.dead_seconds += POLL if registers["halted"] and masked else 0
        if self.bitten and self.seconds >= NMI_LIMIT:
            return Ending(Cause.LOCKUP)
        if self.dead_seconds >= DEAD_LIMIT:
            return Ending(Cause.DEAD_HALT)
        if self.seconds >= SILENCE_LIMIT or self.idle_seconds >= IDLE_LIMIT:
            return Ending(Cause.SILENCE if clock > self.clock else Cause.STUCK)
        return None


# ---- the program behind `make run` and `make debug`


@contextlib.contextmanager
def _ended_with_us(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Kills the process on the way out, also when we are told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


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


def run(config: Config) -> int:
    """
    Boots a machine with its console on this terminal, in real time. Without a terminal the
    standard input is a script, and the machine ends with it, or with a panic.
    """
    person = sys.stdin.isatty()
    told: list[str] = []

    def react(event: str) -> None:
        if person and event == "GUEST_PANICKED" and not told:
            told.append(event)
            print("\nCtrl-A x leaves. To look into it: make debug, with the same LAB=… "
                  "and so on.", file=sys.stderr)

    qmp, qmp_peer = socket.socketpair()
    with qmp, tempfile.TemporaryDirectory(prefix="ouroboros-") as directory:
        resets = Path(directory, "resets")
        command = base_command(config, panic="none" if person else "exit-failure")
        command += [*DEBUG_EXIT, "-serial", "mon:stdio" if person else "stdio",
                    "-chardev", f"socket,id=qmp,fd={qmp_peer.fileno()}",
                    "-mon", "chardev=qmp,mode=control", "-d", "cpu_reset", "-D", str(resets)]
        if person:
            print("Ctrl-A x quits.", file=sys.stderr)
        pipe = None if person else subprocess.PIPE
        with qmp_peer:
            qemu = subprocess.Popen(command, stdin=pipe, stdout=pipe, pass_fds=[qmp_peer.fileno()],
                                    preexec_fn=_qemu_guard())
        with _ended_with_us(qemu):
            events = Events(qmp, react)
            status = qemu.wait() if person else _type_script(qemu)
        events.until_the_end()
        if last_word := _how_it_ended(status, resets, events.reasons):
            print(f"\n{last_word}", file=sys.stderr)
    return 0 if status in (None, 0, EXIT_PASSED) else 1


def _copy_console(console: socket.socket) -> None:
    """Shows the guest's console, from a thread of its own."""
    with contextlib.suppress(OSError):
        while data := console.recv(4096):
            os.write(sys.stdout.fileno(), data)


def debug(config: Config, elf: Path, gdb_arguments: list[str]) -> int:
    """Boots a machine stopped at its first instruction and hands the terminal to GDB."""
    if shutil.which("gdb") is None:
        raise MachineError("gdb is not installed. Try: make setup")
    ours, console = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="ouroboros-") as directory, ours, \
            socket.socket(socket.AF_UNIX) as listener:
        address = f"{directory}/gdb"
        listener.bind(address)
        listener.listen()           # here, so that GDB cannot come too early
        command = base_command(config, panic="pause") + [
            "-S", "-action", "shutdown=pause", *DEBUG_EXIT,
            "-chardev", f"socket,id=gdb,fd={listener.fileno()},server=on,wait=off",
            "-gdb", "chardev:gdb",
            "-chardev", f"socket,id=console,fd={console.fileno()}", "-serial", "chardev:console",
        ]
        with console:
            qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                                    pass_fds=(console.fileno(), listener.fileno()),
                                    preexec_fn=_qemu_guard())
        with _ended_with_us(qemu):
            threading.Thread(target=_copy_console, args=(ours,), daemon=True).start()
            print("The console is shown here, but takes no input: make run does.",
                  file=sys.stderr)
            signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is for GDB
            return subprocess.call(
                ["gdb", "-q", str(elf), "-ex", "set confirm off", "-ex",
                 f"target remote {address}", *gdb_arguments],
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog="What follows -- goes to GDB.")
    parser.add_argument("what", choices=["run", "debug"])
    parser.add_argument("--iso", type=Path, required=True)
    parser.add_argument("--elf", type=Path)
    parser.add_argument("--mem", default=Config.mem)
    parser.add_argument("--accel", choices=["tcg", "kvm"], default=Config.accel)
    parser.add_argument("--firmware", choices=["bios", "uefi"], default=Config.firmware)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:end])
    if memory_bytes(arguments.mem) < MIN_MEMORY:        # GRUB does not start in less
        print(f"machine.py: {arguments.mem!r} is not a size of memory like 64M or 6G, "
              f"and of at least {MIN_MEMORY >> 20}M", file=sys.stderr)
        return 2
    config = Config(arguments.iso, arguments.mem, arguments.accel, arguments.firmware)
    try:
        if arguments.what == "run":
            return run(config)
        if arguments.elf is None:
            parser.error("debug needs --elf")
        return debug(config, arguments.elf, words[end + 1:])
    except MachineError as error:
        print(f"machine.py: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
