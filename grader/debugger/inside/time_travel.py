# SPDX-License-Identifier: MIT
"""GDB on a recorded boot: goes to where it went wrong, and gives the commands that go back.

In GDB: source grader/debugger/inside/time_travel.py, as rewind.py does. The environment variable
OUROBOROS_INSTRUCTIONS says how many the recording has. QEMU goes back by loading the last snapshot
before and running on from there; so snapshots are taken on the way, and more of them shortly
before what went wrong.
"""
from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator

import gdb

from debugger.inside import kernel, stack
from debugger.inside.all_commands import define
from debugger.inside.command import Command
from debugger.inside.reader import Memory, Note, address_of, evaluate

NR_SNAPSHOTS = 12               # over the whole recording
CLOSE = (300_000, 30_000, 3_000)        # instructions before what went wrong, each with a snapshot
FAILED_CHECK = "ktest_fail"     # kernel/ktest.h: what a check that fails calls
FAILED = "KTEST_FAILED"
AFTER_TESTS = {"KTEST_PASSED": "all tests passed", FAILED: "some tests failed"}
MAX_TURNS = 1000                # of going back to one call site, for one lock


def position() -> int:
    """How many instructions have been carried out since power on."""
    text = gdb.execute("monitor info replay", to_string=True)
    found = re.search(r"instruction count = (\d+)", text)
    if not found:
        raise Note("this is no recording: start make rewind instead")
    return int(found[1])


@contextlib.contextmanager
def breakpoints(addresses: Iterable[int]) -> Iterator[None]:
    """Breakpoints of ours, beside whichever there are."""
    ours = [gdb.Breakpoint(f"*{address:#x}", gdb.BP_HARDWARE_BREAKPOINT, internal=True)
            for address in addresses]
    try:
        yield
    finally:
        for breakpoint in ours:
            breakpoint.delete()


@contextlib.contextmanager
def only_breakpoint(address: int | None) -> Iterator[None]:
    """A breakpoint at an address, and none of the user's for as long."""
    disabled = [breakpoint for breakpoint in gdb.breakpoints() if breakpoint.enabled]
    for breakpoint in disabled:
        breakpoint.enabled = False
    try:
        with breakpoints([] if address is None else [address]):
            yield
    finally:
        for breakpoint in disabled:
            breakpoint.enabled = True


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """GDB does not say where it stops: there is no switch for that, so its output goes nowhere."""
    gdb.flush()
    stdout = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        gdb.flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def forward(until: int | None = None) -> None:
    """Runs on to the next breakpoint, or to an instruction."""
    if until is not None:
        gdb.execute(f"monitor replay_break {until}")
    gdb.execute("continue", to_string=True)


def back() -> None:
    """Runs back to the breakpoint before, or to power on."""
    gdb.execute("reverse-continue", to_string=True)


class Recording:
    """Where we are on the tape, and what stops us from running off its end."""

    def __init__(self, nr_instructions: int) -> None:
        self.end = nr_instructions - 1          # behind it QEMU itself would end
        self.opened_at = self.end               # the instruction at which things went wrong
        self.outcome = ""                       # of the tests, as enum ktest_outcome calls it
        self._travelling = False

    @contextlib.contextmanager
    def travelling(self) -> Iterator[None]:
        """Stops on the way are ours, and not the user's."""
        self._travelling = True
        try:
            with quietly():
                yield
        finally:
            self._travelling = False
            self.guard()

    def guard(self) -> None:
        """Has QEMU stop at what went wrong, and at the end: it forgets whenever it goes back."""
        at = position()
        gdb.execute(f"monitor replay_break {self.opened_at if at < self.opened_at else self.end}",
                    to_string=True)

    def stopped(self, event: gdb.StopEvent) -> None:
        """To be called when GDB has stopped."""
        if self._travelling:
            return
        self.guard()
        landmarks = {0: "power on", self.opened_at: "where the recording was opened",
                     self.end: "the end of the recording"}
        if landmark := landmarks.get(position()):
            print(f"This is {landmark}.")

    def go(self, instruction: int) -> None:
        """Goes to an instruction, in either direction."""
        with self.travelling(), only_breakpoint(None):
            if instruction < position():
                self._back_to_the_start()
            if instruction > position():
                forward(instruction)

    def _back_to_the_start(self) -> None:
        with only_breakpoint(address_of("kmain")):
            back()

    def take_snapshots(self, instructions: list[int]) -> None:
        """On the way forward. What lies behind us is left out."""
        for instruction in instructions:
            if instruction > position():
                forward(instruction)
            if instruction == position():
                gdb.execute(f"monitor savevm at-{instruction}", to_string=True)

    def open(self) -> None:
        """Goes to where things went wrong: a hang's beginning, a fault, a panic, a check, or the end."""
        with self.travelling(), only_breakpoint(None):
            with only_breakpoint(address_of("kmain")):
                forward(self.end)
            start = position()          # nobody wants to go back to the firmware
            step = (self.end - start) // NR_SNAPSHOTS
            if step:
                self.take_snapshots([start + step * turn for turn in range(NR_SNAPSHOTS)])
            forward(self.end)
            self.outcome = str(gdb.parse_and_eval("ktests_outcome"))
            self._back_to_the_cause()
            self.opened_at = position()
            if self.opened_at < self.end:
                self._back_to_the_start()
                self.take_snapshots([self.opened_at - distance for distance in CLOSE
                                     if distance < self.opened_at])
                forward(self.opened_at)

    def _back_to_the_cause(self) -> None:
        """
        From the end of the kernel's report, if there is one, to where its subject was; from the end
        of tests to the first check that failed.
        """
        if self.outcome == FAILED:
            self._back_to_the_start()
            with only_breakpoint(address_of(FAILED_CHECK)):
                forward(self.end)
            return
        frames = kernel.backtrace()
        interrupted = stack.interrupted(frames)
        if not interrupted or interrupted == frames:
            return
        reporter = kernel.frames()[interrupted[0].number - 1]
        if reporter.type() == gdb.INLINE_FRAME:         # not a report, but a stop without one
            return
        if reporter.type() == gdb.SIGTRAMP_FRAME:
            place = reporter.older().pc()
        else:               # a call that does not return: to its beginning
            place = int(reporter.function().value().address)
        with only_breakpoint(place):
            back()
        if position() == 0:
            forward(self.end)
        elif int(gdb.parse_and_eval("this_cpu.waits_for")) != 0:
            with only_breakpoint(address_of("spin_lock")):
                back()      # it has not returned, so this is where the waiting began
            with only_breakpoint(place):
                forward()


def _place() -> str:
    """Where the CPU is; when it is about to report a fault or a failed check, where that is."""
    frames = stack.interrupted(kernel.backtrace())
    if len(frames) > 1 and _at_a_check():
        return f"at a check that fails, in {frames[1]}"
    return f"in {frames[0]}" if frames else "outside the kernel"


def _at_a_check() -> bool:
    return gdb.newest_frame().pc() == address_of(FAILED_CHECK)


def _show() -> None:
    """Shows the line that it is about: that of a check, not of its report."""
    gdb.execute("frame 1" if _at_a_check() else "frame")


class Taken(Command):
    """Go back to where a lock was taken last.

    Usage: taken LOCK

    It stops behind the call of spin_lock(); `reverse-finish` goes on to who called. Once
    more goes to the time before."""
    name = "taken"
    has_argument = True

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording = recording

    def lines(self, argument: str) -> Iterator[str]:
        if not argument:
            raise Note("which lock? For example: taken heap_lock")
        value = evaluate(argument)
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
            value = value.dereference()
        if value.type.strip_typedefs().tag != "spinlock" or value.address is None:
            raise Note(f"{argument} is no struct spinlock")
        address = int(value.address)
        lock = kernel.lock(Memory(), value)
        call_site = int(value["taken_from"])
        if lock.taken_at is None or call_site == 0:
            raise Note(f"{lock.name} has not been taken yet")
        before = position()
        with self._recording.travelling(), only_breakpoint(call_site):
            for _ in range(MAX_TURNS):
                back()
                if position() == 0 or _holds(address, call_site):
                    break
        if not _holds(address, call_site):
            self._recording.go(before)
            raise Note(f"no call of {lock.taken_at.function} takes {lock.name} before this")
        yield (f"{lock.name} is taken here, {_place()}: "
               f"{before - position():,} instructions before where you were.")
        gdb.execute("frame")


def _holds(address: int, call_site: int) -> bool:
    """Has the call before this instruction just taken the lock?"""
    lock = gdb.parse_and_eval(f"*(struct spinlock *){address:#x}")
    return gdb.newest_frame().pc() == call_site and bool(lock["locked"]) \
        and int(lock["taken_from"]) == call_site


class Now(Command):
    """Go to where the recording was opened: where it hangs, panics, fails a check or ends.

    Usage: now"""
    name = "now"
    needs_kernel = False

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording = recording

    def lines(self, argument: str) -> Iterator[str]:
        self._recording.go(self._recording.opened_at)
        yield f"Instruction {position():,}, {_place()}."
        _show()


def main() -> None:
    recording = Recording(int(os.environ["OUROBOROS_INSTRUCTIONS"]))
    gdb.execute("set pagination off")
    define(Taken(recording), Now(recording))
    gdb.events.stop.connect(recording.stopped)
    try:
        recording.open()
    except (gdb.error, Note) as error:
        if gdb.selected_inferior().pid == 0:            # QEMU has given up
            print("rewind: the recording does not play: replay.log is damaged, or of another "
                  "version of QEMU")
            gdb.execute("quit 1")
        print(f"rewind: the recording does not play: {error}")
        return
    except KeyboardInterrupt:
        print("rewind: interrupted on the way. `now` goes to the end of the recording.")
        return
    ending = AFTER_TESTS.get(recording.outcome, os.environ["OUROBOROS_ENDING"])
    print(f"This recording ends with: {ending}. You are at instruction {position():,}, {_place()}.")
    print("Back: reverse-step, reverse-next, reverse-finish, reverse-continue, taken LOCK. "
          "Forward again: now.")
    _show()
    gdb.execute("cycle")


if __name__ == "__main__":
    main()
