"""The initramfs as other tools make it: archives written here byte by byte, booted, and looked at."""
import bz2
import gzip
import io
import lzma
import re
import subprocess
import tarfile

import pytest
from conftest import ROOT
from processes import DEADLINE

FILE, DIRECTORY = 0o100644, 0o040755


def entry(name, contents=b"", mode=FILE, *, magic="070701", inode=1, nr_links=1, device=(0, 0)):
    """One entry of a cpio archive, padded to a multiple of 4."""
    name = name if isinstance(name, bytes) else name.encode()
    check = sum(contents) if magic == "070702" else 0
    fields = (inode, mode, 0, 0, nr_links, 0, len(contents), 0, 0, *device, len(name) + 1, check)
    head = magic.encode() + b"".join(b"%08x" % field for field in fields) + name + b"\0"
    return head + b"\0" * (-len(head) % 4) + contents + b"\0" * (-len(contents) % 4)


def archive(*entries):
    """An archive of these entries."""
    return b"".join(entries) + entry("TRAILER!!!", mode=0)


USUAL = archive(entry("etc", mode=DIRECTORY), entry("etc/motd", b"x" * 300))


@pytest.fixture
def boot(tmp_path):
    """A function that boots lab 4 with an initramfs, types lines, and returns the console."""
    def run(initramfs, *lines):
        (tmp_path / "initramfs").write_bytes(initramfs)
        done = subprocess.run(
            ["make", "-s", "run", "LAB=4", f"ISO={tmp_path}/x.iso",
             f"INITRAMFS={tmp_path}/initramfs"], cwd=ROOT,
            input="".join(f"{line}\n" for line in lines).encode(), capture_output=True,
            timeout=DEADLINE, check=False)
        console = done.stdout.decode().replace("\r", "")
        assert console.endswith("ouroboros> "), console + done.stderr.decode()
        return console
    return run


def tar():
    """A tar archive with a file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        made.addfile(tarfile.TarInfo("etc/motd"))
    return file.getvalue()


@pytest.mark.parametrize("initramfs, reason", [
    (USUAL[:300], "contents past the end"),
    (b"070701" + b"x" * 200 + USUAL, "hexadecimal digit"),
    (b"not cpio at all" * 20, "bad magic"),
    (USUAL[:USUAL.rindex(b"070701")], "no trailer"),
    (gzip.compress(USUAL), "with gzip -d"), (bz2.compress(USUAL), "with bzip2 -d"),
    (lzma.compress(USUAL), "with xz -d"),
    (lzma.compress(USUAL, lzma.FORMAT_ALONE), "with xz --format=lzma -d"),
    (USUAL + bytes(512) + gzip.compress(USUAL), "with gzip -d"),
    (tar(), "with cpio --format=newc"),
])
def test_what_is_no_archive_is_named_with_what_to_do(boot, initramfs, reason):
    assert re.search(rf"error initramfs: rejected at byte \d+, entry \d+: .*{reason}; "
                     "nothing mounted", boot(initramfs))


def test_archives_of_other_tools_are_read_whole(boot):
    early = archive(entry("kernel", mode=DIRECTORY), entry("kernel/microcode", b"early\n"))
    late = archive(
        entry("/", mode=DIRECTORY), entry("/etc/", mode=DIRECTORY),
        entry("/etc/absolute", b"absolute\n"),
        entry("./TRAILER!!!", b"not the end\n"),
        entry("./etc/sum", b"checked\n", magic="070702"),
        entry("./etc/first", inode=7, nr_links=3),
        entry("./etc/second", b"shared\n", inode=7, nr_links=3),
        entry("./etc/third", inode=7, nr_links=3))
    console = boot(bytes(512) + early + bytes(1024) + late, "cat kernel/microcode",
                   *(f"cat etc/{name}" for name in ("absolute", "sum", "first", "second", "third")),
                   "cat TRAILER!!!")
    assert "info  initramfs: 9 entries, " in console
    assert re.findall(r"^ouroboros> cat .*\n(.*)$", console, re.M) == [
        "early", "absolute", "checked", "shared", "shared", "shared", "not the end"]
