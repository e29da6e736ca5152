"""
Each way in which a tool of ours fails between the machine and the verdict is a MachineError, and so
INFRA: never a finding about the student. What fails here is put in the tool's place.
"""
import asyncio
import json
import os
import sys
from types import SimpleNamespace

import pytest

from course import build, lab
from course.build import Builder
from judging import conduct, findings, grading
from judging.verdict import Verdict
from machine import machine, sandbox
from machine.host import MachineError
from machine.machine import Machine
from machine.qemu import Config

# A QEMU that does as it is told: it opens the console, and answers each command with the next line.
FALSE_QEMU = r'''
import json, os, socket, sys
says = json.loads(sys.argv[1])
peer = socket.socket(fileno=0)
if "console" in says:
    files = [os.open(name, os.O_RDWR) for name in ("console.in", "console.out")]
for reply in says["replies"]:
    peer.recv(1000)
    if reply == "a file that is too short":
        open("memory", "wb").write(b"short")
        reply = '{"return": {}}'
    peer.sendall(reply.encode() + b"\n")
if says.get("waits"):
    while peer.recv(1000):
        pass
'''
FINE = '{"return": {}}'


@pytest.fixture
def false_qemu(monkeypatch):
    """A function that has a Machine find such a QEMU, does something with it, and gives what that raises."""
    def run(what, *replies, console=True, waits=False):
        says = {"replies": replies, "waits": waits} | ({"console": True} if console else {})
        command = [sys.executable, "-c", FALSE_QEMU, json.dumps(says)]

        async def use():
            async with Machine(Config("no.iso")) as guest:
                return await what(guest)

        monkeypatch.setattr(machine, "base_command", lambda *_, **__: command)
        monkeypatch.setattr(Machine, "_in_sandbox", lambda _, words: words)
        with pytest.raises(MachineError) as caught:
            asyncio.run(use())
        return str(caught.value)
    return run


def the_clock(guest):
    return guest.virtual_seconds()


@pytest.mark.parametrize("what, replies, complaint", [
    (the_clock, [], "QEMU is gone"),
    (the_clock, ["not JSON"], "no reply in JSON"),
    (the_clock, [FINE, "[1, 2"], "no reply in JSON"),
    (the_clock, [FINE, "17"], "no reply in JSON"),
    (the_clock, [FINE, '"' + "x" * 70_000 + '"'], "no reply in JSON"),
    (the_clock, ['{"error": {"class": "GenericError", "desc": "no rights"}}'], "qmp_capabilities: no rights"),
    (the_clock, [FINE, '{"neither": 1}'], "QEMU answers"),
    (the_clock, [FINE, '{"error": 5}'], "QEMU answers"),
    (the_clock, [FINE, FINE], "does not show its clock"),
    (the_clock, [FINE, '{"return": null}'], "does not show its clock"),
    (the_clock, [FINE, '{"return": {"tm_year": 1, "tm_mon": 99, "tm_mday": 1, "tm_hour": 0, "tm_min": 0,'
                       ' "tm_sec": 0}}'], "does not show its clock"),
    (lambda guest: guest.registers(), [FINE, '{"return": "RAX=?"}'], "does not show the registers"),
    (lambda guest: guest.registers(), [FINE, '{"return": null}'], "does not show the registers"),
    (lambda guest: guest.read_memory(0, 100), [FINE, "a file that is too short"], "wrote 5 of 100 bytes"),
    (lambda guest: guest.read_memory(0, 100), [FINE, FINE], "wrote 0 of 100 bytes"),
    (lambda guest: guest.listen_for_gdb(), [FINE, FINE, '{"return": "busy"}'], "does not listen for GDB: busy"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_reply_of_qemu_that_makes_no_sense(what, replies, complaint, false_qemu):
    assert complaint in false_qemu(what, *replies)


def test_a_qemu_that_does_not_open_its_console(false_qemu):
    assert "QEMU cannot be started: No such device" in false_qemu(the_clock, FINE, console=False, waits=True)


def test_a_qemu_that_does_not_answer(false_qemu, monkeypatch):
    monkeypatch.setattr(machine, "QMP_LIMIT", 1)
    assert "did not answer qom-get within 1 s" in false_qemu(the_clock, FINE, waits=True)


@pytest.mark.parametrize("call, error, complaint", [
    ("mkfifo", OSError(28, "No space left on device"), "No space left"),
    ("open", OSError(24, "Too many open files"), "Too many open files"),
])
def test_a_host_at_its_limits(call, error, complaint, false_qemu, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(machine, "os", SimpleNamespace(**{**vars(os), call: fail}))
    assert false_qemu(the_clock) == f"QEMU cannot be started: {complaint}" + \
        error.strerror.removeprefix(complaint)


@pytest.mark.parametrize("script, complaint", [
    ("exit 1", "GDB ended with status 1"),
    ("kill -9 $$", "GDB ended with status"),
    ("true", "GDB printed no result"),
    ('echo "$AUTOPSY_MARK"', "cannot be read"),
    ('echo "$AUTOPSY_MARK[1"', "cannot be read"),
    ('echo "$AUTOPSY_MARK[]"', "cannot be read"),
    ('echo "$AUTOPSY_MARK{}"', "cannot be read"),
    (r'echo "$AUTOPSY_MARK{\"attached\": false}"', "GDB is attached to no machine"),
    (r'echo "$AUTOPSY_MARK{\"attached\": true, \"cpu\": 1}"', "cannot be read"),
    (r'printf "\377\n"', "GDB printed no result"),
    ("read x < /dev/zero; sleep 100", "GDB did not answer within 1 s"),
])
def test_a_gdb_that_fails(script, complaint, tmp_path, monkeypatch):
    async def listen():
        return tmp_path / "gdb"

    (tmp_path / "false-gdb").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "false-gdb").chmod(0o755)
    monkeypatch.setattr(findings, "gdb", lambda: str(tmp_path / "false-gdb"))
    monkeypatch.setattr(findings, "GDB_LIMIT", 1 if "100" in script else 30)
    monkeypatch.setattr(sandbox, "wrap", lambda command, *_: command)
    guest = SimpleNamespace(private=tmp_path, listen_for_gdb=listen)
    with pytest.raises(MachineError, match=complaint):
        asyncio.run(findings.dissect(guest, tmp_path / "elf"))


@pytest.mark.parametrize("script, complaint", [
    ("exit 1", "objdump does not work"),
    ("echo no library >&2; exit 127", "objdump does not work: objdump cannot read: no library"),
    ("kill -9 $$", "the host has killed objdump"),
])
def test_a_tool_of_binutils_that_fails_is_no_offence(script, complaint, tmp_path, monkeypatch):
    (tmp_path / "objdump").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "objdump").chmod(0o755)
    monkeypatch.setattr(conduct, "_tool", lambda name: str(tmp_path / name))
    with pytest.raises(MachineError, match=complaint):
        conduct._run("objdump", "-d", "x.o")


@pytest.mark.parametrize("printed, complaint", [
    ("gcc: fatal error: Killed signal terminated program cc1\n"
     "make: *** [Makefile:1: build/obj/labs/01-frames/frame.c.o] Error 1", "killed a compiler"),
    ("make: *** [Makefile:1: build/obj/labs/01-frames/frame.c.s] Killed", "killed a compiler"),
    ("make: *** fork: Resource temporarily unavailable.  Stop.", "make failed: make: .* Resource"),
    ("", "make failed"),
])
def test_a_make_that_fails_for_the_hosts_sake(printed, complaint, monkeypatch, tmp_path):
    async def fail(*_):
        return 2, printed

    monkeypatch.setattr(build, "_run_make", fail)
    with pytest.raises(MachineError, match=complaint):
        asyncio.run(build._make(build.Tree(tmp_path, foreign=True), 0, tmp_path))


@pytest.mark.parametrize("error", [
    MachineError("x"), OSError(28, "x"), MemoryError("x"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    KeyError("x"), ExceptionGroup("x", [BlockingIOError(11, "x")])], ids=lambda error: type(error).__name__)
def test_whatever_else_fails_is_not_judged(error, tmp_path, monkeypatch):
    """Of every lab whose grading fails, all tests are INFRA."""
    async def fail(*_):
        raise error

    monkeypatch.setattr(Builder, "build", fail)
    first = lab.select(["1"])[0]
    grader = grading.Grader(Builder(tmp_path, conduct.inspect), asyncio.Semaphore(1), grading.Watcher())
    graded, = asyncio.run(grader.grade([grading.Task(first, first.tests, None)]))
    assert {score.finding.verdict for score in graded.scores} == {Verdict.INFRA}
