# SPDX-License-Identifier: MIT
"""One QEMU without a person at it: how it is started, watched, looked into and ended.

A Machine talks to its QEMU through an inherited socket and one private directory, so that
any number of them can run side by side. It counts instructions as time (-icount):
what a guest does and how it ends does not depend on how busy the host is. The host's clock
serves as a backstop only. Standard library only, as doctor.py must work without more.
"""
from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Callable

from machine import sandbox
from machine.ending import AT_A_PROMPT, BROKEN, POLL, Cause, Ending, Silence, last_exception
from machine.host import MachineError, temporary_directory
from machine.prompt import (PROMPTS_BYTES, ends_in_prompt, nr_prompts, why_grub_gave_up,
                            why_grub_waits)
from machine.qemu import (SECCOMP, Config, Tape, base_command, memory_bytes, no_huge_pages,
                          qemu_guard, virtual_time)

SCREEN, SCREEN_COLUMNS, SCREEN_ROWS = 0xb8000, 80, 25   # VGA text memory

# Backstops, in seconds of the host's time. No verdict should ever need one.
TOTAL_LIMIT = 300           # however talkative it is
QMP_LIMIT = 30              # for QEMU's answer to a command

CONSOLE_LIMIT_BYTES = 4 << 20
NMIS_BYTES = 4                  # of ktest_nmis_wanted, kernel/ktest.h
SOME_PROMPTS = 4                # of somebody else's, after which he need not go on
FILE_BYTES = 16 << 20           # that QEMU may write
TAPE_BYTES = 1 << 30            # the same when it records: spinning on PAUSE is 50 MB of tape
MEMORY_PIECE_BYTES = FILE_BYTES // 2
GDB_SOCKET = "gdb"              # in the machine's directory
PIPE_BYTES = 64 << 10           # in a pipe, unless asked for more
LOG_BYTES = 16 << 10            # of QEMU's log: the registers at the last ten exceptions
CONSOLE_PIPE_BYTES = 1 << 20    # so that the guest never waits for a busy host to read
CONSOLE_PAUSE = 0.005           # seconds between two reads: QEMU writes it byte by byte

# In a sandbox, which dies with us from when it is complete. Until then we may have died without
# its notice: so QEMU is not started before we have answered, and what nobody answers ends.
ON_OUR_WORD = ["sh", "-c", 'echo ready >&0; read -r go && exec "$@"', "sh"]


@contextlib.asynccontextmanager
async def _in_time(what: str) -> AsyncIterator[None]:
    """Raises MachineError if QEMU does not do that within QMP_LIMIT."""
    try:
        async with asyncio.timeout(QMP_LIMIT):
            yield
    except TimeoutError:
        raise MachineError(f"QEMU did not {what} within {QMP_LIMIT} s") from None


class Machine:
    """
    A QEMU under virtual time, as an async context manager that always ends it.

    `prompts_at` is the physical address of the kernel's monitor_prompts. Without one, a
    prompt is believed from the console: only for a kernel that nobody has tampered with.
    `nmis_at` is that of its ktest_nmis_wanted: whoever gives it has the machine send these NMIs.
    With a `tape` to record on, the machine can be replayed once end_recording() has been called.
    Only with `logs_exceptions` does a triple fault name its exception: QEMU takes four times as
    long for a kernel that steps through its instructions then.
    """

    def __init__(self, config: Config, prompts_at: int | None = None, tape: Tape | None = None,
                 logs_exceptions: bool = False, nmis_at: int | None = None):
        self.config = config
        self._logged = "cpu_reset,int" if logs_exceptions else "cpu_reset"
        self._tape = tape
        self._prompts_at = prompts_at
        self._nmis_at = nmis_at
        self._nr_nmis = 0                       # sent
        self._nr_due = 1                        # prompts, until there is one to type at
        self._console = bytearray()
        self._log = bytearray()                 # the end of what QEMU logs
        self._events: list[dict[str, Any]] = []
        self._replies: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._pause: asyncio.TimerHandle | None = None      # until the console is read again

    async def __aenter__(self) -> Machine:
        self._directory = temporary_directory()
        self.private = Path(self._directory.__enter__())
        try:
            await self._start()
        except OSError as error:
            await self.kill()
            raise MachineError(f"QEMU cannot be started: {error.strerror or error}") from None
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
        command = base_command(self.config, panic="pause", tape=self._tape)
        if self.config.accel == "tcg":
            command += virtual_time(self._tape)
        if sys.platform == "linux":
            command += SECCOMP
        command += [                    # names in its own directory, whatever that is called
            "-action", "reboot=shutdown,shutdown=pause",
            "-chardev", f"pipe,id=console,path={pipe.name}", "-serial", "chardev:console",
            "-chardev", "socket,id=qmp,fd=0", "-qmp", "chardev:qmp",
            "-d", self._logged, "-D", f"{pipe.name}.log",    # says "Triple fault"
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
        async with _in_time("start"):
            first = await reader.readline()
        if first != b"ready\n":
            raise MachineError(f"QEMU did not start: {self._last_words()}")
        self._qmp.write(b"go\n")
        self._tasks.append(asyncio.create_task(self._read_qmp(reader)))
        await self.qmp("qmp_capabilities")
        self._input = os.open(f"{pipe}.in", os.O_WRONLY | os.O_NONBLOCK)   # or it waits for a reader
        os.set_blocking(self._input, True)
        self._output = os.open(f"{pipe}.out", os.O_RDONLY | os.O_NONBLOCK)
        if sys.platform == "linux":
            fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, CONSOLE_PIPE_BYTES)
        self._listen()

    @property
    def _is_sandboxed(self) -> bool:
        return self.config.accel == "tcg" and not sandbox.trouble()     # KVM needs the host's /dev

    def _in_sandbox(self, command: list[str]) -> list[str]:
        """The command with a sandbox around it that has the machine's files alone, where we can."""
        if not self._is_sandboxed:
            return command
        writable = [self.private, *([self._tape.log.parent] if self._tape else [])]
        return sandbox.wrap(command, [self.config.iso], writable, self.private)

    def _prepare(self) -> Callable[[], None]:
        """For preexec_fn."""
        limits = sandbox.qemu_limits(memory_bytes(self.config.mem),
                                     TAPE_BYTES if self._tape else FILE_BYTES)
        guard = no_huge_pages if self._is_sandboxed else qemu_guard()

        def prepare() -> None:
            guard()
            limits.apply()
        return prepare

    async def end_recording(self) -> int:
        """
        Ends QEMU in order, as it writes the last of its tape then. Return: the number of
        instructions that can be replayed. Raises MachineError.
        """
        nr_instructions = (await self.qmp("query-replay"))["icount"]
        # QEMU writes that it was told to quit before the instructions that it has not written
        # yet: who replays would end before them. A reset has it write them first.
        await self.qmp("set-action", reboot="reset")
        await self.qmp("system_reset")
        await self._event("RESET")
        await self.qmp("quit")
        async with _in_time("end"):
            await self._process.wait()
        return nr_instructions

    async def _event(self, name: str) -> None:
        """Waits until QEMU has reported an event. Raises MachineError."""
        async with _in_time(f"report {name}"):
            while self._seen(name) is None:
                self._changed.clear()
                await self._changed.wait()

    async def kill(self) -> None:
        """Ends QEMU, whatever state it is in, and gives everything back."""
        if hasattr(self, "_process") and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)    # both halves of a bwrap that begins
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
        if hasattr(self, "_input"):
            os.close(self._input)
        if self._pause:
            self._pause.cancel()
        if hasattr(self, "_output"):
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
        self._directory.__exit__(None, None, None)

    @property
    def pid(self) -> int:
        """The process to kill: QEMU's, or that of its sandbox."""
        return self._process.pid

    @property
    def console(self) -> str:
        """All that the guest has written so far."""
        return self._console.decode("utf-8", "replace").replace("\r", "")

    def _listen(self) -> None:
        """Has the console read as soon as there is something on it."""
        asyncio.get_running_loop().add_reader(self._output, self._hear)

    def _hear(self) -> None:
        """Reads the console, and goes on after a pause, in which some more comes."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._output)
        if self._read_console():
            self._pause = loop.call_later(CONSOLE_PAUSE, self._listen)

    def _read_console(self) -> bool:
        """Takes what there is on the console, without waiting. Return: may more come?"""
        try:
            while len(self._console) <= CONSOLE_LIMIT_BYTES:
                data = os.read(self._output, CONSOLE_PIPE_BYTES)
                if not data:
                    return False
                self._console += data
                self._changed.set()
        except BlockingIOError:
            return True
        return False

    def _read_log(self) -> None:
        """Takes as much of QEMU's log as a pipe holds, and keeps the end: it can be gigabytes."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(PIPE_BYTES // LOG_BYTES):
                self._log = (self._log + os.read(self._log_file, LOG_BYTES))[-LOG_BYTES:]

    async def _read_qmp(self, reader: asyncio.StreamReader) -> None:
        """Sorts what QMP says into replies and events, until QEMU is gone."""
        with contextlib.suppress(ConnectionError):
            try:
                while line := await reader.readline():
                    message = json.loads(line)
                    if "event" in message:
                        self._events.append(message)
                        self._changed.set()
                    elif "QMP" not in message:
                        self._replies.put_nowait(message)
            except (ValueError, TypeError) as error:
                self._replies.put_nowait({"error": {"desc": f"no reply in JSON: {error}"}})
                self._process.kill()
        await self._process.wait()
        self._replies.put_nowait(None)
        self._changed.set()

    async def qmp(self, command: str, **arguments: Any) -> Any:
        """Carries out one QMP command."""
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode())
        async with _in_time(f"answer {command}"):
            reply = await self._replies.get()
        if reply is None:
            self._replies.put_nowait(None)
            raise MachineError(f"QEMU is gone: {self._last_words()}")
        match reply:
            case {"return": value}:
                return value
            case {"error": {"desc": why}}:
                raise MachineError(f"{command}: {why}")
        raise MachineError(f"{command}: QEMU answers {reply}")

    async def hmp(self, command: str) -> str:
        """Carries out one command of QEMU's human monitor."""
        return await self.qmp("human-monitor-command", **{"command-line": command})

    async def read_memory(self, address: int, nr_bytes: int) -> bytes:
        """Reads physical memory from outside, in pieces that QEMU may write to a file."""
        file = self.private / "memory"
        found = bytearray()
        while len(found) < nr_bytes:
            size = min(nr_bytes - len(found), MEMORY_PIECE_BYTES)
            await self.qmp("pmemsave", val=address + len(found), filename=file.name, size=size)
            piece = file.read_bytes() if file.exists() else b""
            if len(piece) != size:
                raise MachineError(f"QEMU wrote {len(piece)} of {size} bytes of its memory")
            found += piece
        return bytes(found)

    async def registers(self) -> dict[str, int]:
        """The CPU's registers by lower-case name, and "halted"."""
        text = str(await self.hmp("info registers"))
        found = {name.lower(): int(value, 16)
                 for name, value in re.findall(r"\b([A-Z]+\d*) *=([0-9a-f]{8,16})\b", text)}
        if "rip" not in found and "eip" not in found:
            raise MachineError(f"QEMU does not show the registers: {text.strip()}")
        found["rflags"] = found.pop("rfl", found.pop("efl", 0))
        found["halted"] = "HLT=1" in text
        return found

    async def virtual_seconds(self) -> int:
        """The machine's own clock, which stands still when the machine does."""
        time = await self.qmp("qom-get", path="/machine", property="rtc-time")
        try:
            return int(datetime(time["tm_year"] + 1900, time["tm_mon"] + 1, time["tm_mday"],
                                time["tm_hour"], time["tm_min"], time["tm_sec"]).timestamp())
        except (KeyError, TypeError, ValueError):
            raise MachineError(f"QEMU does not show its clock: {time}") from None

    async def screen(self) -> list[str]:
        """The lines on the VGA screen, where GRUB says why it could not load a kernel."""
        cells = (await self.read_memory(SCREEN, 2 * SCREEN_COLUMNS * SCREEN_ROWS))[::2]
        text = cells.decode("cp437").replace("\0", " ")
        lines = [text[start:start + SCREEN_COLUMNS].strip()
                 for start in range(0, len(text), SCREEN_COLUMNS)]
        return [line for line in lines if line]

    async def listen_for_gdb(self) -> Path:
        """
        Stops the machine and lets a GDB connect to it. Return: the socket, in `private`. Its whole
        path may be too long for a socket's name, or have a colon in it: GDB must be started there.
        Raises MachineError.
        """
        await self.qmp("stop")
        said = await self.hmp(f"gdbserver unix:{GDB_SOCKET},server=on,wait=off")
        if not (self.private / GDB_SOCKET).is_socket():
            raise MachineError(f"QEMU does not listen for GDB: {said.strip()}")
        return self.private / GDB_SOCKET

    def type_line(self, line: str) -> None:
        """Types a line at the console. wait() then waits for the prompt after it."""
        self._nr_due += 1
        os.write(self._input, line.encode() + b"\r")

    async def run(self, lines: Iterable[str]) -> Ending:
        """Types each line at a prompt, while there are prompts. Return: the last ending."""
        ending = await self.wait()
        for line in lines:
            if ending.cause is Cause.PROMPT:
                self.type_line(line)
                ending = await self.wait()
        return ending

    async def wait(self) -> Ending:
        """Watches the machine until it ends in some way, or prompts after all that was typed."""
        silence = Silence()
        while True:
            self._changed.clear()
            if ending := await self._ended():
                break
            await self._send_nmis()
            try:
                async with asyncio.timeout(POLL):
                    await self._changed.wait()
                silence = Silence(bitten=self._seen("WATCHDOG") is not None)
            except TimeoutError:
                ending = silence.judge(await self.virtual_seconds(), await self.registers())
                if ending := await self._grub_waits() or ending:
                    break
        if ending.cause in AT_A_PROMPT and await self._has_false_prompt():
            ending = Ending(Cause.FALSE_PROMPT)
        if ending.cause not in (Cause.PROMPT, *BROKEN):
            await self.qmp("stop")
        self._read_console()
        return ending

    async def _nr_prompts(self) -> int:
        """Prompts that the monitor has printed, by its own count."""
        if self._prompts_at is None:
            return nr_prompts(self._console)
        return int.from_bytes(await self.read_memory(self._prompts_at, PROMPTS_BYTES), "little")

    async def _send_nmis(self) -> None:
        """Sends the next NMI that the kernel's tests ask for. They ask for one more when it has come."""
        if self._nmis_at is not None and \
                int.from_bytes(await self.read_memory(self._nmis_at, NMIS_BYTES), "little") > self._nr_nmis:
            self._nr_nmis += 1
            await self.qmp("inject-nmi")

    async def _is_at_prompt(self) -> bool:
        """Does the monitor wait for a line, with nothing left of what was typed?"""
        if not ends_in_prompt(self._console) or await self._nr_prompts() != self._nr_due:
            return False
        self._read_console()        # before it counted, it had answered all but this prompt
        return ends_in_prompt(self._console)

    async def _has_false_prompt(self, more_than: int = 0) -> bool:
        """Are there so many prompts on the console that the monitor has not printed?"""
        self._read_console()
        nr_shown = nr_prompts(self._console)    # first: the monitor counts before it prints
        return nr_shown > await self._nr_prompts() + more_than

    def _seen(self, event: str) -> dict[str, Any] | None:
        return next((seen["data"] for seen in self._events if seen["event"] == event), None)

    async def _grub_waits(self) -> Ending | None:
        """Does GRUB wait for a key, where nothing has been written yet but to the screen?"""
        why = "" if self._console else why_grub_waits(await self.screen())
        return Ending(Cause.NOT_LOADED, why) if why else None

    async def _ended(self) -> Ending | None:
        """How the machine has ended, if it has."""
        if why := why_grub_gave_up(self._console):
            return Ending(Cause.NOT_LOADED, why)
        if shutdown := self._seen("SHUTDOWN"):
            self._read_log()
            log = self._log.decode(errors="replace")
            if shutdown["reason"] == "guest-reset":
                return Ending(Cause.TRIPLE_FAULT, exception=last_exception(log)) \
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
        if ends_in_prompt(self._console) and await self._has_false_prompt(SOME_PROMPTS):
            return Ending(Cause.FALSE_PROMPT)       # it prints them for ever
        if len(self._console) > CONSOLE_LIMIT_BYTES:
            return Ending(Cause.FLOOD)
        if asyncio.get_running_loop().time() - self._started > TOTAL_LIMIT:
            return Ending(Cause.FLOOD)
        return None

    def _last_words(self) -> str:
        return (self.private / "stderr").read_text(errors="replace").strip()
