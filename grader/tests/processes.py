"""Programs as a person at a terminal has them, and which of them still run."""
import contextlib
import os
import pty
import re
import select
import signal
import time

from conftest import ROOT

DEADLINE = 300      # seconds: far more than anything here takes


def qemus_of(marker) -> list[int]:
    """The QEMU processes that have `marker` in their command line."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as cmdline:
                command = cmdline.read()
        except OSError:
            continue
        if command.startswith(b"qemu") and str(marker).encode() in command:
            found.append(int(entry))
    return found


def kill_session(leader):
    """Kills all that a process has started which leads a session, and itself."""
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(entry)) == leader:
                os.kill(int(entry), signal.SIGKILL)


def until(condition):
    """Waits until condition() is true; its value."""
    end = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value


class Terminal:
    """A program on a pseudo-terminal, started in a directory. What a test leaves running is killed."""
    running = set()         # process ids, each the leader of its session

    def __init__(self, *command, directory=ROOT, **variables):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)       # which Python ignores
            os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", "TMUX_PANE": "",
                                              **variables})
        Terminal.running.add(self.pid)
        self.text = ""          # that has come and is not done with
        self.before = ""        # what came before that which was expected last

    def expect(self, pattern):
        """
        Reads on until what has come matches; what came up to there is then done with. Return:
        the match.
        """
        end = time.monotonic() + DEADLINE
        while not (match := re.search(pattern, self.text)):
            ready, _, _ = select.select([self.file], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.text!r}"
            try:
                data = os.read(self.file, 4096)
            except OSError:
                data = b""
            assert data, f"ended without {pattern!r}: {self.text!r}"
            self.text += data.decode(errors="replace")
        self.before, self.text = self.text[:match.start()], self.text[match.end():]
        return match

    def type(self, text):
        os.write(self.file, text.encode())

    def status(self):
        """Waits for the program's end; what it says until then is in `text`."""
        while select.select([self.file], [], [], DEADLINE)[0]:
            try:
                data = os.read(self.file, 4096)
            except OSError:
                data = b""
            if not data:
                break
            self.text += data.decode(errors="replace")
        os.close(self.file)
        Terminal.running.discard(self.pid)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @classmethod
    def kill_all(cls):
        """Ends what a test has not waited for, with all that it has started."""
        for leader in cls.running:
            kill_session(leader)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(leader, 0)
        cls.running.clear()
