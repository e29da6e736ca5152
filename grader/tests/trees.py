"""Trees in which the pages' commands are run: a student's, and an instructor's."""
import difflib
import shutil
import subprocess
import sys

from conftest import GRADER, ROOT

from course import lab
from course.handout import NAME

LABS = [lab.load(path) for path in lab.available().values()]


def project_files():
    """The files of this tree, also those not committed yet, as paths in it."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True).stdout
    return [name for name in listed.split("\0") if (ROOT / name).is_file()]


def patch_for(name, changed):
    """The patch that makes a file of this tree read as `changed`."""
    return "".join(difflib.unified_diff((ROOT / name).read_text().splitlines(True),
                                        changed.splitlines(True), f"a/{name}", f"b/{name}"))


def copied(tree):
    """
    This tree in another place, with what was built of the unchanged sources. Return: the place.
    What other tests build meanwhile is left out, and so are files that are not yet complete.
    """
    return shutil.copytree(ROOT, tree, symlinks=True, ignore=shutil.ignore_patterns(
        ".git", "*cache*", "stage-*", "patched", "*.[0-9]*"))


def unpacked(directory, *words):
    """What students get, made and unpacked in an empty directory. Return: its path."""
    subprocess.run([sys.executable, GRADER / "handout.py", "--into", directory / "made", *words],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["tar", "-xzf", directory / f"made/{NAME}.tar.gz", "-C", directory], check=True)
    shutil.rmtree(directory / "made")
    return directory / NAME


def keep_built(tree):
    """
    Puts what is built here into an unpacked handout, as far as it is made of the same sources there,
    whose dates are long ago.
    """
    built = ROOT / "build"
    for source in tree.glob("**/*.[cS]"):
        name = source.relative_to(tree)
        if source.read_bytes() == (ROOT / name).read_bytes():
            into = tree / "build/obj" / name.parent
            into.mkdir(parents=True, exist_ok=True)
            for end in ("o", "s", "o.d", "s.d", "s.tree"):
                if (made := built / f"obj/{name}.{end}").exists():
                    shutil.copy2(made, into)
    for name in ("flags", "kernel.ld", "initramfs.cpio"):
        shutil.copy2(built / name, tree / "build")


class Student:
    """A handout in which one lab after the other is solved."""

    def __init__(self, directory):
        self.path = unpacked(directory)
        keep_built(self.path)
        self.given = {file: (self.path / file).read_bytes()
                      for each in LABS for file in each.paths}

    @staticmethod
    def solution(file):
        """Our own version of a file that students edit."""
        directory, _, name = file.rpartition("/")
        reference = ROOT / directory / "reference" / name
        return (reference if reference.exists() else ROOT / file).read_bytes()

    def at(self, number):
        """Solves the labs up to this one, and none after it; -1 is the handout as it is."""
        for each in LABS:
            for file in each.paths:
                contents = self.solution(file) if each.number <= number else self.given[file]
                if (self.path / file).read_bytes() != contents:
                    (self.path / file).write_bytes(contents)
        return self.path


def instructors(directory):
    """A copy of this tree, committed, with submissions of a class. Return: its path."""
    tree = copied(directory / "ouroboros")
    git = ["git", "-C", tree, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    for name, file in (("submissions/ada", "labs/01-frames/frame.c"),
                       ("submissions/bob", "labs/02-heap/heap.c"), ("late/zoe", "labs/04-static-log/log.c")):
        (tree / name / file).parent.mkdir(parents=True)
        shutil.copy(ROOT / file, tree / name / file)
    (tree / "students.csv").write_text("name,login\nAda Lovelace,ada\nRobert Moog,bob\nKonrad Zuse,konrad\n")
    shutil.make_archive(tree / "late/zoe", "zip", tree / "late/zoe")
    shutil.make_archive(tree / "alice", "zip", tree / "submissions/ada")
    return tree
