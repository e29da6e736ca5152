"""submission.py: what is taken from a submission, whatever it comes in."""
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from conftest import GRADER
from containers import (ANSWERS_0, ANSWERS_3, ARCHIVES, FRAME, HEAP, LOG, PROJECT, WANTED, directory,
                        every_container, plain_tar, refusal, zipped)

from course import submission
from course.archive import SubmissionError


@every_container
@pytest.mark.parametrize("wrapping", ["", "labs-alice/", "hand-in/of alice/ouroboros/"])
def test_wanted_files_are_taken_from_anywhere(make, wrapping, tmp_path, pristine):
    files = {**PROJECT, FRAME: b"mine\n", ANSWERS_3: b"lock = 1\n", "Makefile": PROJECT["Makefile"] + b"\trm -rf /\n",
             "notes.txt": b"", "build/kernel.elf": b"\x7fELF", ".git/HEAD": b"ref",
             "labs/01-frames/._frame.c": b"mac"}
    path = make(tmp_path, {wrapping + name: contents for name, contents in files.items()}
                | {"__MACOSX/labs/01-frames/frame.c": b"mac"})
    found = submission.read(path, WANTED, pristine)
    assert found.name == "alice"
    assert found.files == {FRAME: b"mine\n", ANSWERS_3: b"lock = 1\n"}
    assert found.ignored == ("Makefile", "notes.txt")
    assert found.missing == (ANSWERS_0, HEAP, LOG)
    plain = directory(tmp_path / "again", {FRAME: b"mine\n", ANSWERS_3: b"lock = 1\n"})
    assert found.digest == submission.read(plain, WANTED).digest


def test_the_digest_tells_files_apart(tmp_path):
    digests = {submission.read(directory(tmp_path / str(number), files), WANTED).digest
               for number, files in enumerate([{FRAME: b"a"}, {HEAP: b"a"}, {FRAME: b"b"}, {},
                                               {FRAME: b"", HEAP: b"a"},
                                               {FRAME: HEAP.encode() + b"a"}])}
    assert len(digests) == 6


def test_the_digest_does_not_depend_on_the_order(tmp_path):
    files = {FRAME: b"a", HEAP: b"b"}
    digests = {submission.read(make(tmp_path, dict(sorted(files.items(), reverse=make is zipped))),
                               WANTED).digest for make in (plain_tar, zipped)}
    assert len(digests) == 1


@every_container
@pytest.mark.parametrize("name, path", [
    ("lab1/frame.c", FRAME), ("src/frame.c", FRAME), ("old01-frames/frame.c", FRAME),
    ("frame (2).c", FRAME), ("frame(1).c", FRAME), ("frame-1.c", FRAME), ("Frame.c", FRAME),
    ("FRAME.C", FRAME), ("frame - Copy.c", FRAME), ("Copy of frame.c", FRAME), ("frame.c.txt", FRAME),
    ("lovelaceada_LATE_1234_56789_frame-2.c", FRAME),
    ("Ada Lovelace_1234_assignsubmission_file_frame.c", FRAME), ("Lab 2/heap copy 3.c", HEAP),
    ("lab0/answers.toml", ANSWERS_0), ("lab-03/answers.toml.txt", ANSWERS_3),
    ("x/03-deadlock (1)/answers (1).toml", ANSWERS_3), ("heap - Kopie (2).c", HEAP),
    ("heap – Kopie.c", HEAP), ("copie de heap.c", HEAP), ("heap - 副本.c", HEAP), ("heap的副本 2.c", HEAP),
    ("heap（1）.c", HEAP), ("heap[1].c", HEAP), ("heap.c ", HEAP), ("heap.c.", HEAP), ("heap.c.txt.txt", HEAP),
    ("o_brien_12_34_heap.c", HEAP), ("LATE_anon_u3x9P_34_heap-1.c", HEAP),
    ("Ada L_12_assignsubmission_file/heap.c", HEAP), (" heap.c", HEAP), ("heap%20(1).c", HEAP),
    ("heap - Cópia.c", HEAP), ("heap — копия.c", HEAP), ("heap - コピー.c", HEAP), ("heap - 복사본.c", HEAP),
    ("lab1_frame.c", FRAME), ("Lab 3 - answers.toml", ANSWERS_3), ("answers-lab0 (1).toml", ANSWERS_0),
    ("adal_12_34_lab03_answers-1.toml", ANSWERS_3),
])
def test_a_file_is_taken_whatever_has_been_made_of_its_name(make, name, path, tmp_path, pristine):
    found = submission.read(make(tmp_path, {name: b"mine\n"}), WANTED, pristine)
    assert found.files == {path: b"mine\n"}
    assert found.taken == (f"{name} as {path}",) and found.ignored == ()


@pytest.mark.parametrize("files, ignored", [
    (("a/heap (1).c", "b/heap (2).c"), f" (one of 2: which is {HEAP}?)"),
    (("heap - Copy.c", "heap (2).c"), f" (one of 2: which is {HEAP}?)"),
    (("heap(2).c", "heap-2.c"), f" (one of 2: which is {HEAP}?)"),
    (("answers.toml.txt",), f" (which? {ANSWERS_0} or {ANSWERS_3})"),
    (("lab7_answers.toml",), f" (which? {ANSWERS_0} or {ANSWERS_3})"),
    (("heap.cc", "myheap.c", "heap.c/x", "heap2b.c"), ""), (("heap.c~", "heap.c.part", "副本heap.c"), ""),
    (("kernel/frame.c",), ""),                  # a file of the project itself
], ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_what_could_be_meant_otherwise_is_not_taken(files, ignored, tmp_path, pristine):
    (pristine / "kernel/frame.c").write_text("base\n")
    found = submission.read(directory(tmp_path, {name: name.encode() for name in files}), WANTED, pristine)
    assert (found.files, found.taken) == ({}, ())
    assert found.ignored == tuple(f"{name}{ignored}" for name in sorted(files))


@every_container
@pytest.mark.parametrize("names", [
    ("heap.c", "heap (2).c"), ("heap (1).c", "heap (2).c"), ("heap.c", "heap-1.c"), ("heap-9.c", "heap-10.c"),
    ("heap.c", "Heap(1).c"), ("adal_1234_56_heap.c", "adal_1234_78_heap-1.c")], ids=", ".join)
def test_the_newest_of_several_versions_is_taken_and_named(make, names, tmp_path, pristine):
    found = submission.read(make(tmp_path, {name: name.encode() for name in names}), WANTED, pristine)
    assert found.files == {HEAP: names[1].encode()}
    assert found.taken == (f"{names[1]} as {HEAP} (the newest of 2)",) and found.ignored == (names[0],)


def test_a_copy_beside_a_file_of_the_project_is_not_taken(tmp_path):
    found = submission.read(directory(tmp_path, {HEAP: b"x", "labs/02-heap/heap-1.c": b"y"}), WANTED)
    assert (found.files, found.taken) == ({HEAP: b"x"}, ())


@pytest.mark.parametrize("start, coding", [("\ufeff", "utf-16-le"), ("\ufeff", "utf-16-be")])
def test_a_file_in_utf_16_is_read(start, coding, tmp_path):
    text = 'int x; /* “größer” */\r\n'
    found = submission.read(directory(tmp_path, {HEAP: (start + text).encode(coding)}), WANTED)
    assert found.files == {HEAP: text.encode()}
    found = submission.read(directory(tmp_path / "odd", {HEAP: b"\xff\xfe\x00"}), WANTED)
    assert found.files == {HEAP: b"\xff\xfe\x00"}


@pytest.mark.parametrize("coding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_neither_a_missing_mark_nor_four_bytes_a_letter_hide_a_text(coding, tmp_path):
    found = submission.read(directory(tmp_path, {HEAP: "int größe;\n".encode(coding)}), WANTED)
    assert found.files == {HEAP: "int größe;\n".encode()}


def test_copies_of_a_file_are_as_good_as_one(tmp_path):
    found = submission.read(zipped(tmp_path, {"heap (1).c": b"x", "heap (2).c": b"x"}), WANTED)
    assert found.files == {HEAP: b"x"}


def test_a_single_file_is_a_submission(tmp_path):
    (tmp_path / "heap-1.c").write_bytes(b"mine\n")
    found = submission.read(tmp_path / "heap-1.c", WANTED)
    assert (found.name, found.files) == ("heap-1.c", {HEAP: b"mine\n"})


@pytest.mark.parametrize("start, kind", [
    (b"Rar!\x1a\x07\x01\x00", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\x28\xb5\x2f\xfd", "Zstandard")])
@pytest.mark.parametrize("suffix", ["zip", "rar"])
def test_an_archive_that_nobody_can_read_is_named(start, kind, suffix, tmp_path):
    (tmp_path / f"alice.{suffix}").write_bytes(start + bytes(100))
    with pytest.raises(SubmissionError, match=f"alice.{suffix}: is a {kind} archive, .* hand in a"):
        submission.read(tmp_path / f"alice.{suffix}", WANTED)


@every_container
def test_a_flat_submission_is_taken_by_its_names(make, tmp_path, pristine):
    path = make(tmp_path, {"frame.c": b"mine\n", "answers.toml": b"", "kernel/log.c": b"other\n",
                           "old/heap.c": b""})
    found = submission.read(path, WANTED, pristine)
    assert found.files == {FRAME: b"mine\n", HEAP: b""}
    assert found.taken == (f"old/heap.c as {HEAP}",)
    assert found.ignored == (f"answers.toml (which? {ANSWERS_0} or {ANSWERS_3})", "kernel/log.c")


def test_the_directories_of_the_labs_alone_will_do(tmp_path, pristine):
    path = zipped(tmp_path, {"00-boot/answers.toml": b"0", "01-frames/frame.c": b"1",
                             "01-frames/README.md": b""})
    found = submission.read(path, WANTED, pristine)
    assert found.files == {ANSWERS_0: b"0", FRAME: b"1"}
    assert found.ignored == ("labs/01-frames/README.md",)


def test_what_lies_beside_the_project_is_ignored(tmp_path, pristine):
    path = plain_tar(tmp_path, {f"work/{FRAME}": b"1", "frame.c": b"2", "work2/x": b""})
    found = submission.read(path, WANTED, pristine)
    assert (found.files, found.ignored) == ({FRAME: b"1"}, ("../frame.c", "../work2/x"))


def test_an_empty_submission_misses_everything(tmp_path, pristine):
    for make in (directory, zipped, plain_tar):
        found = submission.read(make(tmp_path, {}), WANTED, pristine)
        assert (found.files, found.ignored, len(found.missing)) == ({}, (), len(WANTED))


def test_names_in_a_zip_from_windows_are_understood(tmp_path):
    with zipfile.ZipFile(tmp_path / "alice.zip", "w") as archive:
        for name in ("hand-in\\labs\\", "hand-in\\labs\\01-frames\\frame.c"):
            archive.writestr(name, b"")
    found = submission.read(tmp_path / "alice.zip", WANTED)
    assert (list(found.files), found.ignored) == ([FRAME], ())


def test_odd_names_are_shown_escaped(tmp_path, pristine):
    name = "a\x1b[2J\n\u202eb"
    for make in (directory, *ARCHIVES.values()):
        found = submission.read(make(tmp_path, {FRAME: b"", name: b""}), WANTED, pristine)
        assert found.ignored == ("a\\x1b[2J\\n\\u202eb",)
    os.close(os.open(os.fsencode(tmp_path / "alice") + b"/\xff", os.O_CREAT))
    assert "\\udcff" in submission.read(tmp_path / "alice", WANTED).ignored


def test_a_nul_in_a_path_is_a_name_like_any_other(tmp_path):
    with tarfile.open(tmp_path / "alice.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, header in ((FRAME, {}), ("odd", {"path": "labs/\0odd"})):
            member = tarfile.TarInfo(name)
            member.pax_headers = header
            archive.addfile(member, io.BytesIO())
    read = submission.read(tmp_path / "alice.tar", [FRAME], GRADER.parent)
    assert list(read.files) == [FRAME] and "odd" in "".join(read.ignored)


def archive_of(files, make=zipped):
    """The bytes of an archive with these files."""
    with tempfile.TemporaryDirectory() as place:
        return make(Path(place), files).read_bytes()


@pytest.mark.parametrize("besides", ["", ".DS_Store", "desktop.ini", "report.pdf", "onlinetext.html", "lab.rar"])
@pytest.mark.parametrize("inner, inside", [(zipped, "labs.zip"), (ARCHIVES["tar.gz"], "a/labs.tar.gz")])
@every_container
def test_an_archive_in_a_submission_is_opened_where_nothing_else_counts(
        make, inner, inside, besides, tmp_path, pristine):
    files = {inside: archive_of({FRAME: b"int x;\n"}, inner)} | ({besides: b"Rar!\x1a\x07"} if besides else {})
    read = submission.read(make(tmp_path, files), WANTED, pristine)
    assert (read.name, read.files) == ("alice", {FRAME: b"int x;\n"})
    assert len(read.ignored) == (besides in ("report.pdf", "onlinetext.html", "lab.rar"))


def test_several_archives_are_as_good_as_directories(tmp_path, pristine):
    labs = {f"lab{number}.zip": archive_of({name: b"mine"}) for number, name in
            ((1, "frame.c"), (2, "heap.c"), (3, "answers.toml"))}
    read = submission.read(directory(tmp_path, labs), WANTED, pristine)
    assert set(read.files) == {FRAME, HEAP, ANSWERS_3}
    assert f"lab3.zip/answers.toml as {ANSWERS_3}" in read.taken
    twice = {"a.zip": archive_of({HEAP: b"1"}), "b.zip": archive_of({HEAP: b"2"})}
    assert "more than one project" in refusal(directory(tmp_path / "twice", twice))


def test_an_archive_beside_a_file_that_counts_stays_shut(tmp_path):
    read = submission.read(directory(tmp_path, {"heap.c": b"x", "old.zip": archive_of({HEAP: b"y"})}), WANTED)
    assert (read.files, read.ignored) == ({HEAP: b"x"}, ("old.zip",))


def test_archives_are_opened_only_so_deep_and_so_many(tmp_path):
    inside = {HEAP: b"x"}
    for depth in range(4):
        inside = {f"{depth}.zip": archive_of(inside)}
        read = submission.read(directory(tmp_path / str(depth), inside), WANTED)
        assert bool(read.files) == (depth < submission.MAX_DEPTH)
    many = {f"{number}.zip": archive_of({f"{number}.txt": b""}) for number in range(submission.MAX_ARCHIVES + 1)}
    read = submission.read(directory(tmp_path / "many", many | {"a/b.zip": archive_of({HEAP: b"x"})}), WANTED)
    assert read.files == {} and "0.zip" in read.ignored


@pytest.mark.parametrize("contents, why", [
    (b"Rar!\x1a\x07\x01", "is a RAR archive"), (b"", "is empty"), (b"PK\3\4", "cannot be read")])
def test_an_archive_in_a_submission_that_cannot_be_read_is_named(contents, why, tmp_path):
    assert refusal(directory(tmp_path, {"x/labs.zip": contents, "notes.txt": b""})).startswith(f"x/labs.zip {why}")


def test_a_single_file_may_be_compressed(tmp_path):
    for name, packed in (("heap.c.gz", gzip.compress(b"mine")), ("heap (1).c.xz", lzma.compress(b"mine"))):
        (tmp_path / name).write_bytes(packed)
        assert submission.read(tmp_path / name, WANTED).files == {HEAP: b"mine"}


def test_a_link_to_an_archive_elsewhere_stands_for_nothing(tmp_path):
    (tmp_path / "alice").mkdir()
    with zipfile.ZipFile(tmp_path / "solutions.zip", "w") as archive:
        archive.writestr(FRAME, "int solution;\n")
    (tmp_path / "alice" / "labs.zip").symlink_to(tmp_path / "solutions.zip")
    assert submission.read(tmp_path / "alice", [FRAME]).files == {}
