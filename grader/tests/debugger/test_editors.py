"""
What editors build on: the compilation databases, .vscode/, and GDB driven as they drive it.

VS Code itself is not run. Its C/C++ extension (cppdbg) speaks GDB/MI; the commands that it makes
of launch.json, in its order, are given here to a real GDB: src/MIDebugEngine of microsoft/MIEngine.
"""
import contextlib
import itertools
import json
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import threading

import pytest
from conftest import ROOT
from processes import DEADLINE, Terminal

LAB = 3
HEAP = "labs/02-heap/heap.c"
CODE_GENERATION = re.compile(r"-[fm]")
KEPT = ["-ffreestanding", "-mgeneral-regs-only"]    # of these, what a front end must know
DIAGNOSTIC = re.compile(r"^[EWI]\[[\d:.]+\] \[\S*\] Line \d+: .*", re.MULTILINE)


def settings(name):
    return json.loads((ROOT / ".vscode" / name).read_text())


TASKS = {task["label"]: task for task in settings("tasks.json")["tasks"]}
CONFIGURATIONS = {entry["name"]: entry for entry in settings("launch.json")["configurations"]}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree, in which what is built last is this module's affair, with LAB built."""
    tree = tmp_path_factory.mktemp("editors") / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build", ".git", "*cache*"))
    make(tree, "-j2", "elf", f"LAB={LAB}")
    return tree


def make(tree, *words):
    return subprocess.run(["make", "-s", *words], cwd=tree, text=True, capture_output=True,
                          timeout=DEADLINE, check=True).stdout


def database(tree, stage):
    entries = json.loads((tree / f"build/{stage}/compile_commands.json").read_text())
    assert {entry["directory"] for entry in entries} == {str(tree)}
    return {entry["file"]: entry["arguments"] for entry in entries}


# ---- compile_commands.json


@pytest.mark.parametrize("words, stage", [
    ([f"LAB={LAB}"], f"stage-{LAB}"), (["LAB=3", "VARIANT=muted"], "stage-3-muted")])
def test_the_database_has_each_file_of_its_stage_once(tree, words, stage):
    make(tree, "elf", *words)
    assert list(database(tree, stage)) == make(tree, "files", *words).split()
    assert (tree / "build/stage").readlink().name == stage
    assert database(tree, ".") == database(tree, stage)


def test_the_database_has_the_flags_that_compile_a_file(tree):
    entries = database(tree, f"stage-{LAB}")
    compiled = {}
    for line in make(tree, "-nB", "V=1", "elf", f"LAB={LAB}").splitlines():
        if match := re.search(r" -S -o build/obj/\S+ (\S+\.c) \|\| ", line):
            words = shlex.split(line[:line.index(" -MD ")])
            compiled[match[1]] = [word for word in words if not CODE_GENERATION.match(word)]
    assert compiled.keys() == entries.keys()
    for file, arguments in entries.items():
        assert arguments == [*compiled[file], *KEPT, "-c", file]


def test_the_database_compiles(tree):
    done = subprocess.run([*database(tree, f"stage-{LAB}")[HEAP], "-fsyntax-only"], cwd=tree,
                          text=True, capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_database_that_is_right_keeps_its_date(tree):
    file = tree / f"build/stage-{LAB}/compile_commands.json"
    before = file.stat()
    make(tree, "elf", f"LAB={LAB}")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_grader_does_not_change_what_editors_show(tree, tmp_path):
    make(tree, "elf", f"LAB={LAB}")
    make(tree, "iso", "LAB=2", f"ISO={tmp_path}/x.iso")
    assert (tree / "build/stage").readlink().name == f"stage-{LAB}"


def test_a_file_that_does_not_compile_is_shown_as_well(tree):
    file = tree / "labs/04-static-log/log.c"
    file.write_text(f"broken\n{file.read_text()}")
    with pytest.raises(subprocess.CalledProcessError):
        make(tree, "elf", "LAB=4")
    assert "labs/04-static-log/log.c" in database(tree, ".")


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "Bäume", "two words"])
def test_a_database_is_json_wherever_the_tree_is(tmp_path, name):
    directory = tmp_path / name
    directory.mkdir()
    subprocess.run([ROOT / "boot/compile-commands", "build/x/db", "cc", '-DX="\\"', "--", "a.c"],
                   cwd=directory, check=True)
    assert json.loads((directory / "build/x/db").read_text()) == [
        {"directory": str(directory), "file": "a.c", "arguments": ["cc", '-DX="\\"', "-c", "a.c"]}]


@pytest.mark.skipif(not shutil.which("clangd"), reason="clangd is not installed")
@pytest.mark.parametrize("file", [HEAP, "labs/03-deadlock/log.c", "kernel/string.c",
                                  "kernel/format_test.c", "kernel/heap.h"])
def test_clangd_finds_the_database_and_nothing_to_complain_of(tree, file):
    make(tree, "elf", f"LAB={LAB}")
    done = subprocess.run(["clangd", f"--check={tree / file}"], cwd="/", text=True,
                          capture_output=True, timeout=DEADLINE, check=False)
    assert f"Loaded compilation database from {tree}/build/compile_commands.json" in done.stderr
    assert "fallback command" not in done.stderr
    assert not DIAGNOSTIC.findall(done.stderr)


# ---- .vscode/


def substituted(text, **inputs):
    """As VS Code fills in its variables."""
    for name, value in inputs.items():
        text = text.replace(f"${{input:{name}}}", value)
    return text


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_is_something_that_make_can_do(tree, task):
    inputs = {entry["id"]: entry for entry in settings("tasks.json")["inputs"]}
    for lab, log in itertools.product(inputs["lab"]["options"], inputs["log"]["options"]):
        command = shlex.split(substituted(task["command"], lab=lab, log=log))
        assert command[0] == "make" and "$" not in " ".join(command)
        make(tree, "-n", *command[1:])
    numbers = make(tree, "print-numbers").split()
    assert inputs["lab"]["options"] == numbers and inputs["lab"]["default"] in numbers


# ---- launch.json, by way of GDB/MI


class Gdb:
    """A GDB as cppdbg starts it: next to its binary, speaking MI."""

    def __init__(self):
        gdb = shutil.which("gdb")
        self.process = subprocess.Popen(
            [gdb, "--interpreter=mi"], cwd=os.path.dirname(gdb), text=True, bufsize=1,
            errors="replace", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.numbers = itertools.count(1000)
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def expect(self, beginning):
        """The next line, of those not asked for yet, that begins so."""
        while True:
            for index, line in enumerate(self.seen):
                if line.startswith(beginning):
                    return self.seen.pop(index)
            try:
                self.seen.append(self.lines.get(timeout=DEADLINE))
            except queue.Empty:
                pytest.fail(f"GDB says no {beginning!r}, but {self.seen}")

    def command(self, text):
        number = next(self.numbers)
        if not text.startswith("-"):
            text = f"-interpreter-exec console {json.dumps(text, ensure_ascii=False)}"
        self.process.stdin.write(f"{number}{text}\n")
        return self.expect(f"{number}^")

    def do(self, text):
        answer = self.command(text)
        assert "^error" not in answer, f"{text}: {answer}"
        return answer

    def launch(self, configuration, tree):
        """What comes of a configuration, up to the stop that follows the connection."""
        value = json.loads(json.dumps(configuration).replace("${workspaceFolder}", str(tree)))
        self.do("-gdb-set mi-async on")
        for step in value["setupCommands"]:
            self.do(step["text"])
        self.do("set pagination off")
        self.do(f"-environment-cd {value['cwd']}")
        self.do(f"-file-exec-and-symbols {value['program']}")
        self.do("show architecture")
        self.command("-break-insert -h -f main")        # for stopAtEntry; we have none
        self.do(f"-target-select remote {value['miDebuggerServerAddress']}")
        for step in value["postRemoteConnectCommands"]:
            self.do(step["text"])
        return self.expect("*stopped")


@contextlib.contextmanager
def gdb():
    debugger = Gdb()
    try:
        yield debugger
    finally:
        debugger.process.kill()
        debugger.process.wait()


def field(record, name):
    return re.search(rf'\b{name}="([^"]*)"', record)[1]


def line_of(file, text):
    lines = file.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@contextlib.contextmanager
def started(tree, task):
    """The task's machine, on a terminal of its own."""
    words = shlex.split(substituted(task["command"], lab=str(LAB), log="info"))
    terminal = Terminal(words[0], "-C", str(tree), *words[1:])
    try:
        yield terminal
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(terminal.pid, signal.SIGTERM)


def test_a_debugger_boots_a_lab_and_looks_into_it(tree):
    configuration = CONFIGURATIONS["boot a lab, stop in kmain"]
    assert configuration["stopAtEntry"] and configuration["hardwareBreakpoints"]["require"]
    task = TASKS[configuration["preLaunchTask"]]
    with started(tree, task) as terminal, gdb() as debugger:
        terminal.expect("(?m)" + task["problemMatcher"]["background"]["endsPattern"])
        stop = debugger.launch(configuration, tree)
        assert field(stop, "addr") == "0x000000000000fff0"      # the reset vector's offset
        line = line_of(tree / HEAP, "counts.nr_allocated++;")
        mark = debugger.do(f"-break-insert -h -f {tree / HEAP}:{line}")
        assert field(mark, "fullname") == str(tree / HEAP)

        debugger.do("-exec-continue")
        stop = debugger.expect("*stopped")
        assert field(stop, "reason") == "breakpoint-hit" and field(stop, "func") == "kmain"
        assert field(stop, "fullname") == str(tree / "kernel/main.c")
        debugger.do("-exec-next")
        assert field(debugger.expect("*stopped"), "reason") == "end-stepping-range"

        debugger.do("-exec-continue")
        stop = debugger.expect("*stopped")
        assert field(stop, "func") == "kmalloc" and field(stop, "line") == str(line)
        frames = re.findall(r'func="(\w+)"', debugger.do("-stack-list-frames 0 1000"))
        assert frames[0] == "kmalloc" and frames[-2:] == ["kmain", "start_high"]
        variables = debugger.do("-stack-list-variables --thread 1 --frame 0 --no-values")
        names = re.findall(r'name="(\w+)"', variables)
        assert [name for name in names if name != "__func__"] == ["bytes", "slab", "object"]
        assert int(field(debugger.do('-data-evaluate-expression "bytes"'), "value")) > 0
        lock = debugger.do('-var-create - * "heap_lock"')
        assert field(lock, "type") == "struct spinlock"
        assert field(lock, "value").startswith("heap_lock: held by cpu0 since kmalloc")
        large = field(debugger.do('-var-create - * "large"'), "name")
        fields = debugger.do(f"-var-list-children --simple-values {large}")
        assert {"slot_bytes", "nr_pages"} <= set(re.findall(r'exp="(\w+)"', fields))

        debugger.do(f"-break-delete {field(mark, 'number')}")
        debugger.do("-exec-continue")
        terminal.expect("ouroboros> ")
        debugger.do("-exec-interrupt")
        assert field(debugger.expect("*stopped"), "signal-name") == "SIGINT"
        debugger.command("kill")                # what the red square does, whatever GDB answers
        debugger.command("-gdb-exit")
        assert terminal.status() == 0


def test_a_debugger_comes_and_goes_while_a_machine_runs(tree):
    configuration = CONFIGURATIONS["attach to the machine that runs"]
    assert configuration["stopAtConnect"]
    with started(tree, TASKS["run"]) as terminal:
        terminal.expect("ouroboros> ")
        for _ in range(2):
            with gdb() as debugger:
                debugger.launch(configuration, tree)
                assert 'func="kmain"' in debugger.do("-stack-list-frames")
                debugger.do("-target-detach")
                debugger.command("-gdb-exit")
                assert debugger.process.wait(DEADLINE) == 0
            terminal.type("mem\r")
            terminal.expect("ouroboros> ")
        terminal.type("\x01x")
        assert terminal.status() == 0
