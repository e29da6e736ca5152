"""The machines that we say it runs on: what surrounds make and the grader there, and is not as here."""
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import GRADER, ROOT
from processes import DEADLINE
from trees import copied, project_files

from course import lab
from machine import choices, sandbox

NUMBERS = " ".join(map(str, lab.available()))
ODD = "a b'c"                   # what a shell would cut in pieces
GRADE = str(GRADER / "grade.py")
QUICK = ("0", "--test", "boot.monitor")
NO_WORD_OF_A_SHELL = ("Syntax error", "not found", "Traceback")

# bwrap gives a command another view of the files, and takes from root what it may do beside others.
BESIDE = ["bwrap", "--dev-bind", "/", "/", "--die-with-parent"]
in_bwrap = pytest.mark.skipif(bool(sandbox.trouble()), reason="bwrap does not work here")


def run(*command, directory=ROOT, **variables):
    return subprocess.run(command, cwd=directory, env={**os.environ, **variables}, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE,
                          errors="replace", check=False)


def make(*words, **options):
    return run("make", "-s", *words, **options)


def is_one_line(done, *words):
    """Whether a program failed with one line that has these words, but for what make adds to it."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert done.returncode != 0 and len(lines) == 1, done.stdout + done.stderr
    assert all(word in lines[0] for word in words), lines[0]
    return True


@pytest.fixture
def odd(tmp_path):
    """A directory with a blank and a quote in its name."""
    (tmp_path / ODD).mkdir()
    return tmp_path / ODD


@pytest.fixture
def copy(tmp_path):
    """A copy of this tree without git, in which most is built already."""
    return copied(tmp_path / "copy")


# ---- what goes from make to scripts

def test_a_boot_image_may_lie_anywhere(odd):
    done = make("run", "LAB=0", f"ISO={odd}/x.iso")
    assert done.returncode == 0 and done.stdout.endswith("ouroboros> "), done.stderr


def test_a_patch_and_an_initramfs_may_lie_anywhere(odd):
    patch = next(ROOT.glob("labs/03-*/variants/muted.patch"))
    shutil.copy(patch, odd / "it's a %$(x).patch")
    assert make("build/initramfs.cpio").returncode == 0
    shutil.copy(ROOT / "build/initramfs.cpio", odd)
    done = make("iso", "LAB=3", f"PATCH={odd}/it's a %$$(x).patch", f"ISO={odd}/x.iso",
                f"INITRAMFS={odd}/initramfs.cpio")
    assert (done.returncode, done.stderr) == (0, "") and (odd / "x.iso").exists()


@pytest.mark.parametrize("words, message", [
    (["iso", "LAB=0 1"], 'LAB="0 1" is more than one lab'),
    (["LAB=3 4"], 'LAB="3 4" is more than one lab'),
    (["iso", "LAB=%"], f'there is no lab "%"; there are: {NUMBERS}'),
    (["files", "LAB=9'"], "there is no lab \"9'\""),
    (["diff", "FROM=0 1", "TO=3"], f'which lab? "0 1" is none of: {NUMBERS}'),
    (["iso", "LAB=3", "VARIANT=muted unlocked"], 'lab 3 has no variant "muted unlocked"'),
    (["iso", "LAB=3", "VARIANT=*"], 'lab 3 has no variant "*"'),
    (["iso", "LAB=1", f"PATCH=/{ODD}/x.patch"], f"/{ODD}/x.patch: no such file"),
    (["iso", "LAB=0", "FIRMWARE=bios'"], "FIRMWARE=bios' is neither bios nor uefi"),
    (["handout", "LABS=0'"], "labs \"0'\": each lab stands on those before it"),
    (["gradescope", "MINUTES=1 0"], "MINUTES=1 0 is not a number of minutes"),
])
def test_an_odd_word_is_named(words, message):
    assert is_one_line(make(*words), message)


def test_an_odd_word_is_one_word():
    done = make("run", "LAB=0", "MEM=1 '6M")
    assert "\"1 '6M\" is not a size of memory" in done.stderr


def test_several_labs_may_be_graded():
    assert "--lab 0 --lab 3" in make("-n", "grade", "LAB=00 3").stdout


@pytest.mark.parametrize("name", [ODD, "a=b@@c"])
def test_grading_works_in_any_directory_for_temporary_files(name, tmp_path):
    (tmp_path / name).mkdir()
    done = run(sys.executable, GRADE, *QUICK, TMPDIR=str(tmp_path / name))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_an_image_is_made_in_any_directory_of_it_alone(firmware, tmp_path):
    done = make("iso", "LAB=0", f"FIRMWARE={firmware}", f"ISO={tmp_path}/a=b@@c/x.iso",
                TMPDIR="/no/such/directory")
    assert (done.returncode, done.stderr) == (0, "")
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["x.iso"]


def test_where_make_cannot_build_a_submission_the_directory_is_named(odd):
    done = run(sys.executable, GRADE, "--tree", str(ROOT), "1", TMPDIR=str(odd))
    assert done.returncode == 3 and f'make cannot work in "{odd}"' in done.stderr, done.stderr
    assert "TMPDIR" in done.stderr.splitlines()[-1]


# ---- compilers

@pytest.fixture
def compiler(tmp_path, copy):
    """A GCC of somebody's own, which compiles only in the copy of the tree, and says so elsewhere."""
    (tmp_path / "own/bin").mkdir(parents=True)
    own = tmp_path / "own/bin/some-gcc-99"
    own.write_text(f"#!/bin/sh\ncase $PWD,$* in *,*-E*|*,-print*|{copy},*) exec gcc \"$@\" ;; esac\n"
                   "echo 'labs/01-frames/frame.c:1:1: error: compiled by some-gcc-99' >&2\nexit 1\n")
    own.chmod(0o755)
    return own


def test_the_grader_uses_the_compiler_that_make_is_told_to_use(copy, compiler):
    """On make's command line, and in the environment."""
    cc = f"env SOME=thing {compiler}"
    for words, variables in (([f"CC={cc}"], {}), ([], {"CC": cc})):
        done = make("grade", "LAB=0", *words, directory=copy, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (copy / "build/flags").read_text().startswith(cc)
    assert make("print-CC", directory=copy, **{"CC": cc}).stdout == f"{cc}\n"


def test_the_grader_uses_the_other_programs_that_make_is_told_to_use(copy, tmp_path):
    programs = {"NM": "nm", "STRIP": "strip", "GRUB_MKRESCUE": "grub-mkrescue"}
    for name, program in programs.items():
        (tmp_path / program).write_text(f'#!/bin/sh\necho {name} >> {tmp_path}/used\nexec {program} "$@"\n')
        (tmp_path / program).chmod(0o755)
    done = make("grade", "LAB=0", *(f"{name}={tmp_path}/{program}" for name, program in programs.items()),
                directory=copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set((tmp_path / "used").read_text().split()) == set(programs)


@in_bwrap
@pytest.mark.parametrize("name", ["NM", "STRIP", "GRUB_MKRESCUE"])
def test_a_submission_is_built_by_the_other_programs_of_the_grader(name, tmp_path):
    program = tmp_path / "mine"
    program.write_text(f"#!/bin/sh\necho this {name} is mine >&2\nexit 1\n")
    program.chmod(0o755)
    done = run(sys.executable, GRADE, "--tree", str(ROOT), "4", "--test", "boot.debug_boots", "--record", str(tmp_path / "tapes"),
               **{name: str(program)})
    assert done.returncode == 3 and f"this {name} is mine" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["CFLAGS", "LDFLAGS"])
def test_the_kernels_flags_are_its_own(name):
    for goal in ("elf", "grade", "all"):
        assert is_one_line(make(goal, "LAB=0", f"{name}=-O0"), f"{name}: the kernel needs its own")
    assert make(f"print-{name}", **{name: "-O0"}).stdout == make(f"print-{name}").stdout


def test_a_submission_is_compiled_by_the_compiler_of_the_grader(copy, compiler):
    done = run(sys.executable, "grader/grade.py", "--tree", str(ROOT), "1", directory=copy,
               CC=str(compiler))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error: compiled by some-gcc-99" in done.stdout


def test_ccache_needs_no_home_in_the_sandbox(tmp_path):
    from course.build import Tree
    environment = Tree(tmp_path, foreign=True).environment(tmp_path)
    assert environment["HOME"] == str(tmp_path) and environment["CCACHE_DISABLE"] == "1"


@pytest.mark.parametrize("cc, message", [
    ("no-such-gcc", "no-such-gcc does not compile: "), ("gcc'", "gcc' does not compile: "),
    ("/a b/gcc", "/a b/gcc does not compile: "), ("false", "false does not compile. ")])
def test_what_is_no_compiler_is_named(cc, message):
    assert is_one_line(make("elf", "LAB=0", f"CC={cc}"), message, "Name another, as in: make CC=gcc-12")


def test_a_compiler_may_lie_in_a_directory_with_a_blank(odd, copy, monkeypatch):
    (odd / "bin").mkdir()
    (odd / "bin/mygcc").symlink_to(shutil.which("gcc"))
    monkeypatch.setenv("CC", shlex.quote(str(odd / "bin/mygcc")))
    assert make("build/obj/kernel/main.c.o", f"CC={os.environ['CC']}", directory=copy).returncode == 0
    assert str(odd) in sandbox.wrap(["true"], [], [], None)
    assert choices.words_of("gcc'") == ["gcc'"]


def test_a_user_need_have_no_home(tmp_path):
    """As in a container that is started with --user."""
    program = tmp_path / "bin/mygcc"
    program.parent.mkdir()
    program.symlink_to(shutil.which("gcc"))
    done = run("env", "-u", "HOME", sys.executable, "-c", "import os; os.getuid = lambda: 12345\n"
               "from machine import sandbox; print(*sandbox._prefixes())", directory=GRADER,
               CC=str(program))
    assert str(tmp_path) in done.stdout, done.stderr


@pytest.mark.parametrize("goal", ["elf", "grade", "mutants"])
@pytest.mark.parametrize("says", ["1 4 1", "__clang__ 11 1", "__clang__ 13 __x86_64__", ""])
def test_another_compiler_is_refused_in_one_sentence(says, goal, tmp_path):
    other = tmp_path / "other cc"
    other.write_text(f"#!/bin/sh\necho '{says}'\n")
    other.chmod(0o755)
    done = make(goal, "LAB=0", f"CC='{other}'")
    assert is_one_line(done, f"'{other}' is not GCC 12 or later for x86_64, which the kernel needs")


def test_doctor_says_the_same_of_a_compiler():
    done = run(sys.executable, "-c", "from machine.tools import *\n"
               "try: check_tool(next(tool for tool in TOOLS if tool.name == 'gcc'))\n"
               "except Trouble as trouble: print(trouble)", directory=GRADER, CC="/bin/echo 13.0")
    assert done.stdout == "/bin/echo 13.0 is not GCC 12 or later for x86_64, which the kernel needs. " \
                          "Name one, as in: make CC=gcc-12\n", done.stderr


@pytest.mark.parametrize("variables, first", [
    ({"CC": "ccache /opt/x/bin/x86_64-elf-gcc-13 -pipe"}, "x86_64-elf-"), ({"CC": "gcc-13"}, ""),
    ({"CROSS_COMPILE": "/opt/x/bin/y-", "CC": "gcc"}, "/opt/x/bin/y-"), ({"CC": "cc"}, "x86_64-elf-")])
def test_binutils_go_with_the_compiler(variables, first, monkeypatch):
    for name in choices.CHOICES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert choices.binutils_prefixes()[0] == first


# ---- what is missing

@pytest.mark.parametrize("missing", [["as", "x86_64-linux-gnu-as"], ["ld", "x86_64-linux-gnu-ld"],
                                     ["awk"]])
def test_a_missing_tool_is_named(missing, path_without):
    done = make("elf", "LAB=0", **path_without(*missing))
    assert is_one_line(done, f"{missing[0]} is not installed. Try: make setup")


def test_doctor_misses_what_the_grader_needs(path_without):
    done = run(sys.executable, "-c", "from machine.tools import *\n"
               "for tool in TOOLS:\n try: check_tool(tool)\n except Exception as trouble: print(trouble)",
               directory=GRADER, **path_without("objdump", "x86_64-linux-gnu-objdump"))
    assert done.stdout == "objdump is not installed. Try: make setup\n", done.stderr


@in_bwrap
def test_a_directory_without_the_modules_of_grub_is_not_taken(tmp_path):
    done = run(*BESIDE, "--tmpfs", "/usr/lib/grub/i386-pc", "make", "-s", "iso", "LAB=0",
               f"ISO={tmp_path}/x.iso")
    assert is_one_line(done, "GRUB's files for i386-pc are not installed. Try: make setup")


def test_an_exercise_needs_git_and_says_so(copy, path_without):
    alone = make("exercise", "LAB=1", directory=copy, GIT_CEILING_DIRECTORIES=str(copy.parent))
    assert is_one_line(alone, "git could not bring the solutions back", "not a git repository")
    without = make("exercise", "LAB=1", directory=copy, **path_without("git"))
    assert is_one_line(without, "leave-out: git is not installed")
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x",
                    "--allow-empty"], cwd=copy, check=True)
    unknown = make("exercise", "LAB=1", directory=copy)
    assert is_one_line(unknown, "git does not know labs/01-frames/")
    assert "SOLUTION" in (copy / "labs/01-frames/frame.c").read_text()


def test_a_handout_needs_git_and_says_so(path_without):
    assert is_one_line(make("handout", **path_without("git")), "handout: ", "git is not installed")


# ---- the environment

def test_words_for_others_in_the_environment_change_nothing():
    asked = [f"print-{name}" for name in ("CMDLINE", "ELF", "ISO", "MEM", "machine", "typed", "OUT", "V")]
    text = (ROOT / "Makefile").read_text() + (GRADER / "instructor.mk").read_text()
    junk = dict.fromkeys(set(re.findall(r"\$\(([A-Z]+)\)", text)) - {"MAKE", "MAKECMDGOALS"}
                         - {*choices.CHOICES}, "junk")
    assert make(*asked, **junk).stdout == make(*asked).stdout
    assert make("files", "LAB=3", **junk).returncode == 0


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


@pytest.mark.parametrize("command", [
    [sys.executable, GRADE, "--help"], [sys.executable, GRADE, *QUICK, "--verbose"],
    ["make", "-s", "trace", "LAB=3", "OUT=x.svg"], ["make", "-s", "handout"]], ids=" ".join)
def test_a_terminal_without_our_letters_gets_what_it_can_show(command, tmp_path):
    command = [word.replace("x.svg", f"{tmp_path}/x.svg") for word in command]
    done = run(*command, **ASCII)
    assert done.returncode == 0 and done.stdout.isascii(), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_of_another_encoding_gets_that():
    done = subprocess.run([sys.executable, GRADE, *QUICK], cwd=ROOT, capture_output=True, check=False,
                          env={**os.environ, **ASCII, "PYTHONIOENCODING": "latin-1"})
    assert b"Lab 0 \xb7 The machine" in done.stdout, done.stdout


@pytest.mark.parametrize("command", [["make", "grade", "LAB=0"], ["make", "run", "LAB=0"],
                                     [sys.executable, GRADE, *QUICK]], ids=" ".join)
def test_it_works_with_all_descriptors_closed(command):
    done = run("sh", "-c", f"exec {shlex.join(command)} <&- >&- 2>&-")
    assert done.returncode == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-"])
def test_a_warning_is_none_the_worse_for_a_closed_descriptor(closed, copy):
    """As an exercise that is half done makes the compiler warn."""
    with open(copy / "kernel/main.c", "a") as source:
        source.write("static int half_done;\n")
    done = run("sh", "-c", f"exec make build/obj/kernel/main.c.o {closed}", directory=copy)
    assert done.returncode == 0 and (copy / "build/obj/kernel/main.c.o").exists()
    assert ("half_done" in done.stderr) == ("2>" not in closed)


def test_the_makefile_itself_may_be_the_input():
    """It looks like a descriptor that was closed."""
    assert run("sh", "-c", "exec make print-MEM < Makefile").stdout == "64M\n"


def test_a_failure_is_one_with_all_descriptors_closed():
    assert run("sh", "-c", "exec make iso LAB=9 <&- >&- 2>&-").returncode != 0


# ---- the tree

def test_no_file_need_be_executable(copy):
    for name in project_files():
        (copy / name).chmod(0o644)
    for words in (["iso", "LAB=0"], ["files", "LAB=3", "VARIANT=muted"], ["diff", "FROM=3", "TO=4"],
                  ["print-PYTHON"]):
        done = make(*words, directory=copy)
        assert done.returncode == 0, done.stderr
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    subprocess.run(["git", "add", "-A"], cwd=copy, check=True)
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x"],
                   cwd=copy, check=True)
    for words in (["exercise", "LAB=2"], ["handout", "LABS=0-1"]):
        done = make(*words, directory=copy)
        assert done.returncode == 0, done.stderr


def test_line_ends_of_windows_are_named(copy):
    for name in project_files():
        file = copy / name
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    for goal in ("all", "grade", "setup"):
        assert is_one_line(make(goal, directory=copy), "line ends of Windows (CR LF)")


def test_git_keeps_our_line_ends(tmp_path, copy):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=copy, check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", "-c", "core.autocrlf=true", str(copy), str(tmp_path / "clone")],
                   check=True, capture_output=True)
    for name in project_files():
        assert (tmp_path / "clone" / name).read_bytes() == (copy / name).read_bytes(), name


@in_bwrap
def test_a_tree_that_cannot_be_written_is_named():
    beside = [*BESIDE, "--ro-bind", str(ROOT), str(ROOT)]
    done = run(*beside, "make", "-s", "elf", "LAB=0")
    assert is_one_line(done, f"make: {ROOT}/build", "is not writable for")
    done = run(*beside, sys.executable, GRADE, *QUICK)
    assert done.returncode == 3 and f"{ROOT}/build/.grader.lock: Read-only file system" in done.stdout


@in_bwrap
def test_a_directory_of_root_is_named(copy):
    assert make("elf", "LAB=0", directory=copy).returncode == 0
    (copy / "build").chmod(0o555)
    done = run(*BESIDE, "--cap-drop", "ALL", "make", "-s", "elf", "LAB=0", "CC=env gcc", directory=copy)
    assert is_one_line(done, f"make: {copy}/build is not writable for", "sudo make clean")


@in_bwrap
@pytest.mark.parametrize("size", [1_500_000, 4_000_000])
def test_where_temporary_files_have_no_room_no_points_are_lost(size, tmp_path):
    tree = tmp_path / "submission"
    for name in lab.students_files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tmp_path / "small").mkdir()
    done = run(*BESIDE, "--size", str(size), "--tmpfs", f"{tmp_path}/small", sys.executable, GRADE,
               "1", "--tree", str(tree), TMPDIR=f"{tmp_path}/small")
    assert done.returncode == 3, done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{tmp_path}/small has less than" in said and "No space left on device" in said, said
