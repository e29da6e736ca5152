# SPDX-License-Identifier: MIT
"""sandbox.py: what is done in there reaches nothing outside, and ends."""
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import GRADER, ROOT
from kills import kill_many, started_in
from processes import DEADLINE, until

from machine import sandbox
from machine.sandbox import Limits

NOBODY = 65534
LOOKS = 50              # at how many processes there are

needs_bwrap = pytest.mark.skipif(bool(sandbox.trouble()), reason=sandbox.trouble())
as_everyone = pytest.mark.parametrize(
    "user", [None, NOBODY] if os.getuid() == 0 else [None], ids=lambda user: user or "self")


@pytest.fixture
def place():
    """A directory that every user may write to, and reach."""
    with tempfile.TemporaryDirectory(prefix="sub-", dir="/var/tmp") as directory:
        os.chmod(directory, 0o777)
        yield Path(directory)


def run(*command, place, readable=(), limits=sandbox.COMPILE, user=None, **options):
    """Runs a command in the sandbox, in `place`, which it may write to."""
    return subprocess.run(sandbox.wrap([*command], readable, [place], place), cwd=place, text=True,
                          env=sandbox.environment(), stdin=subprocess.DEVNULL, user=user,
                          capture_output=True, preexec_fn=limits.apply, timeout=DEADLINE,
                          check=False, **options)


def compile_there(source, place, limits=sandbox.COMPILE, user=None):
    """Compiles a student's file in the sandbox."""
    (place / "student.c").write_text(source)
    return run("gcc", "-O2", "-c", "-o", "student.o", "student.c", place=place, limits=limits,
               user=user)


def processes_with(word):
    """The processes whose environment has that word."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


def wait_for_end(pipe):
    """Waits until nobody has the other end of a pipe any more. Return: what was written."""
    data, end = b"", time.monotonic() + DEADLINE
    while select.select([pipe], [], [], max(0, end - time.monotonic()))[0]:
        piece = os.read(pipe, 4096)
        if not piece:
            return data
        data += piece
    raise AssertionError("something in the sandbox still lives")


# ---- what is in sight


@needs_bwrap
@as_everyone
def test_an_honest_file_compiles(place, user):
    done = compile_there("int answer(void) { return 42; }\n", place, user=user)
    assert (done.returncode, done.stderr) == (0, "")
    assert (place / "student.o").read_bytes().startswith(b"\x7fELF")


@needs_bwrap
@as_everyone
@pytest.mark.parametrize("source", [
    '__asm__(".incbin \\"/etc/passwd\\"");\n',
    '__asm__(".incbin \\"/proc/self/environ\\"");\n',
    f'__asm__(".incbin \\"{ROOT}/labs/01-frames/frame.c\\"");\n',
    f'#include "{ROOT}/kernel/string.h"\n',
    '#include "SECRET/solution.h"\n',
    '#include "../solution.h"\n',
], ids=["passwd", "environ", "labs", "kernel", "secret", "parent"])
def test_a_file_that_was_not_listed_cannot_be_taken_in(place, source, user):
    (place / "solution.h").write_text("int solution;\n")
    inner = place / "inner"
    inner.mkdir()
    inner.chmod(0o777)
    source = source.replace("SECRET", str(place))
    done = compile_there(source, inner, user=user)
    assert done.returncode == 1
    assert "No such file" in done.stderr or "file not found" in done.stderr
    outside = subprocess.run(["gcc", "-c", "-o", "student.o", "student.c"], cwd=inner, check=False)
    assert outside.returncode == 0, "outside of the sandbox it is there"


@needs_bwrap
@as_everyone
def test_nothing_else_is_in_sight(place, user):
    done = run("sh", "-c", "ls /; ls -A /etc /tmp /dev/shm /var/tmp; env; pwd", place=place,
               user=user)
    words = done.stdout.split()
    assert {"usr", "tmp", "ld.so.cache"} < set(words)
    assert {"root", "home", "proc", "sys", "run", "passwd", "work"}.isdisjoint(words)
    variables = {word.split("=")[0] for word in words if "=" in word}
    assert variables == {"PATH", "LC_ALL", "PWD"}
    assert words[-1] == str(place)


@needs_bwrap
@as_everyone
def test_only_what_is_writable_can_be_written(place, user):
    pristine = place / "pristine"
    (pristine / "build").mkdir(parents=True)
    (pristine / "file").touch()
    for path in (pristine, pristine / "build", pristine / "file"):
        path.chmod(0o777)
    for target, well in (("file", False), ("new", False), ("build/new", True), ("/new", False),
                         ("/usr/new", False), ("/dev/shm/new", False), ("/tmp/new", True),
                         ("/dev/null", True)):
        command = sandbox.wrap(["sh", "-c", f"echo x > {target}"], [pristine],
                               [pristine / "build"], pristine)
        done = subprocess.run(command, capture_output=True, user=user, check=False)
        assert (done.returncode == 0) is well, target


@needs_bwrap
def test_root_has_no_powers_in_there(place):
    done = run("mount", "-t", "tmpfs", "none", str(place), place=place)
    assert done.returncode != 0
    done = run("chroot", "/usr", "/bin/true", place=place)
    assert "not permitted" in done.stderr


@needs_bwrap
def test_nobody_can_type_at_our_terminal(place):
    done = run("/usr/bin/python3", "-c", "import os; print(os.getsid(0))", place=place)
    assert int(done.stdout) > 0, "the session is one from outside of the sandbox"


@needs_bwrap
def test_the_network_is_unreachable(place):
    with socket.create_server(("127.0.0.1", 0)) as server:
        attempt = ["bash", "-c", f"exec 3<> /dev/tcp/127.0.0.1/{server.getsockname()[1]}"]
        assert subprocess.run(attempt, check=False).returncode == 0
        assert "Connection refused" in run(*attempt, place=place).stderr
    assert "unreachable" in run("bash", "-c", "exec 3<> /dev/tcp/192.0.2.1/80", place=place).stderr


@needs_bwrap
@as_everyone
def test_inherited_descriptors_and_the_exit_status_come_through(place, user):
    pipe, end = os.pipe()
    with os.fdopen(pipe, "rb") as output:
        done = run("bash", "-c", f"echo hello >&{end}; exit 35", place=place, user=user,
                   pass_fds=[end])
        os.close(end)
        assert (done.returncode, output.read()) == (35, b"hello\n")
    assert run("sh", "-c", "kill -9 $$", place=place).returncode == 128 + signal.SIGKILL


@needs_bwrap
def test_tools_outside_of_usr_are_in_sight(place, monkeypatch):
    prefix = place / "cross"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "needed").write_text("from its own prefix\n")
    (prefix / "bin" / "x86_64-elf-gcc").write_text('#!/bin/sh\ncat "${0%/bin/*}/needed"\n')
    (prefix / "bin" / "x86_64-elf-gcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{prefix}/bin", prepend=":")
    inner = place / "inner"
    inner.mkdir()
    assert run("x86_64-elf-gcc", place=inner).stdout == "from its own prefix\n"
    monkeypatch.setenv("HOME", str(prefix))         # ~/bin is a tool's place, ~ is not
    done = run("x86_64-elf-gcc", place=inner)
    assert done.returncode == 1 and "No such file" in done.stderr


# ---- what ends


INCLUSION = "#if __INCLUDE_LEVEL__ < 190\n#include __FILE__\n#include __FILE__\n#endif\n"
EXPANSION = "#define X0 +1+1\n" + "".join(
    f"#define X{n} X{n - 1} X{n - 1}\n" for n in range(1, 60)) + "int x = X59;\n"
REPETITION = '__asm__(".rept 1000000000\\n.rept 1000000000\\nnop\\n.endr\\n.endr");\n'


@needs_bwrap
@as_everyone
@pytest.mark.parametrize("source", [INCLUSION, EXPANSION], ids=["inclusion", "expansion"])
def test_an_endless_compilation_ends_when_its_time_is_up(place, source, user):
    limits = Limits(cpu_seconds=1, memory_bytes=8 << 30, file_bytes=1 << 20)
    done = compile_there(source, place, limits, user)
    assert done.returncode != 0
    assert "CPU time limit" in done.stderr or "Killed" in done.stderr


@needs_bwrap
@as_everyone
@pytest.mark.parametrize("source", [EXPANSION, REPETITION], ids=["expansion", "repetition"])
def test_a_compilation_without_bounds_ends_when_its_memory_is_full(place, source, user):
    limits = Limits(cpu_seconds=60, memory_bytes=128 << 20, file_bytes=1 << 20)
    done = compile_there(source, place, limits, user)
    assert done.returncode != 0
    assert "out of memory" in done.stderr or "memory exhausted" in done.stderr


@needs_bwrap
@pytest.mark.parametrize("source", [
    "char big[10ull << 30] = { 1 };\n",
    '__asm__(".fill 10000000000, 1, 7");\n',
    '__asm__(".data\\n.zero 10000000000");\n',
], ids=["array", "fill", "zero"])
def test_a_huge_object_is_stopped(place, source):
    limits = Limits(cpu_seconds=20, memory_bytes=1 << 30, file_bytes=4 << 20)
    done = compile_there(source, place, limits)
    assert done.returncode != 0
    assert sum(path.stat().st_size for path in place.iterdir()) < 5 << 20


@needs_bwrap
def test_tmp_has_an_end(place):
    done = run("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do head -c 60M /dev/zero > /tmp/$i; done",
               place=place)
    assert "No space left" in done.stderr


def killed_with(nr_processes, script, place, user):
    """
    Has a Makefile run a script in the sandbox, kills bwrap once it has so many processes, and
    waits until nothing of it is left. Return: the most processes that there were.
    """
    (place / "Makefile").write_text(f"SHELL = bash\nall:\n\t{script}\n")
    mark = f"MARK={os.getpid()}-{place}"
    make = subprocess.Popen(sandbox.wrap(["env", mark, "make"], (), [place], place),
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, user=user,
                            preexec_fn=sandbox.COMPILE.apply)
    try:
        until(lambda: len(processes_with(mark)) >= nr_processes)
        most = max(len(processes_with(mark)) for _ in range(LOOKS))
    finally:
        make.kill()
        make.wait()
    until(lambda: not processes_with(mark))
    return most


@needs_bwrap
def test_a_fork_bomb_in_a_makefile_is_bounded_and_ends_with_the_sandbox(place):
    bomb = ":(){ :|:& };:; while :; do :; done"
    user = NOBODY if os.getuid() == 0 else None     # root's has no limit: never try it
    assert killed_with(100, bomb, place, user) <= sandbox.MAX_PROCESSES


@needs_bwrap
@as_everyone
def test_daemons_end_with_the_sandbox(place, user):
    daemons = "trap '' HUP INT TERM; for i in 1 2 3 4 5; do setsid sleep 1000 & done; sleep 1000"
    killed_with(6, daemons, place, user)


@needs_bwrap
def test_the_number_of_processes_is_limited_unless_root_runs_them(place):
    script = "for i in $(seq 300); do sleep 1000 & done; echo all"
    done = run("sh", "-c", script, place=place, user=NOBODY if os.getuid() == 0 else None)
    assert "Cannot fork" in done.stderr and done.stdout != "all\n"


@needs_bwrap
def test_it_dies_with_its_parent(place):
    output, end = os.pipe()
    script = ("import subprocess, sys, time\n"
              "from machine import sandbox\n"
              "subprocess.Popen(sandbox.wrap(['sh', '-c', 'echo up; sleep 1000']),"
              f" stdout={end})\ntime.sleep(1000)\n")
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=GRADER, pass_fds=[end])
    os.close(end)
    with os.fdopen(output, "rb", 0) as pipe:
        assert pipe.readline() == b"up\n"
        parent.kill()
        parent.wait()
        wait_for_end(pipe.fileno())


def test_a_tighter_limit_stays():
    def tighten():
        sandbox.resource.setrlimit(sandbox.resource.RLIMIT_CPU, (5, 7))
        sandbox.COMPILE.apply()
    done = subprocess.run(["sh", "-c", "ulimit -t; ulimit -Ht; ulimit -c"], text=True,
                          capture_output=True, preexec_fn=tighten, check=True)
    assert done.stdout.split() == ["7", "7", "0"]


# ---- where there is none


@pytest.fixture
def false_bwrap(tmp_path, monkeypatch):
    """A function that puts a shell script in bwrap's place, or nothing; and has Landlock fail, or not."""
    def forget():
        sandbox._bwrap_trouble.cache_clear()
        sandbox._landlock_trouble.cache_clear()

    def put(script=None, landlock=True):
        if script is not None:
            (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "bwrap").chmod(0o755)
        if not landlock:
            (tmp_path / "landlock.py").write_text("import sys; sys.exit('Landlock: too old')\n")
            monkeypatch.setattr(sandbox, "LANDLOCK", tmp_path / "landlock.py")
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
        forget()
    yield put
    forget()


@pytest.mark.skipif(sys.platform != "linux", reason="bwrap exists for Linux only")
@pytest.mark.parametrize("script, why", [
    (None, "bwrap is not installed. Try: make setup"),
    ("echo 'bwrap: No permissions' >&2; exit 1", "bwrap: No permissions"),
    ("exit 3", "bwrap: exit status 3"),
])
def test_without_any_it_says_why_and_leaves_the_command_alone(false_bwrap, script, why):
    false_bwrap(script, landlock=False)
    assert sandbox.trouble() == f"{why}; Landlock: too old" and sandbox.kind() == ""
    assert sandbox.wrap(["true"], [Path("/x")], [], None) == ["true"]


@pytest.mark.parametrize("command", [["one"], ["class"]])
def test_one_can_be_insisted_on(command, tmp_path):
    """With a bwrap that fails, and a Python that knows no Landlock."""
    (tmp_path / "in").mkdir()
    words = ["class", str(tmp_path / "in"), "--out", str(tmp_path / "out")] if command == ["class"] \
        else ["--tree", str(tmp_path / "in")]
    done = subprocess.run([sys.executable, "-c", f"""
import sys
sys.path.insert(0, {str(GRADER)!r})
from machine import sandbox
sandbox._bwrap_trouble = lambda: "bwrap: No permissions"
sandbox._landlock_trouble = lambda: "Landlock: too old"
import runpy
sys.argv = ["grade.py", *{words!r}, "--sandbox", "required"]
runpy.run_path({str(GRADER / "grade.py")!r}, run_name="__main__")
"""], text=True, capture_output=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "there is no sandbox here: bwrap: No permissions; Landlock: too old" in done.stderr


# ---- Landlock, where bubblewrap does not work


@pytest.fixture
def landlock(false_bwrap):
    false_bwrap("exit 1")
    if sandbox.kind() != "Landlock":
        pytest.skip(sandbox.trouble())


def test_landlock_compiles_and_keeps_the_exit_status(landlock, place):
    assert compile_there("int x;", place).returncode == 0
    assert (place / "student.o").exists()
    assert run("/bin/sh", "-c", "exit 7", place=place).returncode == 7


@pytest.mark.parametrize("command", [
    f"cat {ROOT}/Makefile", "cat /etc/passwd", f"ls {ROOT}", "ls /", "echo x > /tmp/mine",
    f"echo x > {ROOT}/mine", "cat /proc/1/environ", "mkdir /var/tmp/mine",
])
def test_landlock_keeps_everything_else_out_of_reach(landlock, place, command):
    done = run("/bin/sh", "-c", command, place=place)
    assert done.returncode != 0 and "ermission denied" in done.stderr


def test_landlock_looks_for_programs_where_it_lets_them_be_read(landlock, place, tmp_path):
    """Python looks for its modules beside the first python3 in PATH, also if another one was started."""
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "python3").chmod(0o755)
    done = run("/bin/sh", "-c", "echo $PATH; python3 -c 'print(1)'", place=place)
    assert done.stdout == "/usr/bin:/bin\n1\n", done.stderr


def test_landlock_lets_nobody_outside_be_signalled_or_called(landlock, place):
    with subprocess.Popen(["sleep", "60"]) as other, socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        tried = run(sys.executable, "-c", f"""
import os, socket
for attempt in (lambda: os.kill({other.pid}, 9),
                lambda: socket.create_connection({server.getsockname()!r})):
    try:
        attempt()
        print("could")
    except PermissionError:
        print("could not")
""", place=place)
        alive = other.poll() is None
        other.kill()
    version = int(subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, 'machine'); import landlock as l; "
         "import ctypes; print(l._call(l.CREATE_RULESET, None, ctypes.c_size_t(0), l.VERSION))"],
        cwd=GRADER, text=True, capture_output=True, check=True).stdout)
    if version < 6:
        pytest.skip(f"Landlock {version} cannot do that")
    assert tried.stdout == "could not\ncould not\n" and alive, tried.stderr


def test_what_cannot_be_confined_does_not_run(place):
    done = subprocess.run([sys.executable, "-I", sandbox.LANDLOCK, "--read=/there/is/none", "--",
                           "touch", place / "ran"], text=True, capture_output=True, check=False)
    assert done.returncode == 125 and done.stderr == "Landlock: No such file or directory\n"
    assert not (place / "ran").exists()


@needs_bwrap
def test_both_halves_of_a_bwrap_that_begins_end_at_once(place):
    """The inner one waits for the outer one's word, and would wait for ever."""
    for after in range(12):
        process = subprocess.Popen(sandbox.wrap(["sh", "-c", "read x"], writable=[place]),
                                   stdin=subprocess.PIPE, start_new_session=True)
        time.sleep(after / 4000)            # another moment each time: none is too early or too late
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    until(lambda: not started_in(place))


def test_what_a_killed_grader_has_left_is_cleared_away(tmp_path):
    """Its directory, and a process on that directory's files; but nothing that somebody has."""
    waits = "import sys, time; print(flush=True); time.sleep(1000)"
    has = "import sys; sys.path.insert(0, sys.argv[1]); from machine.host import temporary_directory\n" \
          "with temporary_directory(sys.argv[2]) as name: print(name, flush=True); sys.stdin.read()"

    def holder():
        process = subprocess.Popen([sys.executable, "-c", has, GRADER, tmp_path], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return process, process.stdout.readline().strip()

    (killed, left), (living, kept) = holder(), holder()
    with subprocess.Popen(["bwrap", "-c", waits, "--bind", left, left], executable=sys.executable,
                          stdout=subprocess.PIPE) as waiting:
        waiting.stdout.readline()
        killed.kill()
        killed.communicate()
        assert os.path.isdir(left)
        last, new = holder()
        assert not os.path.exists(left) and os.path.isdir(kept) and os.path.isdir(new)
        assert waiting.wait(DEADLINE) == -signal.SIGKILL
    for process in (living, last):
        process.communicate("")
    assert not os.listdir(tmp_path)


def test_a_grader_that_is_killed_leaves_nothing():
    assert kill_many(3) == []
