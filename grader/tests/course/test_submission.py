"""submission.py: what is taken from a submission, whatever it comes in."""
import io
import os
import tarfile
import zipfile

import pytest
from conftest import GRADER
from containers import (ANSWERS_0, ANSWERS_3, ARCHIVES, FRAME, HEAP, LOG, PROJECT, WANTED, directory,
                        every_container, plain_tar, zipped)

from course import submission


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


def test_a_path_that_only_ends_alike_is_another(tmp_path):
    found = submission.read(plain_tar(tmp_path, {"old01-frames/frame.c": b""}), WANTED)
    assert (found.files, found.ignored) == ({}, ("old01-frames/frame.c",))


@every_container
def test_a_flat_submission_is_taken_by_its_names(make, tmp_path, pristine):
    path = make(tmp_path, {"frame.c": b"mine\n", "answers.toml": b"", "kernel/log.c": b"other\n",
                           "old/heap.c": b""})
    found = submission.read(path, WANTED, pristine)
    assert found.files == {FRAME: b"mine\n"}
    assert found.ignored == (f"answers.toml (which? {ANSWERS_0} or {ANSWERS_3})", "kernel/log.c",
                             "old/heap.c")


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


def test_a_directory_with_nothing_but_an_archive_stands_for_it(tmp_path):
    (tmp_path / "Ada_1").mkdir()
    with zipfile.ZipFile(tmp_path / "Ada_1" / "labs.zip", "w") as archive:
        archive.writestr(FRAME, "int x;\n")
    (tmp_path / "Ada_1" / ".DS_Store").write_bytes(b"")
    read = submission.read(tmp_path / "Ada_1", [FRAME])
    assert (read.name, read.files) == ("Ada_1", {FRAME: b"int x;\n"})
    (tmp_path / "Ada_1" / "notes.txt").write_text("hello")
    assert submission.read(tmp_path / "Ada_1", [FRAME]).missing == (FRAME,)


def test_a_link_to_an_archive_elsewhere_stands_for_nothing(tmp_path):
    (tmp_path / "alice").mkdir()
    with zipfile.ZipFile(tmp_path / "solutions.zip", "w") as archive:
        archive.writestr(FRAME, "int solution;\n")
    (tmp_path / "alice" / "labs.zip").symlink_to(tmp_path / "solutions.zip")
    assert submission.read(tmp_path / "alice", [FRAME]).files == {}
