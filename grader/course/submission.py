# SPDX-License-Identifier: MIT
"""Takes the files that count out of a student's submission.

A submission is a directory or an archive (archive.py). Its files may lie as in the project
(labs/01-frames/frame.c), from labs/ on (01-frames/frame.c), each under any number of wrapping
directories, or flat (frame.c) where a file's name alone says which it is. A missing file may lie
anywhere, under a name that a browser, an editor or a learning platform has changed (names.py;
lab1/Frame (2).c, answers.toml.txt). It is taken if no other file could be meant, and the result says so.
Of several versions of a file in one download the number in the name says which is the newest.
If there is none of the files that count, they are looked for in the archives.
Other files are read only as far as is needed to see that they differ.
"""
from __future__ import annotations

import codecs
import hashlib
import os
import posixpath
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from course import names
from course.archive import (DAMAGE, SUFFIXES, Member, SubmissionError, in_words, is_archive, is_silent,
                            members, opened, shown)

MAX_FILE_BYTES = 1 << 20            # of a file that is taken
MAX_ARCHIVES = 4                    # that are opened in a submission,
MAX_DEPTH = 2                       # and so deep, one in another

# What text in more than one byte a letter begins with. Of two the longer one comes first.
_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True)
class Submission:
    """What counts of a submission."""
    name: str                       # of the file or directory, without .tar.gz and the like
    digest: str                     # SHA-256 of `files`, whatever they came in
    files: dict[str, bytes]         # by path in the project
    taken: tuple[str, ...]          # "NAME as PATH": files with other names than they must have
    ignored: tuple[str, ...]        # other files that differ from the pristine ones; escaped
    missing: tuple[str, ...]        # wanted, but not there
    besides: dict[str, bytes]       # by path in the project: what is taken, but does not count


def read(path: Path, wanted: Collection[str], pristine: Path | None = None,
         besides: Collection[str] = ()) -> Submission:
    """
    Opens the submission at `path` and takes the `wanted` files, which are paths in the project,
    and those `besides` that are there and can be read.
    What it has besides is compared to the pristine project, if one is given.
    Raises SubmissionError.
    """
    try:
        found = [member for member in members(path, wanted) if not is_silent(member.name)]
        taken = _taken(stem(path), found, wanted, pristine, besides)
        for _ in range(MAX_DEPTH):
            archives = [member for member in found if is_archive(member)]
            if taken.files or not 0 < len(archives) <= MAX_ARCHIVES:
                break
            found, trouble = _with_what_is_in(archives, found)
            taken = _taken(stem(path), found, wanted, pristine, besides)
            if trouble and not taken.files:
                raise trouble
        return taken
    except SubmissionError as error:
        raise SubmissionError(f"{shown(path.name)}: {error}") from None


def _with_what_is_in(archives: list[Member], found: list[Member]
                     ) -> tuple[list[Member], SubmissionError | None]:
    """
    What was found, with what is in these archives in their place. One that cannot be opened
    stays; the second value says why. Of a single one the names stay as they are in it.
    """
    inside, trouble = [member for member in found if member not in archives], None
    for archive in archives:
        try:
            inside += [member for member in opened(archive, "" if len(archives) == 1 else f"{archive.name}/")
                       if not is_silent(member.name)]
        except SubmissionError as error:
            inside.append(archive)
            trouble = trouble or SubmissionError(f"{shown(archive.name)} {error}")
    return inside, trouble


def _taken(name: str, found: list[Member], wanted: Collection[str], pristine: Path | None,
           besides: Collection[str]) -> Submission:
    """What counts of these members, and what is to be said of the others. Raises SubmissionError."""
    taken, in_project = _locate([member.name for member in found], wanted)
    outdated = names.outdated([member.name for member in found if not member.odd])
    taken = {name: path for name, path in taken.items() if name not in outdated}
    files, others = {}, {}
    for member in found:
        if member.name in taken:
            _take_once(member, taken[member.name], files)
        elif in_project(member.name) in besides:
            with suppress(SubmissionError):
                others[in_project(member.name)] = _take(member)
    rest = [member for member in found
            if member.name not in taken and in_project(member.name) not in others]
    meant, doubtful, versions = _guess([member for member in rest
                                        if not _has(pristine, in_project(member.name))],
                                       set(wanted) - set(files))
    for path, member in meant.items():
        files[path] = _take(member)
    ignored = {_remark(member.name, in_project, wanted) + doubtful.get(member.name, "")
               for member in rest if member not in meant.values()
               and not _is_pristine(member, in_project(member.name), pristine)}
    return Submission(name, _digest(files), files,
                      tuple(f"{shown(member.name)} as {path}{versions.get(path, '')}"
                            for path, member in sorted(meant.items())),
                      tuple(sorted(ignored)), tuple(sorted(set(wanted) - set(files))), others)


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


def _has(pristine: Path | None, path: str) -> bool:
    """Does the project have a file there, whatever is in it?"""
    try:
        return pristine is not None and not path.startswith("../") and (pristine / path).is_file()
    except ValueError:                  # a NUL in the path
        return False


def _is_pristine(member: Member, path: str, pristine: Path | None) -> bool:
    """Is it the project's own file at that path, unchanged?"""
    if member.odd or not _has(pristine, path):
        return False
    try:
        original = (pristine / path).read_bytes()
        return member.read(len(original) + 1) == original
    except DAMAGE:
        return False


# ---- where the project is in a submission


def _locate(found: list[str], wanted: Collection[str]
            ) -> tuple[dict[str, str], Callable[[str], str]]:
    """
    Finds the project among the names of a submission. Return: the names of the wanted files
    with their paths in the project; and what says where any other would lie in the project.
    """
    for above in ("", "labs/"):             # what is left out of the paths
        tails = {path.removeprefix(above): path for path in wanted}
        roots = {name.removesuffix(tail): name for name in found for tail in tails
                 if f"/{name}".endswith(f"/{tail}")}
        if len(roots) > 1:
            first, second, *_ = sorted(roots.values())
            raise SubmissionError("there is more than one project in it: one has "
                                  f"{shown(first)}, another {shown(second)}")
        for root in roots:
            taken = {root + tail: path for tail, path in tails.items()}
            return taken, partial(_in_project, root, above)
    taken = {posixpath.basename(path): path for path in wanted
             if not _is_ambiguous(posixpath.basename(path), wanted)}
    return taken, partial(_in_project, "", "")


def _in_project(root: str, above: str, name: str) -> str:
    """Where a file of the submission would lie in the project; ../ if outside."""
    return above + name[len(root):] if name.startswith(root) else posixpath.relpath(name, root)


def _guess(members: list[Member], missing: Collection[str]
           ) -> tuple[dict[str, Member], dict[str, str], dict[str, str]]:
    """
    What files are meant to be, whatever they are called, by the wanted path; what to say of
    those that could be meant, but are not alone; and what to say of the wanted paths of which there
    are several versions.
    """
    meant, doubtful, versions = {}, {}, {}
    for path in missing:
        namesakes = {other for other in missing if names.usual(other) == names.usual(path)}
        candidates = [member for member in members if not member.odd
                      and names.usual(member.name) == names.usual(path)
                      and (len(namesakes) == 1 or names.labs_of(member.name) == names.labs_of(path))]
        if len({_take(member) for member in candidates}) == 1:
            meant[path] = candidates[0]
        elif candidates and (newest := names.newest([member.name for member in candidates])):
            meant[path] = next(member for member in candidates if member.name == newest)
            versions[path] = f" (the newest of {len(candidates)})"
        elif candidates:
            doubtful |= {member.name: f" (one of {len(candidates)}: which is {path}?)"
                         for member in candidates}
    return meant, doubtful, versions


def _take_once(member: Member, path: str, files: dict[str, bytes]) -> None:
    """Takes a file that may be in an archive twice, but must be the same then: which of them counts?"""
    contents = _take(member)
    if files.setdefault(path, contents) != contents:
        raise SubmissionError(f"{shown(member.name)} is in it more than once, and not the same")


def _is_ambiguous(basename: str, wanted: Collection[str]) -> bool:
    """Are several of the wanted files called so?"""
    return sum(posixpath.basename(path) == basename for path in wanted) > 1


def _remark(name: str, in_project: Callable[[str], str], wanted: Collection[str]) -> str:
    """How a file that was ignored is listed."""
    places = sorted(path for path in wanted if "/" not in name and names.usual(path) == names.usual(name))
    if len(places) > 1:
        return f"{shown(name)} (which? {' or '.join(places)})"
    return shown(in_project(name))


def _take(member: Member) -> bytes:
    """The contents of a wanted file; in UTF-8 if it is text in UTF-16."""
    if member.odd:
        raise SubmissionError(f"{shown(member.name)} is {member.odd}, not a plain file")
    try:
        contents = member.read(MAX_FILE_BYTES + 1)
    except DAMAGE as error:
        raise SubmissionError(f"{shown(member.name)} cannot be read: {in_words(error)}") from None
    if len(contents) > MAX_FILE_BYTES:
        raise SubmissionError(f"{shown(member.name)} is larger than {MAX_FILE_BYTES >> 20} MiB")
    return _in_utf_8(contents)


def _in_utf_8(contents: bytes) -> bytes:
    """Text as some editors of Windows save it, also without a mark, in UTF-8. All else as it is."""
    coding = next((coding for mark, coding in _MARKS if contents.startswith(mark)), "")
    if not coding and 0 in contents[:2] and any(contents[:2]):
        coding = "utf-16-be" if contents[0] == 0 else "utf-16-le"
    with suppress(UnicodeDecodeError):
        return contents.decode(coding).encode() if coding else contents
    return contents
