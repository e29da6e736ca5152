"""A class graded by a stand-in for grade.py, interrupted in many ways."""
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from conftest import GRADER
from processes import DEADLINE, until

from classroom import grading, intake, many, progress
from course import lab, submission, version
from judging.result import as_dict
from reports.results import read
from rich.console import Console

# What becomes of a submission is in its name. Every start leaves a line in starts.txt. One that
# waits does so for go.txt, unless it is one of the first three.
FAKE = f"""\
import json, os, signal, subprocess, sys, time
from pathlib import Path
sys.path.insert(0, {str(GRADER)!r})
from course import submission
from course.lab import students_files
options = dict(word.split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
labs = [word for word in sys.argv[1:] if not word.startswith("--")]
given = submission.read(Path(options["--tree"]), students_files())
judged_by = Path(__file__).with_name("version.json").read_text()
starts = Path(__file__).with_name("starts.txt")
with starts.open("a") as file:
    file.write(given.name + "\\n")
nr_starts = starts.read_text().splitlines().count(given.name)
print("grading", given.name, flush=True)
if "hangs" in given.name:
    def told(*_):
        Path(__file__).with_name("told.txt").touch()
        sys.exit(3)
    signal.signal(signal.SIGTERM, told)
    with Path(__file__).with_name("left-behind.txt").open("a") as file:
        file.write(f"{{subprocess.Popen(['sleep', '1000']).pid}}\\n")
    time.sleep(1000)
if "crashes" in given.name or "flaky" in given.name and nr_starts == 1:
    sys.exit("Traceback: a bug of ours")
go = Path(__file__).with_name("go.txt")
while "waits" in given.name and not go.exists() and starts.read_text().split().index(given.name) >= 3:
    time.sleep(0.01)
test = dict(name="t", about="", verdict="PASS", points=5, max=5, detail="", cause="", console=[],
            run="", debug="", own=None, reference=None)
if "infra" in given.name:
    test |= dict(verdict="INFRA", detail="QEMU is gone", points=0)
if "wrong" in given.name:
    test |= dict(verdict="WRONG", detail="3 instead of 4", points=0)
labs = [dict(lab=int(name[:2]), name=name, title="", points=test["points"], max=5, notes=[],
             tests=[test]) for name in labs]
result = dict(schema="ouroboros-grade/1", error=None, infra="infra" in given.name, sandbox="",
              version=json.loads(judged_by),
              submission=dict(name=given.name, digest=given.digest, ignored=[], missing=[]),
              points=sum(lab["points"] for lab in labs), max=5 * len(labs), labs=labs)
part = Path(options["--json"] + ".part")
part.write_text(json.dumps(result))
part.replace(options["--json"])
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A stand-in for grade.py; what it judges by stands beside it."""
    (tmp_path / "version.json").write_text("{}")
    monkeypatch.setattr(version, "of", lambda labs: json.loads((tmp_path / "version.json").read_text()))
    monkeypatch.setattr(grading, "GRACE", 0.5)
    (tmp_path / "fake.py").write_text(FAKE)
    return tmp_path / "fake.py"


@pytest.fixture(scope="module")
def limit():
    """Seconds for a command that hangs: many times what the others take on this machine now."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", "from course import submission"], cwd=GRADER, check=True)
    return max(4, round(20 * (time.monotonic() - begin)))


@pytest.fixture
def hand_in(tmp_path):
    """A function that makes the directory "in" of submissions with these names."""
    def make(*names, heap="/* a heap */"):
        for name in names:
            file = tmp_path / "in" / name / "labs/02-heap/heap.c"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(heap)
        return tmp_path / "in"
    return make


def run(fake, *arguments, limit=DEADLINE):
    """Grades lab 2 of the class, two at a time. Return: exit status."""
    return many.main([str(fake.parent / "in"), "--out", str(fake.parent / "out"), "-j", "2",
                           *(arguments or ("--lab", "2"))], [sys.executable, str(fake)], limit)


def starts(fake):
    file = fake.with_name("starts.txt")
    return sorted(file.read_text().split()) if file.exists() else []


def result(fake, name):
    return read(fake.parent / "out/results" / f"{name}.json")


def is_running(fake):
    return subprocess.run(["pgrep", "-f", fake], capture_output=True).returncode == 0


def is_alive(pid):
    """Is there such a process, other than one that only waits for its parent to notice?"""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], text=True, capture_output=True)
    return done.stdout.strip()[:1] not in ("", "Z")


# ---- what there is to grade


def test_everything_but_an_instructors_notes_is_somebodys(tmp_path):
    for name in ("ada/labs", "bob", "build", ".git", "__MACOSX", "report"):
        (tmp_path / "in" / name).mkdir(parents=True)
    for name in ("eve.tar.gz", "ivy.ZIP", "joe.tgz", "kim.rar", "lea.c", ".DS_Store", "NOTES.txt",
                 "roster.csv", "Thumbs.db", "desktop.ini"):
        (tmp_path / "in" / name).touch()
    found, others = intake.find([tmp_path / "in"], tmp_path / "in/report")
    assert [candidate.name for candidate in found] == [
        "ada", "bob", "build", "eve", "ivy", "joe", "kim.rar", "lea.c"]
    assert [other.name for other in others] == ["NOTES.txt", "roster.csv"]


@pytest.mark.parametrize("names, whose", [
    (["lovelaceada_1234_56789_lab2.zip", "hopper_LATE_77_88_heap-1.c"], ["hopper_77", "lovelaceada_1234"]),
    (["Ada Lovelace_1234_assignsubmission_file_/", "José_77_assignsubmission_file_heap.c"],
     ["Ada Lovelace_1234", "José_77"]),
    (["Jose\u0301.zip", "Zoe\u0308_1_2_heap.c"], ["Jos\u00e9", "Zo\u00eb_1"]),
    (["ada_1_2_frame.c", "ada_1_3_heap.c", "bob_2_4_heap.c"], ["ada_1", "bob_2"]),
    (["o_brien_LATE_1_2_frame.c", "o_brien_LATE_1_3_lab.zip", "o_brien_1_text.html"], ["o_brien_1"]),
    (["anon_u3x9P_2_heap.c", "LATE_anon_u3x9P_3_notes.pdf", "anon_AAAAA_link.html"], ["anon_AAAAA", "anon_u3x9P"]),
    (["Ada L_12_assignsubmission_file/", "Bo B_13_assignsubmission_onlinetext/"], ["Ada L_12", "Bo B_13"]),
    (["Ada L_12_assignsubmission_file_/", "Ada L_12_assignsubmission_onlinetext_/"], ["Ada L_12"]),
    (["Ada L_12_assignsubmission_file_1.zip", "Ada L_12_assignsubmission_file_2.zip"], ["Ada L_12"]),
])
def test_what_a_platform_makes_of_names_is_understood(names, whose, tmp_path):
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).mkdir() if name.endswith("/") else (tmp_path / "in" / name).touch()
    found, _ = intake.find([tmp_path / "in"], tmp_path / "out")
    assert [candidate.name for candidate in found] == whose


def test_several_files_of_a_student_are_one_submission(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("ada_1_2_frame.c", "ada_1_3_heap-2.c"):
        (tmp_path / "in" / name).write_text(name)
    ada, = intake.find([tmp_path / "in"], tmp_path / "out")[0]
    files = submission.read(ada.path, ["labs/01-frames/frame.c", "labs/02-heap/heap.c"]).files
    assert files == {"labs/01-frames/frame.c": b"ada_1_2_frame.c", "labs/02-heap/heap.c": b"ada_1_3_heap-2.c"}
    assert intake.find([tmp_path / "in"], tmp_path / "out")[0] == [ada]      # another time as well


def test_an_archive_and_what_else_a_platform_has_of_a_student_are_one_submission(tmp_path):
    heap = b"int mine;\n"
    for name in ("ada_1_3_report.pdf", "Bo_2_assignsubmission_onlinetext_/onlinetext.html"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "in" / name).write_text("see the archive")
    for name in ("ada_1_2_lab2.zip", "Bo_2_assignsubmission_file_/lab2.zip"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(tmp_path / "in" / name, "w") as archive:
            archive.writestr("lab2/heap.c", heap)
    found = intake.find([tmp_path / "in"], tmp_path / "out")[0]
    assert [candidate.name for candidate in found] == ["Bo_2", "ada_1"]
    for candidate in found:
        assert submission.read(candidate.path, lab.students_files()).files == {"labs/02-heap/heap.c": heap}


def nobody(work):
    """Does this as a user who may not read everything. Return: what it returns."""
    if os.geteuid():
        return work()
    os.seteuid(65534)
    try:
        return work()
    finally:
        os.seteuid(0)


def test_what_cannot_be_looked_at_has_a_row_and_a_reason(tmp_path):
    """Links that lead nowhere or around, pipes, files and directories that nobody may read."""
    place = tmp_path / "in"
    for name in ("ada", "listed/a", "shut"):
        (place / name).mkdir(parents=True)
        (place / name / "heap.c").write_text("int x;\n")
    (place / "mine.c").write_text("int x;\n")
    for name, target in (("around", "around"), ("nowhere", "gone"), ("up", "..")):
        (place / name).symlink_to(target)
    os.mkfifo(place / "pipe")
    for name, mode in (("listed/a", 0o444), ("shut", 0), ("mine.c", 0)):
        (place / name).chmod(mode)
    for directory in (tmp_path, *list(tmp_path.parents)[:3]):      # one more with several workers
        directory.chmod(directory.stat().st_mode | 0o055)
    found, _ = nobody(lambda: intake.find([place], tmp_path / "out"))
    assert [candidate.name for candidate in found] == [
        "ada", "around", "listed", "mine.c", "nowhere", "pipe", "shut", "up"]
    for candidate in found:
        def read(path=candidate.path):
            try:
                return submission.read(path, lab.students_files()).missing
            except submission.SubmissionError as error:
                return str(error)
        reason = nobody(read)
        assert ("cannot be read: " in reason or "is neither" in reason or "more than one" in reason) \
            == (candidate.name != "ada"), (candidate, reason)
    for name, mode in (("listed/a", 0o755), ("shut", 0o755), ("mine.c", 0o644)):
        (place / name).chmod(mode)


def test_what_a_platform_has_of_a_student_and_cannot_be_copied_stands_for_it(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/ada_1_2_heap.c").write_text("int x;\n")
    os.mkfifo(tmp_path / "in/ada_1_3_pipe")
    ada, = intake.find([tmp_path / "in"], tmp_path / "out")[0]
    assert ada.path == tmp_path / "in/ada_1_3_pipe"


def test_a_name_that_is_too_long_is_cut_and_stays_its_own(tmp_path):
    names = ["ü" * 123 + last for last in "ab"]
    for name in names:
        (tmp_path / "in" / name).mkdir(parents=True)
    found = intake.find([tmp_path / "in"], tmp_path / "out")[0]
    assert len({candidate.name for candidate in found}) == 2
    assert all(len(candidate.name.encode()) <= intake.MAX_NAME_BYTES for candidate in found)


@pytest.fixture
def three_attempts(tmp_path):
    """Ada's three attempts: two of one week, the archive being the younger, and one of the next."""
    for name, date in (("in/wrong-ada.zip", 2_000), ("in/wrong-ada", 1_000), ("next/wrong-ada", 500)):
        file = tmp_path / name / ("" if name.endswith("zip") else "labs/02-heap/heap.c")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        os.utime(file, (date, date))
    return [tmp_path / "in", tmp_path / "next"], [
        tmp_path / name for name in ("in/wrong-ada", "in/wrong-ada.zip", "next/wrong-ada")]


def test_the_instructor_says_which_attempt_counts(three_attempts, tmp_path):
    given, by_date = three_attempts
    newest, = intake.find(given, tmp_path / "out", intake.NEWEST)[0]
    assert newest == intake.Candidate("wrong-ada", by_date[2])
    newest, = intake.find(given[:1], tmp_path / "out", intake.NEWEST)[0]
    assert newest.path == by_date[1]
    every, _ = intake.find(given, tmp_path / "out", intake.BEST)
    assert [(one.name, one.path, one.key) for one in every] == [
        ("wrong-ada", path, f"wrong-ada.{number}") for number, path in enumerate(by_date, 1)]
    with pytest.raises(intake.Refused, match="If they are attempts: --attempts newest or best"):
        intake.find(given, tmp_path / "out")


def test_files_of_two_weeks_are_two_attempts(tmp_path):
    for name in ("1/ada_1_2_frame.c", "1/ada_1_3_heap.c", "2/ada_1_4_heap.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    ada, = intake.find([tmp_path / "1", tmp_path / "2"], tmp_path / "out", intake.NEWEST)[0]
    assert ada.path == tmp_path / "2/ada_1_4_heap.c"
    first, second = intake.find([tmp_path / "1", tmp_path / "2"], tmp_path / "out", intake.BEST)[0]
    assert sorted(file.name for file in first.path.iterdir()) == ["ada_1_2_frame.c", "ada_1_3_heap.c"]


def test_the_best_attempt_counts(fake, hand_in, tmp_path, capsys):
    """The stand-in sees an attempt's quality in its file."""
    fake.write_text(FAKE.replace('"wrong" in given.name', 'b"wrong" in given.files["labs/02-heap/heap.c"]')
                    .replace('"infra" in given.name', 'b"infra" in given.files["labs/02-heap/heap.c"]'))
    def grade(**heaps):
        for week, heap in heaps.items():
            hand_in("ada", heap=heap).rename(tmp_path / week)
        words = [*(str(tmp_path / week) for week in heaps), "--out", str(tmp_path / "out"), "-j", "1", "--lab", "2"]
        return many.main([*words, "--attempts", "best"], [sys.executable, str(fake)])
    assert grade(a="wrong", b="good", c="wrong again") == 0
    assert result(fake, "ada").points == 5 and len(starts(fake)) == 3
    assert f"ada: attempt 2 of 3 counts, {tmp_path / 'b/ada'}" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out/grades.csv").open(newline="")))
    assert [(row["name"], row["points"]) for row in rows] == [("ada", "5")]
    for week in "abc":
        shutil.rmtree(tmp_path / week)
    assert grade(a="wrong", b="good", c="infra") == 0
    assert result(fake, "ada").points == 5, "nothing could be better"
    assert len(starts(fake)) == 3 + 2, "only what is new was graded, and once more as it was INFRA"
    for week in "abc":
        shutil.rmtree(tmp_path / week)
    assert grade(a="wrong", b="wrong, too", c="infra") == 3
    assert result(fake, "ada").again, "it could have been the best"


def test_composed_and_decomposed_letters_make_one_student(tmp_path):
    for name in ("Jose\u0301", "Jos\u00e9.zip"):
        (tmp_path / "in" / name).mkdir(parents=True) if name[-1] != "p" else (tmp_path / "in" / name).touch()
    with pytest.raises(intake.Refused, match="two submissions are called José"):
        intake.find([tmp_path / "in"], tmp_path / "out")
    assert [one.name for one in intake.find([tmp_path / "in"], tmp_path / "out", intake.NEWEST)[0]] == ["José"]


def test_a_directory_with_labs_in_it_is_one_submission(tmp_path):
    (tmp_path / "ada/labs").mkdir(parents=True)
    found, _ = intake.find([tmp_path / "ada", tmp_path / "ada/../ada"], tmp_path / "out")
    assert found == [intake.Candidate("ada", tmp_path / "ada")]


def test_two_submissions_of_one_name_are_refused_with_both_paths(fake, hand_in, capsys):
    archive = hand_in("ada", "bob") / "ada.zip"
    archive.touch()
    assert run(fake) == 2
    errors = capsys.readouterr().err
    assert f"{archive.parent}/ada " in errors and str(archive) in errors and starts(fake) == []


@pytest.mark.parametrize("arguments, message", [
    (["nowhere"], "no such file"), (["empty"], "no submissions there"),
    (["in", "--lab", "99"], "there is no lab '99'"), (["in", "-j", "0"], "at least 1"),
])
def test_a_wrong_call_says_what_is_wrong(arguments, message, fake, hand_in, tmp_path, capsys,
                                         monkeypatch):
    hand_in("ada")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    try:
        status = many.main([*arguments, "--out", "out"], [sys.executable, str(fake)])
    except SystemExit as error:
        status = error.code
    assert status == 2 and message in capsys.readouterr().err


# ---- grading


def test_everyone_is_graded_whatever_becomes_of_the_others(fake, hand_in, tmp_path, capsys, limit):
    hand_in("ada", "hangs", "crashes", "flaky", "infra", "wrong")
    assert run(fake, limit=limit) == 3
    assert starts(fake) == sorted(["ada", "wrong"] + 2 * ["hangs", "crashes", "flaky", "infra"])
    assert (result(fake, "ada").points, result(fake, "flaky").points) == (5, 5)
    assert (result(fake, "wrong").points, result(fake, "wrong").again) == (0, False)
    assert result(fake, "hangs").error == \
        f"the grader's command did not end within {limit} s: grading hangs"
    assert result(fake, "crashes").error == \
        "the grader's command ended with status 1 and no result: Traceback: a bug of ours"
    left_behind = (tmp_path / "left-behind.txt").read_text().split()
    assert len(left_behind) == 2
    until(lambda: not any(is_alive(int(pid)) for pid in left_behind))
    assert (tmp_path / "out/logs/crashes.txt").read_text().count("a bug of ours") == 2
    rows = csv.DictReader((tmp_path / "out/grades.csv").open(newline=""))
    assert {row["name"]: row["points"] for row in rows} == {
        "ada": "5", "flaky": "5", "wrong": "0", "hangs": "", "crashes": "", "infra": ""}
    output = capsys.readouterr().out
    assert "6 submissions: 2 with full points, 1 lost points, 3 to be graded again: " \
           "crashes, hangs, infra" in output
    assert str(tmp_path / "out/index.html") in output


def test_lost_points_are_no_failure_of_the_class(fake, hand_in):
    hand_in("ada", "wrong")
    assert run(fake) == 0


def test_one_that_hangs_holds_up_one_place_only(fake, hand_in, tmp_path):
    hand_in("a-hangs", *(f"ada-{index}" for index in range(6)))
    class_ = in_background(fake)
    until(lambda: len(list((tmp_path / "out").glob("results/ada-*.json"))) == 6)
    assert starts(fake).count("a-hangs") == 1       # and it still has its place
    class_.terminate()
    class_.communicate()


def test_a_class_heeds_what_was_decided_by_hand(fake, hand_in, tmp_path, capsys):
    hand_in("ada", "wrong")
    (tmp_path / "out").mkdir()
    overrides, roster = tmp_path / "out/overrides.toml", tmp_path / "students.csv"
    roster.write_text("login,name\nada,A\nwrong,W\nkonrad,K\n")
    overrides.write_text("[wrong]\npoints = 3\n")
    assert run(fake, "--lab", "2") == 2 and "reason is missing" in capsys.readouterr().err and starts(fake) == []
    overrides.write_text("[wrong]\npoints = 3\nreason = 'r'\n")
    assert run(fake, "--lab", "2", "--roster", str(roster)) == 0
    rows = csv.DictReader((tmp_path / "out/grades.csv").open(newline=""))
    assert {row["name"]: row["points"] for row in rows} == {"ada": "5", "konrad": "", "wrong": "3"}


# ---- resuming


def test_what_was_graded_is_kept(fake, hand_in, capsys):
    hand_in("ada", "bob")
    assert run(fake) == run(fake) == 0
    assert starts(fake) == ["ada", "bob"] and "2 of 2 were graded before" in capsys.readouterr().out


def test_an_archive_that_cannot_be_read_is_asked_for_once(fake, hand_in, tmp_path):
    hand_in("ada")
    (tmp_path / "in/bob.zip").write_bytes(b"no archive")
    assert run(fake) == 3       # this stand-in knows no broken archives, unlike grade.py:
    file = tmp_path / "out/results/bob.json"
    values = json.loads((tmp_path / "out/results/ada.json").read_text())
    values["submission"]["digest"] = ""
    values["submission"]["trouble"] = "cannot be graded: no archive"
    file.write_text(json.dumps(values))
    before = starts(fake)
    assert run(fake) == 1 and starts(fake) == before


@pytest.mark.parametrize("why, again", [
    ("infra", ["infra"]), ("damaged", ["ada"]), ("file", ["ada"]),
    ("grader", ["ada", "bob", "infra"]), ("--again", ["ada", "bob", "infra"]),
])
def test_what_has_to_be_graded_again_is(why, again, fake, hand_in, tmp_path):
    hand_in("ada", "bob", "infra")
    run(fake)
    fake.write_text(FAKE.replace('"infra" in', '"never" in'))
    fake.with_name("starts.txt").unlink()
    arguments = ["--lab", "2"]
    if why == "damaged":
        (tmp_path / "out/results/ada.json").write_text("{")
    elif why == "file":
        hand_in("ada", heap="/* a better heap */")
    elif why == "grader":
        (tmp_path / "version.json").write_text('{"grader": "another"}')
    elif why == "--again":
        arguments += ["--again"]
    assert run(fake, *arguments) == 0
    assert starts(fake) == sorted(set(again) | {"infra"})


def test_results_for_other_labs_are_not_lost(fake, hand_in, tmp_path, capsys):
    hand_in("ada")
    assert run(fake) == 0
    before = (tmp_path / "out/results/ada.json").read_text()
    assert run(fake, "--lab", "4") == 2 and "ada.json is for 02-heap" in capsys.readouterr().err
    assert (tmp_path / "out/results/ada.json").read_text() == before
    assert run(fake, "--lab", "4", "--again") == 0
    assert [lab.name for lab in result(fake, "ada").labs] == ["04-static-log"]


def test_the_old_result_stays_until_the_new_one_is_whole(fake, hand_in, tmp_path):
    hand_in("ada", "hangs")
    kept = tmp_path / "out/results/hangs.json"
    fake.write_text(FAKE.replace('"hangs" in', '"never" in'))
    assert run(fake) == 0
    fake.write_text(FAKE)
    hand_in("hangs", heap="/* a better heap */")
    before = kept.read_bytes()
    class_ = in_background(fake)
    until(lambda: starts(fake).count("hangs") == 2 and (tmp_path / "left-behind.txt").exists())
    assert kept.read_bytes() == before
    class_.terminate()
    class_.communicate(timeout=DEADLINE)
    assert kept.read_bytes() == before
    fake.write_text(FAKE.replace('"hangs" in', '"never" in'))
    assert run(fake) == 0 and kept.read_bytes() != before
    assert starts(fake) == ["ada", "hangs", "hangs", "hangs"]


# ---- what a grade depends on


@pytest.fixture
def tree(tmp_path):
    """A tree like ours, in little. Return: its path, and a function for what labs 1 and 2 depend on."""
    for name in ("Makefile", "kernel/heap.c", "boot/link", "labs/skeleton", "labs/01-a/lab.toml",
                 "labs/02-b/lab.toml", "labs/03-c/lab.toml", "grader/judging/judge.py",
                 "grader/debugger/inside/stack.py", "grader/mutants/02/x.patch", "grader/classroom/one.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    labs = [lab.Lab(number, tmp_path / name, "", (), "", ()) for number, name in
            ((1, "labs/01-a"), (2, "labs/02-b"))]
    return tmp_path, lambda: version.of(labs, tmp_path)


@pytest.mark.parametrize("name, changes", [
    ("Makefile", {"01-a", "02-b"}), ("kernel/heap.c", {"01-a", "02-b"}), ("labs/skeleton", {"01-a", "02-b"}),
    ("labs/01-a/lab.toml", {"01-a", "02-b"}), ("labs/02-b/lab.toml", {"02-b"}),
    ("labs/02-b/new_test.c", {"02-b"}), ("labs/03-c/lab.toml", set()),
    ("grader/judging/judge.py", {"grader"}), ("grader/debugger/inside/stack.py", {"grader"}),
    ("grader/mutants/02/x.patch", {"grader"}), ("grader/classroom/one.py", {"grader"}),
    ("labs/02-b/README.md", set()), ("labs/02-b/README.zh.md", set()), ("labs/02-b/hints.toml", set()),
    ("docs/heap.md", set()), ("grader/tests/test_x.py", set()), ("grader/reports/class_page.py", set()),
    ("grader/judging/__pycache__/judge.py", set()), ("labs/02-b/.heap.c.swp", set()),
    ("labs/02-b/heap.c~", set()), ("labs/02-b/heap.c.orig", set()),
])
def test_a_grade_depends_on_its_lab_and_the_grader_and_on_no_page(name, changes, tree):
    root, of = tree
    before = of()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("another")
    after = of()
    assert {key for key in after if after[key] != before[key]} == changes


def test_dates_decide_about_no_grade(tree):
    root, of = tree
    before = of()
    for file in root.rglob("*"):
        os.utime(file, (2_000_000_000, 2_000_000_000))
    assert of() == before and set(before) == {"grader", "01-a", "02-b"}


def in_background(fake):
    """The class graded by a process of its own."""
    program = (f"import sys; sys.path.insert(0, {str(GRADER)!r}); from classroom import many\n"
               "many.version.of = lambda labs: {}\n"
               f"sys.exit(many.main([{str(fake.parent / 'in')!r}, '--out', "
               f"{str(fake.parent / 'out')!r}, '-j', '2', '--lab', '2'], "
               f"[sys.executable, {str(fake)!r}]))")
    return subprocess.Popen([sys.executable, "-c", program], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_ends_all_and_the_same_command_resumes(number, fake, hand_in, tmp_path):
    names = [f"waits-{index}" for index in range(8)]
    hand_in(*names)
    class_ = in_background(fake)
    until(lambda: len(list((tmp_path / "out").glob("results/*.json"))) == 3 and
          len(starts(fake)) == 5)
    class_.send_signal(number)
    _, errors = class_.communicate(timeout=DEADLINE)
    if number != signal.SIGKILL:
        assert class_.returncode == 3 and "The same command goes on" in errors
    until(lambda: not is_running(fake))
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("out/results/*.json")}
    assert len(kept) == 3 and not (tmp_path / "out/index.html").exists()
    fake.with_name("go.txt").touch()
    assert run(fake) == 0
    assert all(file.stat().st_mtime_ns == then for file, then in kept.items()), "graded twice"
    # The two that the interruption met at work were begun twice; nobody was graded twice.
    assert set(starts(fake)) == set(names) and len(starts(fake)) == 8 + 2
    assert (tmp_path / "out/index.html").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_is_told_to_end_when_the_class_ends(number, fake, hand_in, tmp_path):
    hand_in("hangs")
    class_ = in_background(fake)
    left_behind = tmp_path / "left-behind.txt"
    until(lambda: left_behind.exists() and left_behind.read_text())
    class_.send_signal(number)
    class_.communicate(timeout=DEADLINE)
    until(lambda: not is_running(fake))
    assert (tmp_path / "told.txt").exists(), "it was killed, and left its machines and files behind"
    pid = int(left_behind.read_text())
    if number == signal.SIGKILL:        # grade.py's machines end with it by themselves
        os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))


def test_two_classes_do_not_share_a_report(fake, hand_in, tmp_path):
    hand_in(*(f"waits-{index}" for index in range(4)))
    class_ = in_background(fake)
    until(lambda: len(starts(fake)) == 4)
    assert run(fake) == 2
    fake.with_name("go.txt").touch()
    assert class_.wait(timeout=DEADLINE) == 0
    class_.communicate()


# ---- progress


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_told(terminal, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "NEWS", 0)
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=120)
    (tmp_path / "x.json").write_text(json.dumps(as_dict([], error="no")))
    with progress.ClassProgress(console, 4) as watcher:
        for final in (False, True, True):
            watcher.attempted(read(tmp_path / "x.json"), final)
        if terminal:
            watcher._bar.refresh()
    assert ("2/4" if terminal else "2 of 4 graded: 0 lost points, 3 INFRA; about 0.0 min left") \
        in output.getvalue()
