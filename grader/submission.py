# SPDX-License-Identifier: MIT
"""Takes the files that count out of a student's submission.

A submission is a directory, a tar archive (plain, .gz or .xz) or a .zip, told apart by what is
in them. Its files may lie as in the project (labs/01-frames/frame.c), from labs/ on
(01-frames/frame.c), each under any number of wrapping directories, or flat (frame.c) where a
file's name alone says which it is.

Nothing is unpacked to the disk. An archive is read into memory, and what is decompressed is
counted while it grows: what the headers say of sizes is not believed. Of a .zip, whose members
are compressed one by one, nothing is decompressed but what is taken or compared. Links are
not followed, and of all other files no more is read than is needed to see that they differ.
"""
from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

MAX_MEMBERS = 20_000
MAX_FILE_BYTES = 1 << 20            # of a file that is taken
MAX_ARCHIVE_BYTES = 64 << 20        # of an archive, and of the tar in a compressed one
MAX_XZ_MEMORY = 128 << 20           # bytes for its dictionary; xz -9 needs 65 MB
CHUNK = 1 << 16

SUFFIXES = (".tar.gz", ".tar.xz", ".tgz", ".txz", ".tar", ".zip")
SILENT = {"build", ".git", "__MACOSX"}      # directories of which nobody wants to hear

# What the libraries raise over damaged archives, encrypted or just strange ones.
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError,
           ValueError, RuntimeError, OverflowError)


class SubmissionError(Exception):
    """A submission cannot be graded. The message is for the student: what is wrong, and where."""


@dataclass(frozen=True)
class Submission:
    """What counts of a submission."""
    name: str                       # of the file or directory, without .tar.gz and the like
    digest: str                     # SHA-256 of `files`, whatever they came in
    files: dict[str, bytes]         # by path in the project
    ignored: tuple[str, ...]        # other files that differ from the pristine ones; escaped
    missing: tuple[str, ...]        # wanted, but not there


@dataclass(frozen=True)
class _Member:
    """One thing in a submission that is not a directory."""
    name: str                       # its path in there
    odd: str                        # what it is, if it is no plain file
    read: Callable[[int], bytes]    # its first N bytes


def read(path: Path, wanted: Collection[str], pristine: Path | None = None) -> Submission:
    """
    Opens the submission at `path` and takes the `wanted` files, which are paths in the project.
    What it has besides is compared to the pristine project, if one is given.
    A directory that holds nothing but an archive stands for it. Raises SubmissionError.
    """
    try:
        if inside := _only_archive(path):
            return replace(read(inside, wanted, pristine), name=stem(path))
        members = [member for member in _members(path, wanted) if not _is_silent(member.name)]
        taken, in_project = _locate([member.name for member in members], wanted)
        files = {}
        for member in members:
            if member.name in taken:
                files[taken[member.name]] = _take(member)
        ignored = {_remark(member.name, in_project, wanted) for member in members
                   if member.name not in taken
                   and not _is_pristine(member, in_project(member.name), pristine)}
    except SubmissionError as error:
        raise SubmissionError(f"{shown(path.name)}: {error}") from None
    return Submission(stem(path), _digest(files), files, tuple(sorted(ignored)),
                      tuple(sorted(set(wanted) - set(files))))


def _only_archive(path: Path) -> Path | None:
    """The archive that is all there is in a directory, as some learning platforms hand it out."""
    try:
        inside = [child for child in os.scandir(path) if not _is_silent(child.name)]
    except OSError:                     # no directory, or one that _members() will complain of
        return None
    if len(inside) == 1 and inside[0].name.lower().endswith(SUFFIXES) \
            and inside[0].is_file(follow_symlinks=False):
        return Path(inside[0].path)
    return None


def shown(name: str) -> str:
    """A name as it may be printed: odd bytes and control characters escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def stem(path: Path) -> str:
    name = os.path.basename(os.path.abspath(path))
    if path.is_dir():
        return name
    return next((name[:-len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, contents in sorted(files.items()):
        digest.update(f"{path}\0{len(contents)}\0".encode() + contents)
    return digest.hexdigest()


def _is_silent(name: str) -> bool:
    """Is it something that tools leave behind, not people?"""
    *directories, last = name.split("/")
    return last.startswith("._") or last == ".DS_Store" or not SILENT.isdisjoint(directories)


def _is_pristine(member: _Member, path: str, pristine: Path | None) -> bool:
    """Is it the project's own file at that path, unchanged?"""
    if pristine is None or member.odd or path.startswith("../"):
        return False
    try:
        original = (pristine / path).read_bytes()
    except (OSError, ValueError):       # ValueError: a NUL in the path
        return False
    try:
        return member.read(len(original) + 1) == original
    except _DAMAGE:
        return False


# ---- where the project is in a submission


def _locate(names: list[str], wanted: Collection[str]
            ) -> tuple[dict[str, str], Callable[[str], str]]:
    """
    Finds the project among the names of a submission. Return: the names of the wanted files
    with their paths in the project; and what says where any other would lie in the project.
    """
    for above in ("", "labs/"):             # what is left out of the paths
        tails = {path.removeprefix(above): path for path in wanted}
        roots = {name.removesuffix(tail): name for name in names for tail in tails
                 if f"/{name}".endswith(f"/{tail}")}
        if len(roots) > 1:
            first, second, *_ = sorted(roots.values())
            raise SubmissionError("there is more than one project in it: one has "
                                  f"{shown(first)}, another {shown(second)}")
        for root in roots:
            taken = {root + tail: path for tail, path in tails.items()}
            return _each_once(names, taken), partial(_in_project, root, above)
    taken = {posixpath.basename(path): path for path in wanted
             if not _is_ambiguous(posixpath.basename(path), wanted)}
    return _each_once(names, taken), partial(_in_project, "", "")


def _in_project(root: str, above: str, name: str) -> str:
    """Where a file of the submission would lie in the project; ../ if outside."""
    return above + name[len(root):] if name.startswith(root) else posixpath.relpath(name, root)


def _each_once(names: list[str], taken: dict[str, str]) -> dict[str, str]:
    """Refuses an archive that has a wanted file twice: which of them counts?"""
    counts = Counter(names)
    for name in taken:
        if counts[name] > 1:
            raise SubmissionError(f"{shown(name)} is in it {counts[name]} times")
    return taken


def _is_ambiguous(basename: str, wanted: Collection[str]) -> bool:
    """Are several of the wanted files called so?"""
    return sum(posixpath.basename(path) == basename for path in wanted) > 1


def _remark(name: str, in_project: Callable[[str], str], wanted: Collection[str]) -> str:
    """How a file that was ignored is listed."""
    if _is_ambiguous(name, wanted):
        places = sorted(path for path in wanted if posixpath.basename(path) == name)
        return f"{name} (which? {' or '.join(places)})"
    return shown(in_project(name))


def _take(member: _Member) -> bytes:
    """The contents of a wanted file."""
    if member.odd:
        raise SubmissionError(f"{shown(member.name)} is {member.odd}, not a plain file")
    try:
        contents = member.read(MAX_FILE_BYTES + 1)
    except _DAMAGE as error:
        raise SubmissionError(f"{shown(member.name)} cannot be read: {_words(error)}") from None
    if len(contents) > MAX_FILE_BYTES:
        raise SubmissionError(f"{shown(member.name)} is larger than {MAX_FILE_BYTES >> 20} MiB")
    return contents


def _words(error: BaseException) -> str:
    """What a library has to say about an archive, in one line."""
    text = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return shown(text.splitlines()[0])


# ---- what is in a submission


def _members(path: Path, wanted: Collection[str]) -> list[_Member]:
    """All that a submission holds but its directories."""
    try:
        if path.is_dir():
            return list(_in_directory(path, wanted))
        with _open_plain(path) as file:
            data = _at_most(MAX_ARCHIVE_BYTES, file.read, "the archive")
        if data.startswith(b"PK"):
            return list(_in_zip(data))
        return list(_in_tar(_decompress(data)))
    except _DAMAGE as error:
        raise SubmissionError(f"cannot be read: {_words(error)}") from None


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


def _in_directory(path: Path, wanted: Collection[str]) -> Iterator[_Member]:
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
            yield _Member(name, _oddness(full.lstat().st_mode), partial(_read_plain, full))


def _read_plain(path: Path, nr_bytes: int) -> bytes:
    with _open_plain(path, flags=os.O_NOFOLLOW) as file:
        return file.read(nr_bytes)


def _oddness(mode: int) -> str:
    """What a file of that mode is; "" for a plain one."""
    if stat.S_ISREG(mode):
        return ""
    return "a symbolic link" if stat.S_ISLNK(mode) else "a device or the like"


def _decompress(data: bytes) -> bytes:
    """The tar in a .tar.gz or .tar.xz; all else as it is."""
    what = "what is compressed in the archive"
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


def _in_tar(data: bytes) -> Iterator[_Member]:
    try:
        archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:")
    except tarfile.ReadError:
        raise SubmissionError("is not a directory, and not a .tar, .tar.gz, .tar.xz or .zip "
                              "either") from None
    for number, info in enumerate(archive, 1):
        _check_number(number)
        if not info.isdir():
            odd = "" if info.isreg() else "a device or the like"
            odd = "a symbolic link" if info.issym() else "a hard link" if info.islnk() else odd
            yield _Member(_checked(info.name), odd, partial(_read_tarred, archive, info))
    end = data[archive.offset:][:tarfile.BLOCKSIZE]
    if end != bytes(tarfile.BLOCKSIZE):             # which tarfile does not mind
        raise EOFError(f"the archive is damaged at byte {archive.offset}, or ends there too early")


def _read_tarred(archive: tarfile.TarFile, info: tarfile.TarInfo, nr_bytes: int) -> bytes:
    with archive.extractfile(info) as file:
        return file.read(nr_bytes)


def _in_zip(data: bytes) -> Iterator[_Member]:
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
            yield _Member(name, odd, partial(_read_zipped, archive, info))


def _read_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, nr_bytes: int) -> bytes:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError("it is compressed in an unusual way")     # and without bounds
    with archive.open(info) as file:
        return file.read(nr_bytes)
