"""
Kills the grader (SIGKILL) at random moments, and looks for what is left: processes, and directories
in TMPDIR once a next one has begun.

    kills.py [N]        so many kills (200), with the machine kept busy meanwhile

A seed makes each moment, so a run can be repeated. Exit status: 0 nothing was left.
"""
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GRADER = Path(__file__).resolve().parents[1]
SUBMITTED = "labs/01-frames/frame.c"
LONGEST = 3.5           # seconds after which the last are killed; under load a run takes about as long
ENDS_WITHIN = 150       # seconds for what goes on without us: make compiles to its end
CLEAR_AWAY = "import sys; sys.path.insert(0, sys.argv[1]); from machine.host import clear_away; clear_away(sys.argv[2])"


def started_in(place):
    """The processes that have that directory on their command line or in their environment, as texts."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path("/proc", entry, "cmdline").read_bytes()
            with contextlib.suppress(OSError):
                words += Path("/proc", entry, "environ").read_bytes()
            if os.fsencode(place) in words and int(entry) != os.getpid():
                state = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[0]
                found += [] if state == "Z" else [
                    f"{entry} {words.split(bytes(1))[0].decode()} waits in {Path('/proc', entry, 'wchan').read_text()}"]
    return found


def kill_one(place, submission, after):
    """Starts the grader, and kills it so many seconds later. Return: had it ended before?"""
    grader = subprocess.Popen(
        [sys.executable, GRADER / "grade.py", "--tree", submission, "--test",
         "frame.every_free_frame_of_the_map_is_managed", "1"],
        env={**os.environ, "TMPDIR": str(place)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        grader.wait(after)
    ended = grader.poll() is not None
    with contextlib.suppress(ProcessLookupError):
        grader.send_signal(signal.SIGKILL)
    grader.wait()
    return ended


def kill_many(number, say=lambda *_: None):
    """Kills so many, one after the other. Return: what was left, each as a text."""
    place = Path(tempfile.mkdtemp(prefix="kills."))     # which no grader clears away
    try:
        submission = place / "ada"
        (submission / SUBMITTED).parent.mkdir(parents=True)
        shutil.copy(GRADER.parent / SUBMITTED, submission / SUBMITTED)
        (place / "tmp").mkdir()
        moments = random.Random(number)
        ended = sum(kill_one(place / "tmp", submission, moments.uniform(0, LONGEST))
                    for _ in range(number))
        waiting = [process for process in started_in(place / "tmp") if "bwrap" in process]
        directories = os.listdir(place / "tmp")
        say(f"{number} killed, {ended} of them had ended before; then there were "
            f"{len(directories)} directories and {len(waiting)} bwrap")
        subprocess.run([sys.executable, "-c", CLEAR_AWAY, GRADER, place / "tmp"], check=True)
        end = time.monotonic() + ENDS_WITHIN
        while (left := started_in(place / "tmp")) and time.monotonic() < end:
            time.sleep(0.1)
        left += os.listdir(place / "tmp")
        return left
    finally:
        shutil.rmtree(place)


def main(number):
    with contextlib.ExitStack() as busy:
        for _ in range(os.cpu_count() or 1):
            load = busy.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            busy.callback(load.kill)
        left = kill_many(number, print)
    print("\n".join(["left:", *left]) if left else "nothing is left after the next one began")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
