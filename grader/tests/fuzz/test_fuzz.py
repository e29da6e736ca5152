"""Fuzzing: the corpus as it is, what a target notices, and how a finding is told and repeated."""
import platform
import re
import shutil
import subprocess

import pytest
from conftest import ROOT
from trees import copied

from fuzz import running
from fuzz.running import build, replay, targets
from fuzz.seeds import SEEDS

pytestmark = pytest.mark.skipif(f"{platform.system()} {platform.machine()}" != "Linux x86_64",
                                reason="the kernel's string functions are for x86_64")


@pytest.fixture(scope="module")
def built():
    """All targets, by the compiler that is always there."""
    build(targets(), "gcc")


@pytest.mark.parametrize("name", targets())
def test_the_corpus_has_no_finding(name, built):
    tried = replay(name, "gcc", running.corpus(name))
    assert not tried.report, tried.report
    assert tried.executions == len(SEEDS[name])


def test_every_target_has_a_corpus():
    assert sorted(SEEDS) == targets()


def test_every_string_function_is_tried():
    header = (ROOT / "kernel/string.h").read_text()
    target = (ROOT / "grader/fuzz/targets/string.c").read_text()
    names = set(re.findall(r"(\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)))
    assert {"memcpy", "glob_matches"} < names
    tried = set(re.findall(r"(?:kernel_)?(\w+)\(", target[target.index("static void try_memcpy"):]))
    assert names <= tried


# What breaks a sentence of a header: the target that notices, by an input of its corpus.
BROKEN = [
    ("cpio", "cpio.c", "data + data_bytes > nr_left", "false", "AddressSanitizer|outside"),
    ("cpio", "cpio.c", "name_bytes > nr_left - CPIO_HEADER_BYTES", "false", "AddressSanitizer"),
    ("cpio", "initramfs.c", "\t\tdirectory_destroy(directory);\n", "\t\t(void)directory;\n", "entries stay"),
    ("cpio", "initramfs.c", "\t\tdirectory_destroy(&reader.links);\n", "", "objects stay"),
    ("cpio", "directory.c", "\t\t\tkfree(added.name);\n", "", "objects stay"),
    ("bootinfo", "bootinfo.c", "tag->bytes > nr_left", "false", "heap-buffer-overflow"),
    ("bootinfo", "memmap.c", "\tif (base >= end)\n\t\treturn;\n", "", "0x800000 to 0x800000"),
    ("bootinfo", "memmap.c", "\t\t\tassign(base, end, MEM_FIRMWARE);\n", "", "not available"),
    ("options", "options.c", "value.nr_bytes >= sizeof(parsed->ktest)", "false", "out of bounds"),
    ("options", "options.c", "&base) || bytes == 0 ||", "&base) ||", "range 0: 0@"),
    ("format", "format.c", "spec->plus ? \"+\" : ", "", "but the host says"),
    ("format", "format.c", "nr_bytes > room_bytes", "nr_bytes > room_bytes + 1", "AddressSanitizer"),
    ("string", "string.c", "(uintptr_t)to < (uintptr_t)from", "true", "other bytes"),
    ("string", "string.c", "text = ++retry", "text = retry", "timeout"),
    ("string", "string.c", "number << shift >> shift != number", "false", "17179869184G"),
    ("line", "line.c", "\t\tline->is_cut = true;\n", "", "it ends as"),
    ("line", "line.c", "line->nr_bytes == LINE_MAX_BYTES", "false", "out of bounds|bytes on a line"),
    ("name", "name.c", "(bytes[i] & 0xc0) != 0x80", "false", "no UTF-8"),
    ("name", "name.c", "nr_bytes + 1 == capacity_bytes", "nr_bytes == capacity_bytes", "overflow"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory, built):
    """A copy of this tree, in which sources are changed."""
    place = copied(tmp_path_factory.mktemp("fuzz") / "tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "ROOT", place)
        patch.setattr(running, "LIMIT", 2)
        yield place


def change(file, old, new):
    """Changes one place of a file. Return: the text before."""
    before = file.read_text()
    assert before.count(old) == 1, f"{file}: {before.count(old)} × {old!r}"
    file.write_text(before.replace(old, new))
    return before


@pytest.mark.parametrize("name, file, old, new, report", BROKEN,
                         ids=[f"{name}-{number}" for number, (name, *_) in enumerate(BROKEN)])
def test_the_corpus_notices_a_broken_sentence(name, file, old, new, report, tree):
    before = change(tree / "kernel" / file, old, new)
    try:
        build([name], "gcc")
        tried = replay(name, "gcc", running.corpus(name))
        assert re.search(report, tried.report), tried.report
        assert (tree / tried.finding).read_bytes() in SEEDS[name].values()
    finally:
        (tree / "kernel" / file).write_text(before)


def fuzz(*words, directory=ROOT):
    return subprocess.run(["make", "-s", "fuzz", *words], cwd=directory, text=True,
                          capture_output=True, check=False)


def test_a_finding_is_told_with_the_command_that_repeats_it(tree):
    changed = tree / "kernel/line.c"
    before = change(changed, "case CTRL('U'):\n\t\twhile", "case CTRL('U'):\n\t\tif")
    found = fuzz("TARGET=line", "SECONDS=1", "SEED=7", directory=tree)
    assert found.returncode != 0 and "SECONDS=1 for each target, SEED=7" in found.stdout
    command = re.search(r"line: FINDING\. Once more: make fuzz (FINDING=\S+)$", found.stdout, re.M)
    again = fuzz(command[1], directory=tree)
    changed.write_text(before)
    assert again.returncode != 0 and "is not what was typed" in again.stdout
    mended = fuzz(command[1], directory=tree)
    assert (mended.returncode, mended.stdout) == (
        0, f"fuzz: line: {command[1].removeprefix('FINDING=')} is no finding any more\n")


# A line that no seed has: two changes lead to it, of which each brings new code.
DEEP = """\
	if (line->nr_bytes == 2 && line->text[0] == 'q')
		if (byte == '%')
			__builtin_trap();
"""


def test_what_no_seed_has_is_found_without_clang(tree):
    before = change(tree / "kernel/line.c", "\tif (is_of_sequence(", f"{DEEP}\tif (is_of_sequence(")
    try:
        build(["line"], "gcc")
        assert not replay("line", "gcc", running.corpus("line")).report
        tried = running.fuzz("line", "gcc", 60, 1)
        assert b"q" in (tree / tried.finding).read_bytes()
    finally:
        (tree / "kernel/line.c").write_text(before)


def test_nothing_is_found_in_a_second_by_the_compiler_that_is_chosen():
    done = fuzz("TARGET=options string", "SECONDS=1")
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"^fuzz: \w+: no finding in [\d,]{3,} executions", done.stdout, re.M)) == 2


@pytest.mark.parametrize("words, complaint", [
    (["SECONDS=abc"], "SECONDS=abc is not a number from 1 to 2147483647"),
    (["SECONDS=0"], "SECONDS=0 is not a number"), (["SECONDS=-1"], "SECONDS=-1 is not a number"),
    (["SECONDS=1.5"], "SECONDS=1.5 is not a number"), (["SEED=x"], "SEED=x is not a number"),
    (["TARGET=cpoi"], f'there is no target "cpoi"; there are: {" ".join(targets())}'),
    (["FINDING=nowhere"], "there is no file nowhere"),
    (["FINDING=README.md"], "README.md is a finding of which target? Say TARGET=; there are: "),
])
def test_a_wrong_word_gets_one_line(words, complaint):
    done = fuzz(*words)
    line, make = done.stderr.splitlines()
    assert done.returncode != 0 and make.startswith("make: ***")
    assert line.startswith(f"fuzz: {complaint}")


def test_without_clang_gcc_is_taken(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    running.compiler.cache_clear()
    assert running.compiler() == "gcc"
    running.compiler.cache_clear()
