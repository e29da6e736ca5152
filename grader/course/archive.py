# SPDX-License-Identifier: MIT
"""What is in a student's submission: a directory, a tar archive (plain, .gz, .bz2 or .xz), a .zip
or a single file, told apart by what is in them.

Nothing is unpacked to the disk. An archive is read into memory, and what is decompressed is
counted while it grows: what the headers say of sizes is not believed. Of a .zip, whose members
are compressed one by one, nothing is decompressed but what somebody reads. Links are not followed.
"""
from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

MAX_MEMBERS = 20_000
MAX_ARCHIVE_BYTES = 64 << 20        # of an archive, and of the tar in a compressed one
MAX_XZ_MEMORY = 128 << 20           # bytes for its dictionary; xz -9 needs 65 MB
CHUNK = 1 << 16

SUFFIXES = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tbz2", ".txz", ".tar", ".zip")
SILENT = {"build", ".git", "__MACOSX"}      # directories of which nobody wants to hear

LEFT_BEHIND = {".DS_Store", "Thumbs.db", "desktop.ini"}     # by systems, in directories that somebody looked at

# Archives that nothing here reads, by what they begin with.
UNREADABLE = ((b"Rar!\x1a\x07", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\x28\xb5\x2f\xfd", "Zstandard"))
UNREADABLE_SUFFIXES = (".rar", ".7z", ".zst")
COMPRESSED = (".gz", ".bz2", ".xz")         # suffixes of a single file

# What the libraries raise over damaged archives, encrypted or just strange ones.
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError,
           ValueError, RuntimeError, OverflowError)


class SubmissionError(Exception):
    """A submission cannot be graded. The message is for the student: what is wrong, and where."""


@dataclass(frozen=True)
class Member:
    """One thing in a submission that is not a directory."""
    name: str                       # its path in there
    odd: str                        # what it is, if it is no plain file
    read: Callable[[int], bytes]    # its first N bytes


def shown(name: str) -> str:
    """A name as it may be printed: odd bytes and control characters escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def in_words(error: BaseException) -> str:
    """What a library has to say about an archive, in one line."""
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return shown(text.splitlines()[0])


def is_silent(name: str) -> bool:
    """Is it something that tools leave behind, not people?"""
    *directories, last = name.split("/")
    return last.startswith("._") or last in LEFT_BEHIND or not SILENT.isdisjoint(directories)


def is_archive(member: Member) -> bool:
    """Is it called like an archive, or like a file that is compressed?"""
    return not member.odd and member.name.lower().endswith(SUFFIXES + UNREADABLE_SUFFIXES + COMPRESSED)


def members(path: Path, wanted: Collection[str]) -> list[Member]:
    """All that a submission holds but its directories."""
    try:
        if path.is_dir():
            return list(_in_directory(path, wanted))
        with _open_plain(path) as file:
            return _in_file(path.name, _at_most(MAX_ARCHIVE_BYTES, file.read, "the archive"))
    except DAMAGE as error:
        raise SubmissionError(f"cannot be read: {in_words(error)}") from None


def opened(archive: Member, where: str) -> list[Member]:
    """All that an archive in a submission holds, with `where` before their names."""
    try:
        data = archive.read(MAX_ARCHIVE_BYTES + 1)
        if len(data) > MAX_ARCHIVE_BYTES:
            raise SubmissionError(f"is larger than {MAX_ARCHIVE_BYTES >> 20} MiB")
        return [replace(member, name=where + member.name)
                for member in _in_file(posixpath.basename(archive.name), data)]
    except DAMAGE as error:
        raise SubmissionError(f"cannot be read: {in_words(error)}") from None


def _in_file(name: str, data: bytes) -> list[Member]:
    """What is in an archive, or in a file that is compressed; else the file itself."""
    if data.startswith(b"PK"):
        return list(_in_zip(data))
    for start, kind in UNREADABLE:
        if data.startswith(start):
            raise SubmissionError(f"is a {kind} archive, which nobody here can read: hand in a "
                                  ".zip or a .tar.gz")
    is_called_so = name.lower().endswith(SUFFIXES)
    if not data and is_called_so:
        raise SubmissionError("is empty")
    if not is_called_so and not _is_tar(data):
        return [_plain(name, data)]
    plain = _decompress(data)
    if not is_called_so and name.lower().endswith(COMPRESSED) and not _is_tar(plain):
        return [_plain(name.rpartition(".")[0], plain)]
    return list(_in_tar(plain))


def _plain(name: str, data: bytes) -> Member:
    return Member(name, "", lambda nr_bytes: data[:nr_bytes])


def _open_plain(path: Path | str, directory: int | None = None, flags: int = 0) -> io.FileIO:
    """Opens a plain file, and waits for nothing else."""
    file = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | flags, dir_fd=directory))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise SubmissionError("is neither a directory nor a plain file")
    return file


def _at_most(limit: int, read_some: Callable[[int], bytes], what: str) -> bytes:
    """All that can be read, piece by piece, unless it is more than `limit` bytes."""
    data = bytearray()
    while piece := read_some(CHUNK):
        data += piece
        if len(data) > limit:
            raise SubmissionError(f"{what} is larger than {limit >> 20} MiB. Leave out build/, "
                                  "and all else that was made by a program")
    return bytes(data)


def _checked(name: str) -> str:
    """A member's name, without ./ and the like. Raises SubmissionError if it leads elsewhere."""
    if name.startswith("/") or ".." in name.split("/"):
        raise SubmissionError(f"{shown(name)} in it leads outside of it")
    return posixpath.normpath(name)


def _check_number(nr_members: int) -> None:
    if nr_members > MAX_MEMBERS:
        raise SubmissionError(f"has more than {MAX_MEMBERS} files. Leave out build/ and .git/")


def _in_directory(path: Path, wanted: Collection[str]) -> Iterator[Member]:
    parents = {part for name in wanted for part in name.split("/")[:-1]}
    top, nr_seen = path.resolve(), 0

    def stop(error: OSError) -> None:
        name = os.path.relpath(error.filename, path)
        raise SubmissionError(f"{shown(name)} cannot be read: {error.strerror}")

    for where, directories, files in os.walk(path, onerror=stop):
        directories[:] = sorted(set(directories) - SILENT)
        nr_seen += len(directories) + len(files)
        _check_number(nr_seen)
        links = [name for name in directories if os.path.islink(os.path.join(where, name))]
        for last in [*links, *sorted(files)]:
            full = Path(where, last)
            name = full.relative_to(path).as_posix()
            if last in parents and full.is_symlink() and not full.resolve().is_relative_to(top):
                raise SubmissionError(f"{shown(name)} is a symbolic link that leads outside of it")
            yield Member(name, _oddness(full.lstat().st_mode), partial(_read_plain, full))


def _read_plain(path: Path, nr_bytes: int) -> bytes:
    with _open_plain(path, flags=os.O_NOFOLLOW) as file:
        return file.read(nr_bytes)


def _oddness(mode: int) -> str:
    """What a file of that mode is; "" for a plain one."""
    if stat.S_ISREG(mode):
        return ""
    return "a symbolic link" if stat.S_ISLNK(mode) else "a device or the like"


def _is_tar(data: bytes) -> bool:
    """Is it a tar archive, or compressed as one may be?"""
    return data.startswith((b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh")) or data[257:262] == b"ustar"


def _decompress(data: bytes) -> bytes:
    """The tar in a .tar.gz, .tar.bz2 or .tar.xz; all else as it is."""
    what = "what is compressed in the archive"
    if data.startswith(b"BZh"):
        with bz2.open(io.BytesIO(data)) as stream:
            return _at_most(MAX_ARCHIVE_BYTES, stream.read, what)
    if data.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(data)) as stream:
            return _at_most(MAX_ARCHIVE_BYTES, stream.read, what)
    if data.startswith(b"\xfd7zXZ\0"):
        xz, rest = lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_XZ_MEMORY), io.BytesIO(data)

        def read_some(nr_bytes: int) -> bytes:
            piece = b""
            while not piece and not xz.eof:
                some = rest.read(CHUNK) if xz.needs_input else b""
                if xz.needs_input and not some:
                    raise EOFError("the archive ends too early")
                piece = xz.decompress(some, nr_bytes)
            return piece
        return _at_most(MAX_ARCHIVE_BYTES, read_some, what)
    return data


def _in_tar(data: bytes) -> Iterator[Member]:
    try:
        archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:")
    except tarfile.ReadError:
        raise SubmissionError("is not a directory, and not a .tar, .tar.gz, .tar.bz2, "
                              ".tar.xz or .zip either") from None
    for number, info in enumerate(archive, 1):
        _check_number(number)
        if not info.isdir():
            odd = "" if info.isreg() else "a device or the like"
            odd = "a symbolic link" if info.issym() else "a hard link" if info.islnk() else odd
            yield Member(_checked(info.name), odd, partial(_read_tarred, archive, info))
    end = data[archive.offset:][:tarfile.BLOCKSIZE]
    if end != bytes(tarfile.BLOCKSIZE):             # which tarfile does not mind
        raise EOFError(f"the archive is damaged at byte {archive.offset}, or ends there too early")


def _read_tarred(archive: tarfile.TarFile, info: tarfile.TarInfo, nr_bytes: int) -> bytes:
    with archive.extractfile(info) as file:
        return file.read(nr_bytes)


def _in_zip(data: bytes) -> Iterator[Member]:
    _check_number(data.count(b"PK\1\2"))        # each member's entry in the directory begins so
    archive = zipfile.ZipFile(io.BytesIO(data))
    for info in archive.infolist():
        path = info.filename.replace("\\", "/")      # some programs for Windows
        name = _checked(path)
        if info.flag_bits & 1:
            raise SubmissionError(f"{shown(name)} in it is encrypted")
        if not path.endswith("/"):
            mode = info.external_attr >> 16
            odd = _oddness(mode) if stat.S_IFMT(mode) else ""
            yield Member(name, odd, partial(_read_zipped, archive, info))


def _read_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, nr_bytes: int) -> bytes:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError("it is compressed in an unusual way")     # and without bounds
    with archive.open(info) as file:
        return file.read(nr_bytes)
