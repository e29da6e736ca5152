"""archive.py: what is refused, and that no archive takes more work or memory than it is worth."""
import gzip
import io
import lzma
import os
import resource
import socket
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile

import pytest
from conftest import GRADER
from containers import (FRAME, HEAP, WANTED, directory, every_archive, every_container, plain_tar,
                        refusal, write, zipped)

from counting import Steps

from course import archive, submission
from course.archive import SubmissionError

MAX_STEPS = 200_000     # lines of Python, to refuse a bomb: 64 MiB in pieces take 75,000


@every_container
def test_two_projects_are_refused(make, tmp_path):
    message = refusal(make(tmp_path, {f"new/{FRAME}": b"1", f"old/{FRAME}": b"2"}))
    assert f"new/{FRAME}" in message and f"old/{FRAME}" in message


@every_archive
@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", f"../{FRAME}"])
def test_names_that_lead_outside_are_refused(make, name, tmp_path):
    assert name in refusal(make(tmp_path, {FRAME: b"", name: b""}))


@every_container
def test_a_large_file_is_refused(make, tmp_path):
    limit = submission.MAX_FILE_BYTES
    assert submission.read(make(tmp_path, {FRAME: bytes(limit)}), WANTED).files
    assert refusal(make(tmp_path, {FRAME: bytes(limit + 1)})) == f"{FRAME} is larger than 1 MiB"


@pytest.mark.parametrize("kind, word", [
    (tarfile.SYMTYPE, "a symbolic link"), (tarfile.LNKTYPE, "a hard link"),
    (tarfile.FIFOTYPE, "a device"), (tarfile.CHRTYPE, "a device"), (tarfile.BLKTYPE, "a device")])
def test_only_plain_files_are_taken_from_a_tar(kind, word, tmp_path, pristine):
    for name, wanted in ((FRAME, True), ("Makefile", False)):
        with tarfile.open(tmp_path / "alice.tar", "w") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        if wanted:
            assert refusal(tmp_path / "alice.tar").startswith(f"{FRAME} is {word}")
        else:
            found = submission.read(tmp_path / "alice.tar", WANTED, pristine)
            assert found.ignored == ("Makefile",)


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo(FRAME)
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "alice.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert refusal(tmp_path / "alice.zip") == f"{FRAME} is a symbolic link, not a plain file"


@pytest.mark.parametrize("where", [FRAME, "labs/01-frames", "labs"])
def test_links_out_of_a_directory_are_refused(where, tmp_path):
    write(tmp_path / "outside", {FRAME: b"not mine"})
    link = directory(tmp_path, {HEAP: b""} if where != "labs" else {}) / where
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "outside" / where)
    assert refusal(tmp_path / "alice").startswith(f"{where} is a symbolic link")


def test_links_within_a_directory_are_not_followed(tmp_path):
    path = directory(tmp_path, {f"src/{FRAME}": b"mine"})
    (path / "labs").symlink_to("src/labs")
    (path / "loop").symlink_to(".")
    found = submission.read(path, WANTED)
    assert (found.files, found.ignored) == ({FRAME: b"mine"}, ("../labs", "../loop"))


def test_a_file_that_becomes_a_link_while_we_look_is_not_followed(tmp_path):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError):
        archive._read_plain(tmp_path / "link", 1)


def test_special_files_in_a_directory_keep_nobody_waiting(tmp_path):
    path = directory(tmp_path, {HEAP: b"mine"})
    os.mkfifo(path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path / "socket"))
    assert submission.read(path, WANTED).ignored == ("fifo", "socket")
    (path / FRAME).parent.mkdir()
    os.mkfifo(path / FRAME)
    assert refusal(path) == f"{FRAME} is a device or the like, not a plain file"


@pytest.mark.parametrize("suffix", [".tar", ".zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_wanted_file_that_is_there_twice_is_refused(suffix, tmp_path):
    path = tmp_path / f"alice{suffix}"
    if suffix == ".tar":
        with tarfile.open(path, "w") as archive:
            for contents in (b"1", b"2"):
                info = tarfile.TarInfo(f"./{FRAME}")
                info.size = 1
                archive.addfile(info, io.BytesIO(contents))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(FRAME, b"1")
            archive.writestr(f"./{FRAME}", b"2")
    assert refusal(path) == f"{FRAME} is in it more than once, and not the same"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_wanted_file_that_is_there_twice_and_the_same_is_taken(tmp_path):
    with zipfile.ZipFile(tmp_path / "alice.zip", "w") as archive:
        for name in (FRAME, f"./{FRAME}"):
            archive.writestr(name, b"1")
    assert submission.read(tmp_path / "alice.zip", WANTED).files == {FRAME: b"1"}


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zipped(tmp_path, {FRAME: b"secret"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert refusal(path) == f"{FRAME} in it is encrypted"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_decompression_has_no_bounds_is_refused(method, tmp_path):
    with zipfile.ZipFile(tmp_path / "alice.zip", "w", method) as archive:
        archive.writestr(FRAME, bytes(1000))
    assert "unusual" in refusal(tmp_path / "alice.zip")


@pytest.mark.parametrize("contents", [b"", b"hello\n", b"PK\3\4", b"\x1f\x8b", b"\xfd7zXZ\0",
                                      gzip.compress(b"hello"), os.urandom(5000)],
                         ids=["empty", "text", "zip", "gz", "xz", "gzipped text", "random"])
def test_what_is_no_archive_is_refused(contents, tmp_path):
    (tmp_path / "alice.zip").write_bytes(contents)
    assert refusal(tmp_path / "alice.zip")


def test_what_is_not_there_or_no_file_is_refused(tmp_path):
    assert refusal(tmp_path / "alice.zip") == "cannot be read: No such file or directory"
    os.mkfifo(tmp_path / "fifo")
    assert refusal(tmp_path / "fifo") == "is neither a directory nor a plain file"


@every_archive
def test_a_truncated_archive_is_never_taken_for_a_whole_one(make, tmp_path):
    path = make(tmp_path, {FRAME: os.urandom(700), "x" * 200: b"x", HEAP: os.urandom(700)})
    whole, data = submission.read(path, WANTED), path.read_bytes()
    for length in range(0, len(data), 37):
        path.write_bytes(data[:length])
        try:
            assert submission.read(path, WANTED) == whole
            assert length > 2000, "only the padding of a tar may be missing"
        except SubmissionError:
            pass


@every_archive
def test_a_damaged_archive_gives_a_message(make, tmp_path):
    path = make(tmp_path, {FRAME: b"int x;\n" * 100, "x" * 200: b"x", HEAP: b"int y;\n" * 99})
    data = path.read_bytes()
    for position in range(0, len(data), 1 + len(data) // 400):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        try:
            submission.read(path, WANTED)
        except SubmissionError:
            pass


# ---- bombs


@pytest.mark.parametrize("nr_bytes, well", [(19_999, True), (20_001, False)])
@pytest.mark.parametrize("make", [plain_tar, zipped], ids=["tar", "zip"])
def test_the_number_of_files_is_limited(make, nr_bytes, well, tmp_path):
    path = make(tmp_path, {f"x/{number}": b"" for number in range(nr_bytes)})
    if well:
        assert len(submission.read(path, WANTED).ignored) == nr_bytes
    else:
        assert "more than 20000 files" in refusal(path)


def test_the_number_of_files_in_a_directory_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    path = directory(tmp_path, {f"{number}/x": b"" for number in range(3)})
    assert "more than 5 files" in refusal(path)


def gzip_bomb(path):
    """10 GB of zeros, as one member of a tar."""
    info = tarfile.TarInfo(FRAME)
    info.size = 10 << 30
    zeros = gzip.compress(bytes(64 << 20), 9)       # a .gz may have many members
    path.write_bytes(gzip.compress(info.tobuf()) + zeros * 160)


def xz_bomb(path):
    path.write_bytes(lzma.compress(bytes(200 << 20), preset=0))


def zip_bomb(path):
    """A wanted file of 256 MB that says it has 5 bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, \
            archive.open(FRAME, "w", force_zip64=True) as file:
        for _ in range(16):
            file.write(bytes(16 << 20))
    data = path.read_bytes()
    for kind in ("<Q", "<L"):
        data = data.replace(struct.pack(kind, 256 << 20), struct.pack(kind, 5))
    path.write_bytes(data)


def header_bomb(path):
    """A tar header that says that the next one has 60 GB."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 60 << 30
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))


def sparse_bomb(path):
    """A wanted file with a hole of 4 GB."""
    with open(path.parent / "frame.c", "wb") as file:
        file.truncate(4 << 30)
    subprocess.run(["tar", "-cSf", path, "--transform", f"s:.*:{FRAME}:", "frame.c"],
                   cwd=path.parent, check=True)


@pytest.mark.parametrize("bomb", [gzip_bomb, xz_bomb, zip_bomb, header_bomb, sparse_bomb])
def test_bombs_are_refused_in_bounded_work_and_memory(bomb, tmp_path):
    """What is decompressed without an end comes in pieces, and so in calls, or at once."""
    bomb(tmp_path / "alice")
    script = ("import pathlib, sys\n"
              "from course import submission\n"
              "from counting import Steps\n"
              f"with Steps({MAX_STEPS}):\n"
              "    try: submission.read(pathlib.Path(sys.argv[1]), sys.argv[2:])\n"
              "    except submission.SubmissionError as error: print(error)")
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "alice", *WANTED], text=True,
        env={**os.environ, "PYTHONPATH": f"{GRADER}:{GRADER / 'tests'}"},
        capture_output=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20)))
    assert done.stdout.startswith("alice: "), done.stderr


def test_a_bomb_that_nobody_wants_is_not_even_lit(tmp_path, pristine):
    path = zipped(tmp_path, {FRAME: b"mine", "Makefile": bytes(100 << 20)})
    tracemalloc.start()
    with Steps(5_000):                  # for its 100 MiB in pieces they would be more,
        assert submission.read(path, WANTED, pristine).ignored == ("Makefile",)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 4 << 20         # and at once this
