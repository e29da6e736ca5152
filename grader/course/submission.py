# SPDX-License-Identifier: MIT
"""Takes the files that count out of a student's submission.

A submission is a directory or an archive (archive.py). Its files may lie as in the project
(labs/01-frames/frame.c), from labs/ on (01-frames/frame.c), each under any number of wrapping
directories, or flat (frame.c) where a file's name alone says which it is. What is still missing
may lie anywhere under a name that a browser, an editor or a learning platform has changed
(lab1/Frame (2).c, answers.toml.txt): it is taken if no other file could be meant, and named as
such. Of several versions of a file in one download the number in the name says which is the newest.
Of all other files no more is read than is needed to see that they differ.
"""
from __future__ import annotations

import hashlib
import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from course.archive import (DAMAGE, SUFFIXES, Member, SubmissionError, in_words, is_silent,
                            members, only_archive, shown)

MAX_FILE_BYTES = 1 << 20            # of a file that is taken


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
    A directory that holds nothing but an archive stands for it. Raises SubmissionError.
    """
    try:
        if inside := only_archive(path):
            return replace(read(inside, wanted, pristine, besides), name=stem(path))
        found = [member for member in members(path, wanted) if not is_silent(member.name)]
        taken, in_project = _locate([member.name for member in found], wanted)
        taken = {name: path for name, path in taken.items() if not _is_outdated(name, found)}
        files, others = {}, {}
        for member in found:
            if member.name in taken:
                files[taken[member.name]] = _take(member)
            elif in_project(member.name) in besides:
                with suppress(SubmissionError):
                    others[in_project(member.name)] = _take(member)
        rest = [member for member in found
                if member.name not in taken and in_project(member.name) not in others]
        meant, doubtful, versions = _guess([member for member in rest
                                  if not _has(pristine, in_project(member.name))],
                                 set(wanted) - set(files))
        for name, member in meant.items():
            files[name] = _take(member)
        ignored = {_remark(member.name, in_project, wanted) + doubtful.get(member.name, "")
                   for member in rest if member not in meant.values()
                   and not _is_pristine(member, in_project(member.name), pristine)}
    except SubmissionError as error:
        raise SubmissionError(f"{shown(path.name)}: {error}") from None
    return Submission(stem(path), _digest(files), files,
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


# What learning platforms put before a file's name: Canvas who and two numbers, Moodle who and one.
_PLATFORM = re.compile(r"(?P<canvas>[^_]+)_(?:late_)?(?P<user>\d+)_\d+_(?=.)"
                       r"|(?P<moodle>.+)_(?P<id>\d+)_assignsubmission_[a-z]+_", re.IGNORECASE)

# What browsers and people who copy put around it.
_AROUND = re.compile(r"^copy of |[ _-]*(\(\d+\)|copy( ?\d+)?|\d+)(?=\.)|\.txt$")

# A directory that says which lab its files are of: lab3, Lab_03, 03-deadlock.
_OF_LAB = re.compile(r"(?:lab[ _-]*0*|0*)(\d+)(?:\D.*)?")


def by_platform(name: str) -> tuple[str, str]:
    """Whose a file is that a learning platform has named, "" if none has; and its own name."""
    match = _PLATFORM.match(name)
    if not match:
        return "", name
    whose = f"{match['canvas'] or match['moodle']}_{match['user'] or match['id']}"
    return whose, name[match.end():]


def _usual(name: str) -> str:
    """A file's name as it was before a browser or the like made another of it."""
    name = by_platform(unicodedata.normalize("NFC", posixpath.basename(name)))[1].lower()
    while (shorter := _AROUND.sub("", name)) != name:
        name = shorter
    return name


def _number(name: str) -> int | None:
    """
    Which version of a file it is, by the number that a browser or Canvas gives to another file of the same
    name in one directory: heap.c is 0, "heap (2).c" is 2, heap-1.c is 1. None if the name says something else.
    """
    own, dot, suffix = by_platform(name)[1].rpartition(".")
    match = re.fullmatch(r"(.*?)(?: ?\((\d{1,6})\)|-(\d{1,6}))?", own, re.DOTALL)
    if f"{match[1]}{dot}{suffix}".lower() != _usual(name):
        return None
    return int(match[2] or match[3] or 0)


def _newest(members: list[Member]) -> Member | None:
    """The newest of several versions of one file in a flat download; None if their names do not say."""
    numbers = {_number(member.name): member for member in members if "/" not in member.name}
    if None in numbers or len(numbers) < len(members):
        return None
    return numbers[max(numbers)]


def _is_outdated(name: str, members: list[Member]) -> bool:
    """Is there a newer version of that file, beside it in a flat download?"""
    versions = [member for member in members if not member.odd and "/" not in member.name
                and _usual(member.name) == _usual(name)]
    return name in {member.name for member in versions} \
        and (newest := _newest(versions)) is not None and newest.name != name


def _labs_of(name: str) -> set[int]:
    """The numbers of the labs that the directories of a path name."""
    return {int(match[1]) for part in name.lower().split("/")[:-1] if (match := _OF_LAB.fullmatch(part))}


def _guess(members: list[Member], missing: Collection[str]
           ) -> tuple[dict[str, Member], dict[str, str], dict[str, str]]:
    """
    What files are meant to be, whatever they are called, by the wanted path; what to say of
    those that could be meant, but are not alone; and what to say of the wanted paths of which there
    are several versions.
    """
    meant, doubtful, versions = {}, {}, {}
    for path in missing:
        namesakes = {other for other in missing if _usual(other) == _usual(path)}
        candidates = [member for member in members if not member.odd
                      and _usual(member.name) == _usual(path)
                      and (len(namesakes) == 1 or _labs_of(member.name) == _labs_of(path))]
        if len({_take(member) for member in candidates}) == 1:
            meant[path] = candidates[0]
        elif candidates and (newest := _newest(candidates)):
            meant[path] = newest
            versions[path] = f" (the newest of {len(candidates)})"
        elif candidates:
            doubtful |= {member.name: f" (one of {len(candidates)}: which is {path}?)"
                         for member in candidates}
    return meant, doubtful, versions


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
    if contents.startswith((b"\xff\xfe", b"\xfe\xff")):         # UTF-16, as some editors of Windows save
        with suppress(UnicodeDecodeError):
            return contents.decode("utf-16").encode()
    return contents
