"""The initramfs as other tools make it: archives written here byte by byte, booted, and looked at."""
import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT
from processes import DEADLINE

FILE, DIRECTORY, SYMLINK = 0o100644, 0o040755, 0o120777
DAY = 1767225600        # 2026-01-01, of every file


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
    (gzip.compress(USUAL, mtime=0), "with gzip -d"), (bz2.compress(USUAL), "with bzip2 -d"),
    (lzma.compress(USUAL), "with xz -d"),
    (lzma.compress(USUAL, lzma.FORMAT_ALONE), "with xz --format=lzma -d"),
    (USUAL + bytes(512) + gzip.compress(USUAL, mtime=0), "with gzip -d"),
    (tar(), "with cpio --format=newc"),
], ids=lambda value: value if isinstance(value, str) else "bytes")
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


NAMES = {                                       # as ls shows them, and as the archive has them
    "größe.txt": "größe.txt".encode(), "学号": "学号".encode(), "ж" * 126 + "x": ("ж" * 126 + "x").encode(),
    "two words": b"two words", r"\x20 ends \x20": b"  ends  ", r"back\x5cslash": rb"back\slash",
    r"\x1b[2J\x1b[31m": b"\x1b[2J\x1b[31m", r"a\x0ab\x0d": b"a\nb\r",
    r"\xc2\x9b2J\x9b": b"\xc2\x9b2J\x9b",
    r"\xfcber": "über".encode("latin-1"), r"\x01" * 253: b"\x01" * 253,
}


def test_the_monitor_takes_every_name_that_it_shows(boot):
    initramfs = archive(entry("d", mode=DIRECTORY), *(
        entry(b"d/" + name, b"file %02d\n" % number) for number, name in enumerate(NAMES.values())))
    console = boot(initramfs, "ls /d/", *(f"cat /d/{name}" for name in NAMES), "cat /d/\x1b[31m")
    listed, *printed = console.split("ouroboros> ")[1:-1]
    assert sorted(re.findall(r"^-        8  (.*)$", listed, re.M)) == sorted(NAMES)
    for number, (name, text) in enumerate(zip(NAMES, printed)):
        assert text == f"cat /d/{name}\nfile {number:02}\n"
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", console)


def test_ls_tells_links_devices_and_directories_from_files(boot):
    console = boot(archive(
        entry("dir", mode=DIRECTORY), entry("file", b"12345"), entry("pipe", mode=0o010644),
        entry("link", b"file\x1b", SYMLINK), entry("null", mode=0o020666, device=(1, 3)),
        entry("disk", mode=0o060660, device=(254, 16)), entry("socket", mode=0o140755)),
        "ls", "ls link", "cat dir", "cat link", "cat null", "cat none")
    listed, one, *printed = console.split("ouroboros> ")[1:-1]
    assert sorted(listed.splitlines()[1:]) == sorted([
        "d        0  dir", "-        5  file", "p        0  pipe", r"l        5  link -> file\x1b",
        "c   1,   3  null", "b 254,  16  disk", "s        0  socket"])
    assert one.splitlines()[1:] == [r"l        5  link -> file\x1b"]
    assert [text.splitlines()[1] for text in printed] == [
        'cat: "dir" is a directory', 'cat: "link" is a symbolic link', 'cat: "null" is a device',
        'cat: no file "none"']


def test_a_prompt_is_at_the_start_of_a_line_whatever_came_before(boot):
    console = boot(archive(entry("word", b"without an end"), entry("return", b"\r")),
                   "cat word", "cat return", "heap")
    assert "\nwithout an end\nouroboros> cat return\n\nouroboros> heap\n" in console


def test_a_line_that_was_cut_is_not_carried_out(boot):
    console = boot(USUAL, "panic " + "x" * 2000, "cat none\x1b[1;", "cat none\x1bO", "help \x1b[\x03")
    assert "the line is longer than 1279 bytes and is not carried out\nouroboros> " in console
    assert console.count('cat: no file "none"\n') == 2 and "help ^C\nouroboros> " in console


def test_what_no_block_of_frames_can_hold_is_said(boot):
    """Much memory is free then, and "out of memory" alone is a riddle."""
    console = boot(USUAL, "alloc 8388608", "alloc 100000000")
    assert console.count("bytes in a row: no block of frames is that large\n") == 2, console


@pytest.mark.skipif(not shutil.which("cpio"), reason="there is no cpio to compare with")
@pytest.mark.parametrize("name", ["", "Ada Lovelace"])
def test_our_archive_is_what_gnu_cpio_makes_of_its_tree(name, tmp_path):
    (tmp_path / "name").write_text(name)
    subprocess.run([sys.executable, ROOT / "boot/mkinitramfs", tmp_path / "name", tmp_path / "ours"], check=True)
    ram_disk = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None      # for thousands of files
    with tempfile.TemporaryDirectory(dir=ram_disk) as tree:
        subprocess.run(["cpio", "-idm", "--quiet"], cwd=tree, input=(tmp_path / "ours").read_bytes(), check=True)
        names = sorted(str(path.relative_to(tree)) for path in Path(tree).rglob("*"))
        for path in sorted(names, reverse=True):
            os.utime(f"{tree}/{path}", (DAY, DAY))
        theirs = subprocess.run(["cpio", "-o", "--format=newc", "--reproducible", "--owner=+0:+0", "--quiet"],
                                cwd=tree, input="\n".join(names).encode(), capture_output=True, check=True).stdout
    assert (tmp_path / "ours").read_bytes() == theirs
