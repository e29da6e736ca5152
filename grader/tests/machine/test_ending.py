"""ending.py: when a silence is an end, and which one; what QEMU's log says of a triple fault."""
import itertools

import pytest

from machine.ending import (DEAD_LIMIT, IDLE_LIMIT, NMI_LIMIT, POLL, RFLAGS_IF, SILENCE_LIMIT, Cause,
                            CpuException, Silence, last_exception)
from machine.prompt import why_grub_gave_up, why_grub_waits

RUNS = {"rflags": RFLAGS_IF, "halted": False}
IDLE = {"rflags": RFLAGS_IF, "halted": True}
DEAD = {"rflags": 0, "halted": True}
MASKED = {"rflags": 0, "halted": False}


def judged(registers, clock=itertools.count(), bitten=False):
    """What a silence ends as in which the CPU is always found so, and after how many seconds."""
    silence = Silence(bitten)
    for turn in itertools.count(1):
        if ending := silence.judge(next(clock), registers):
            return ending.cause, turn * POLL


@pytest.mark.parametrize("registers, bitten, cause, seconds", [
    (RUNS, False, Cause.SILENCE, SILENCE_LIMIT), (MASKED, False, Cause.SILENCE, SILENCE_LIMIT),
    (IDLE, False, Cause.SILENCE, IDLE_LIMIT), (DEAD, False, Cause.DEAD_HALT, DEAD_LIMIT),
    (RUNS, True, Cause.LOCKUP, NMI_LIMIT), (DEAD, True, Cause.DEAD_HALT, DEAD_LIMIT),
])
def test_what_a_silence_ends_as(registers, bitten, cause, seconds):
    assert judged(registers, bitten=bitten) == (cause, seconds)


@pytest.mark.parametrize("registers", [RUNS, IDLE])
def test_a_clock_that_stands_still_is_the_hosts_fault(registers):
    assert judged(registers, itertools.repeat(7))[0] is Cause.STUCK


def entry(vector, pc, cr2="0"):
    return f"     3: v={vector} e=0000 i=0 cpl=0 IP=0008:x pc={pc} SP=0010:y env->regs[R_EAX]=0\nCR2={cr2}\n"


@pytest.mark.parametrize("log, exception", [
    ("", None), (entry("0d", "1000"), CpuException(13)),
    (entry("0e", "1000", "dead0"), CpuException(14, 0xdead0)),
    (entry("06", "2000") + entry("0e", "1000", "b0") + entry("08", "1000"), CpuException(14, 0xb0)),
])
def test_a_triple_fault_begins_with_the_first_exception_of_its_place(log, exception):
    assert last_exception(log) == exception


@pytest.mark.parametrize("console, why", [
    (b"", ""), (b"Ouroboros\nouroboros> ", ""), (b"Aborted.\nouroboros> ", ""),
    (b"could not allocate\r\n\rAborted. Press any key to exit.", "could not allocate"),
    (b"error: no server.\n\nAborted. Press any key to exit.\r\n", "error: no server."),
    (b"Aborted. Press any key to exit.", "without a word"),
    (b"Aborted. Press any key to exit.\nBdsDxe: next", ""),
    (b"error: out of memory.\r\nerror: you need to load the kernel first.\r\n"
     b"GRUB did not start the kernel.\r\n", "error: out of memory."),
    (b"GRUB did not start the kernel.\r\nOuroboros", ""),
])
def test_why_grub_gave_up(console, why):
    assert why_grub_gave_up(console) == why


@pytest.mark.parametrize("screen, why", [
    ([], ""), (["Booting from DVD/CD..."], ""), (["error: late."], ""),
    (["Welcome to GRUB!", "error: no such device.", "grub rescue>"], "error: no such device."),
    (["GNU GRUB  version 2.06", "grub>"], "grub>"),
    (["error: out of memory.", "error: no kernel.", "Press any key to continue..."],
     "error: out of memory."),
    (["Use the ^ and v keys to select which entry is highlighted.",
      "before booting or `c' for a command-line."], "before booting or `c' for a command-line."),
])
def test_why_grub_waits(screen, why):
    assert why_grub_waits(screen) == why
