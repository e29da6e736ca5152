"""Submissions in whatever they may come in, and why one is refused."""
import io
import tarfile
import zipfile

import pytest

from course import submission
from course.archive import SubmissionError

FRAME, HEAP, LOG = "labs/01-frames/frame.c", "labs/02-heap/heap.c", "labs/04-static-log/log.c"
ANSWERS_0, ANSWERS_3 = "labs/00-boot/answers.toml", "labs/03-deadlock/answers.toml"
WANTED = [ANSWERS_0, FRAME, HEAP, ANSWERS_3, LOG]
PROJECT = {"Makefile": b"all:\n", "kernel/log.c": b"int log;\n", FRAME: b"handout\n"}


@pytest.fixture
def pristine(tmp_path):
    """A pristine project."""
    root = tmp_path / "pristine"
    write(root, PROJECT)
    return root


def write(root, files):
    for name, contents in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(contents)


def directory(tmp_path, files):
    write(tmp_path / "alice", files)
    (tmp_path / "alice").mkdir(parents=True, exist_ok=True)
    return tmp_path / "alice"


def tar(suffix, mode):
    def make(tmp_path, files):
        with tarfile.open(tmp_path / f"alice{suffix}", mode) as archive:
            for name, contents in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(contents)
                archive.addfile(info, io.BytesIO(contents))
        return tmp_path / f"alice{suffix}"
    return make


def zipped(tmp_path, files):
    with zipfile.ZipFile(tmp_path / "alice.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return tmp_path / "alice.zip"


plain_tar = tar(".tar", "w")
ARCHIVES = {"tar": plain_tar, "tar.gz": tar(".tar.gz", "w:gz"), "tgz": tar(".TGZ", "w:gz"),
            "tar.xz": tar(".tar.xz", "w:xz"), "zip": zipped}
every_archive = pytest.mark.parametrize("make", ARCHIVES.values(), ids=ARCHIVES)
every_container = pytest.mark.parametrize("make", [directory, *ARCHIVES.values()],
                                          ids=["directory", *ARCHIVES])


def refusal(path, pristine=None):
    """Why a submission is refused: one printable line that says which it is."""
    with pytest.raises(SubmissionError) as caught:
        submission.read(path, WANTED, pristine)
    message = str(caught.value)
    assert message.startswith(f"{path.name}: ") and message.isprintable()
    return message.removeprefix(f"{path.name}: ")
