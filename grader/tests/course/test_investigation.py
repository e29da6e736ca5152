"""Lab 3's machine is the student's own: who has only the console, or another's answers, earns little."""
import asyncio
import importlib.machinery
import importlib.util
import re
import shutil
import struct
import subprocess
import sys
import tomllib
from dataclasses import replace

import pytest
from conftest import GRADER, ROOT, grade
from processes import Terminal
from trees import patch_for, unpacked

from course import lab
from course.student import NAME_FILE, name_in, name_of
from course.workspace import without_solutions
from machine import direct
from machine.image import Image, Memory
from machine.machine import Machine
from machine.qemu import Config

LAB = lab.select(["3"])[0]
ANSWERS = f"labs/{LAB.name}/answers.toml"
LOCKUP = f"labs/{LAB.name}/lockup.c"
PERSONAL = {question.name for question in LAB.questions if question.personal}
NAMES = ("Ada Lovelace", "Grace Hopper")


def archive_of(name, directory):
    """The initramfs that is made for a student of that name."""
    file, archive = directory / f"{name}.txt", directory / f"{name}.cpio"
    file.write_text(f"# a remark\n{name}\n")
    subprocess.run([sys.executable, ROOT / "boot/mkinitramfs", file, archive], check=True)
    return archive


def entries_of(archive):
    """Of each entry of an archive, in its order: what is asked about the one that is being unpacked."""
    data, offset, entries = archive.read_bytes(), 0, []
    while (name := data[offset + 110:data.index(b"\0", offset + 110)].decode()) != "TRAILER!!!":
        number = re.search(r"/(\d+)[^/]*$", name)
        entries.append({"entry": int(number[1]) if number else 0, "offset_bytes": offset,
                        "request_bytes": len(name) + 1})
        offset += 110 + len(name) + 1
        offset += -offset % 4 + int(data[entries[-1]["offset_bytes"] + 54:][:8], 16)
        offset += -offset % 4
    return entries


def submission(directory, answers, name):
    """Our own labs 1 and 2, these answers, and a name. Return: the directory."""
    for source in lab.students_sources(2):
        (directory / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, directory / source)
    for file, text in ((ANSWERS, answers), (NAME_FILE, name)):
        (directory / file).parent.mkdir(parents=True, exist_ok=True)
        (directory / file).write_text(text)
    return directory


def as_toml(answers):
    """A file of answers: all predictions are made, as they cost nothing."""
    predictions = {key: "?" for boot in LAB.boots for key in boot.predict}
    return "".join(f"{key} = {value!r}\n" for key, value in {**predictions, **answers}.items())


def graded(answers, name, directory, tests="*"):
    """The tests of lab 3 that are so called, by their names."""
    tree = submission(directory / "submission", answers, name)
    _, labs, output = grade("--tree", str(tree), "3", "--test", tests, directory=directory)
    assert labs, output
    return {test["name"]: test for test in labs[0]["tests"]}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What one reads who boots a machine of the first name, and types single commands in GDB."""
    place = tmp_path_factory.mktemp("console")
    words = [f"INITRAMFS={archive_of(NAMES[0], place)}", f"ISO={place}/x.iso", "LAB=3", "LOG=debug"]
    texts = [subprocess.run(["make", "-s", "run", *words, *more], cwd=ROOT, text=True,
                            stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
             for more in (("LAB=2",), (), ("VARIANT=unlocked",), ("VARIANT=rescuing-flag",))]
    svg = place / "x.svg"
    texts.append(subprocess.run(["make", "-s", "trace", *words, f"OUT={svg}"], cwd=ROOT, text=True,
                                capture_output=True, check=True).stdout + svg.read_text())
    elf = subprocess.run(["make", "-s", "print-ELF", "LAB=3"], cwd=ROOT, text=True,
                         capture_output=True, check=True).stdout.strip()
    texts.append(subprocess.run(
        [sys.executable, GRADER / "terminal.py", "debug", "--iso", f"{place}/x.iso", "--elf", elf,
         "--", "-batch", "-ex", "continue", "-ex", "cycle"], cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout)
    return texts


def test_the_console_and_single_commands_earn_20_points_at_most(said, tmp_path):
    """
    Who knows all names, guesses each number among those that were printed, and looks up in the
    archive the entry that another's machine hung at, or at which one's own ends in lab 2.
    """
    in_lab_2, *_, cycle = said
    entries = entries_of(archive_of(NAMES[0], tmp_path))
    own = measured(NAMES[0], tmp_path)
    assert own in entries
    guesses = [entries[int(re.search(r"exhausted after (\d+) entries", in_lab_2)[1])],
               entries[entry_of_the_hang(NAMES[1], tmp_path)]]
    calls = re.findall(r"#\d+ +(\w+) ", cycle)
    names = {"lock": re.search(r"waits for (\w+)", cycle)[1], "taken_in": calls[0],
             "waits_in": calls[-1], "cycle": calls}
    numbers = {int(number) for text in said for number in re.findall(r"(?<!\w)\d+(?!\w)", text)}
    tests = graded(as_toml({**names, **guesses[0]}), NAMES[0], tmp_path)
    points = sum(test["points"] for test in tests.values())
    assert {tests[f"answers.{key}"]["verdict"] for key in names} == {"PASS"}
    assert 10 < points <= 20
    assert not numbers & set(own.values())
    assert own["entry"] not in {guess["entry"] for guess in guesses}


def entry_of_the_hang(name, directory, *words):
    """Which entry of its archive, from 0 on, the machine of that name hangs at; its table does not grow there."""
    elf = subprocess.run(["make", "-s", "elf", "print-ELF", "LAB=3", *words], cwd=ROOT, text=True,
                         capture_output=True, check=True).stdout.splitlines()[-1]
    file, image = directory / "direct", Image(ROOT / elf)
    file.write_bytes(direct.make(ROOT / elf, "log=debug", 64 << 20, archive_of(name, directory).read_bytes()))

    async def boot():
        async with Machine(Config(file, is_direct=True)) as machine:
            await machine.wait()
            assert "directory_add" in machine.console and "table_grow" not in machine.console
            directory = (await Memory.of(machine, image)).bytes("initramfs")
            return struct.unpack("<QQQ", directory)[2]          # kernel/directory.h
    return asyncio.run(boot())


@pytest.mark.parametrize("design", ["reference", "boundary-tags"])
def test_each_name_hangs_at_an_entry_of_its_own(design, tmp_path):
    """
    Else who reads the archive finds the entry without the machine. So it is on a heap that wastes little,
    too, though that has room for more names: only a table of links keeps it from growing the directory's.
    """
    heap = "labs/02-heap/heap.c"
    source = GRADER / "tests/designs/heap.c" if design == "boundary-tags" else ROOT / heap
    (tmp_path / "heap.patch").write_text(patch_for(heap, source.read_text()))
    words = [f"PATCH={tmp_path}/heap.patch"] if design == "boundary-tags" else []
    places = [entry_of_the_hang(name, tmp_path, *words) for name in (*NAMES, *"abcdef")]
    assert len(set(places)) >= len(places) - 2 and max(places) - min(places) > 40, places


def measured(name, directory):
    """What the machine of that name shows, as a person finds it in GDB."""
    archive = archive_of(name, directory)
    subprocess.run(["make", "-s", "iso", "LAB=3", "LOG=debug", f"INITRAMFS={archive}",
                    f"ISO={directory}/own.iso"], cwd=ROOT, check=True)
    elf = subprocess.run(["make", "-s", "print-ELF", "LAB=3"], cwd=ROOT, text=True,
                         capture_output=True, check=True).stdout.strip()
    text = subprocess.run(
        [sys.executable, GRADER / "terminal.py", "debug", "--iso", f"{directory}/own.iso", "--elf",
         elf, "--", "-batch", "-ex", "continue", "-ex", "backtrace", "-ex",
         "frame function initramfs_init", "-ex", "info locals"], cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    return {"entry": int(re.search(r'"srv/tales/(\d+)-', text)[1]),
            "offset_bytes": int(re.search(r"offset_bytes = (\d+)", text)[1]),
            "request_bytes": 1 + int(re.search(r"copy_name \(.*?name_bytes=(\d+)", text)[1])}


def test_the_answers_of_one_earn_another_nothing(tmp_path):
    own = as_toml(measured(NAMES[0], tmp_path))
    for name, verdict in zip(NAMES, ("PASS", "WRONG")):
        (tmp_path / name).mkdir()
        tests = graded(own, f"{name}\n", tmp_path / name, ",".join(PERSONAL))
        assert {tests[question]["verdict"] for question in PERSONAL} == {verdict}, name


@pytest.mark.parametrize("name", ["", "# Ada\n", "\n \n"], ids=["empty", "a-remark", "blanks"])
def test_without_a_name_the_verdict_says_so(name, tmp_path):
    answers = as_toml({"entry": 760, "offset_bytes": 113892, "request_bytes": 131072})
    tests = graded(answers, name, tmp_path, "answers.*")
    for question in PERSONAL:
        assert tests[question]["verdict"] == "NOT_IMPLEMENTED"
        assert f"there is no name in {NAME_FILE}" in tests[question]["detail"]
    assert "INFRA" not in {test["verdict"] for test in tests.values()}


def test_nothing_says_how_a_boot_ends_that_was_not_predicted(tmp_path):
    predicted = 'predict_muted = "?"\nlock = "log_lock"\n'
    tests = graded(predicted, "Ada", tmp_path)
    for boot in LAB.boots:
        for test in boot.tests:
            if boot.predict in ((), ("predict_muted",)):
                continue
            found = tests[test.name]
            assert found["verdict"] == "NOT_IMPLEMENTED" and not found["console"], found
            assert found["detail"] == f"predict how it ends first: {boot.predict[0]} in answers.toml"
            assert not re.search(r"deadlock|hang|overflow|monitor", found["name"] + found["about"])
    assert tests["variant.muted"]["verdict"] == "PASS"


@pytest.mark.parametrize("is_there", [False, True], ids=["missing", "untouched"])
def test_a_lockup_c_that_nobody_wrote_earns_nothing(is_there, tmp_path):
    """The base kernel's stands in for one that is missing, and finds its way out of a loop."""
    tree = submission(tmp_path / "submission", as_toml({}), "Ada")
    if is_there:
        (tree / LOCKUP).write_bytes(without_solutions(LOCKUP))
    _, labs, output = grade("--tree", str(tree), "3", "--test", "lockup.*", directory=tmp_path)
    assert {test["points"] for test in labs[0]["tests"]} == {0}, output
    assert is_there or f"there is no {LOCKUP}" in output


def test_no_handed_out_table_says_how_a_predicted_boot_ends(tmp_path):
    """Nor do words of it, that one sees while looking for something else; the grader reads the same."""
    table = without_solutions(f"labs/{LAB.name}/lab.toml").decode()
    shutil.copytree(LAB.path, tmp_path / LAB.name)
    (tmp_path / LAB.name / "lab.toml").write_text(table)
    read = lab.load(tmp_path / LAB.name)
    for ours, theirs in zip(LAB.boots, read.boots, strict=True):
        assert replace(ours, tests=()) == replace(theirs, tests=())
        assert [replace(test, lock=None, frames=()) for test in ours.tests] == list(theirs.tests)
    seen = tomllib.loads(table)
    predicted = [boot for boot in seen["boot"] if "predict" in boot]
    assert len(predicted) == sum(bool(boot.predict) for boot in LAB.boots) == 9
    for boot in predicted:
        assert len(boot["predict"]) == 1 or set(boot) == {"predict", "sealed", "test"}
        assert {key for test in boot["test"] for key in test} == {"name", "points", "about", "sealed"}
    assert len({len(test["sealed"]) for boot in predicted for test in boot["test"]}) == 1


@pytest.mark.parametrize("text", [
    "Ada", "# x\n  Ada \n", "\ufeffADA\r\n", "Ada\nLovelace", "名前", "", "# only\n", "a # b", "\x00\x1b[2J",
])
def test_the_grader_and_the_archive_mean_the_same_name(text, tmp_path):
    loader = importlib.machinery.SourceFileLoader("mkinitramfs", str(ROOT / "boot/mkinitramfs"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mkinitramfs", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    (tmp_path / "name").write_text(text)
    assert module.student(tmp_path / "name") == name_in(text.encode())


def test_an_archive_is_the_same_whenever_it_is_made(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    for place in (first, second):
        place.mkdir()
    assert archive_of("Ada", first).read_bytes() == archive_of("Ada", second).read_bytes()
    assert archive_of("Ada", first).read_bytes() != archive_of("Bob", second).read_bytes()


def test_make_asks_for_the_name_once(tmp_path):
    """
    Whoever is at a terminal is asked, and then never again; where nobody is, make goes on without.
    It asks also if some program has made the archive before: doctor does.
    """
    tree = unpacked(tmp_path)
    make = ["make", "-s", "build/initramfs.cpio"]
    nobody = subprocess.run(make, cwd=tree, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert nobody.stderr == f"make: there is no name in {NAME_FILE}. Write yours there, or labs 0 and 3 " \
        "cannot be graded\n"
    terminal = Terminal(*make, directory=tree)
    terminal.expect("Your name, for the files of your machine: ")
    terminal.type("Ada\n")
    assert terminal.status() == 0
    assert name_of(tree) == "ada"
    assert (tree / "build/initramfs.cpio").read_bytes() == archive_of("Ada", tmp_path).read_bytes()
    (tree / "build/initramfs.cpio").unlink()
    terminal = Terminal(*make, directory=tree)
    assert (terminal.status(), "name" in terminal.text) == (0, False), terminal.text
