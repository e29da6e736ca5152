"""What students get: it works by itself, and gives no answer away."""
import json
import re
import subprocess
import sys
import tarfile
import tomllib

import pytest
from conftest import GRADER, ROOT
from trees import LABS, unpacked

import handout

SOURCES = [source for each in LABS for source in each.sources]
REFERENCES = sorted(ROOT.glob("labs/*/reference/*.toml"))
MARKED = re.compile(r"(?:/\*|#) BEGIN SOLUTION [^\n]*\n(.*?)^[^\n]*END SOLUTION", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("handout"))


@pytest.fixture(scope="module")
def texts(tree):
    """The text of every file in it."""
    return {str(file.relative_to(tree)): file.read_text()
            for file in tree.rglob("*") if file.is_file()}


def squeezed(text):
    """A text without what does not matter in C: blanks, and how lines are broken."""
    return re.sub(r"\s+", "", text)


def windows(body):
    """What of a solution is too much to be there by chance: three statements, or a long line."""
    lines = [line for line in map(squeezed, body.splitlines()) if re.search(r"\w", line)]
    yield from ("".join(lines[index:index + 3]) for index in range(max(1, len(lines) - 2)))
    yield from (line for line in lines if len(line) > 50)


@pytest.mark.parametrize("source", SOURCES + [f"labs/{each.name}/lab.toml" for each in LABS])
def test_no_solution_is_in_any_file(source, texts):
    bodies = MARKED.findall((ROOT / source).read_text())
    assert bodies or source.endswith(".toml")
    everything = {name: squeezed(text) for name, text in texts.items()}
    for body in bodies:
        for window in windows(body):
            assert not [name for name, text in everything.items() if window in text], window


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda path: path.parent.parent.name)
def test_no_reference_answer_is_in_any_file(reference, texts):
    for line in filter(lambda line: "=" in line and line[0] != "#", reference.read_text().splitlines()):
        assert not [name for name, text in texts.items() if line in text], line
    for key, value in tomllib.loads(reference.read_text()).items():
        if isinstance(value, list):         # the calls, in a row, whatever stands between them
            chain = re.compile(r"\W.{0,60}?\W".join(map(re.escape, value)), re.DOTALL)
        elif isinstance(value, int) and value > 99999:
            chain = re.compile(rf"\b({value}|{value:#x})\b")
        else:
            continue
        assert not [name for name, text in texts.items() if chain.search(text)], key


def test_nothing_is_in_it_that_is_not_for_students(tree, texts):
    names = set(texts)
    assert not [name for name in names if re.search(
        r"mutant|instructor|reference|/tests/|gradescope|skeleton|leave-out|handout|^\.git/", name)]
    assert not [name for name, text in texts.items() if "SOLUTION" in text or str(ROOT) in text]
    assert {file for each in LABS for file in each.paths} <= names


def test_it_builds_by_itself_and_has_no_points_yet(tree):
    done = subprocess.run(["make", "all"], cwd=tree, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([sys.executable, "grader/grade.py", "--json", "grade.json"], cwd=tree,
                          text=True, capture_output=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    labs = json.loads((tree / "grade.json").read_text())["labs"]
    assert len(labs) == len(LABS)
    for graded in labs:
        assert graded["points"] == 0
        assert {test["verdict"] for test in graded["tests"]} == {"NOT_IMPLEMENTED"}, graded


def test_its_help_has_nothing_for_instructors(tree):
    said = subprocess.run(["make", "help"], cwd=tree, text=True, capture_output=True, check=True).stdout
    assert "make grade" in said and not re.search(r"exercise|mutants|handout|gradescope|make test", said)


def test_only_the_first_labs(tmp_path):
    tree = unpacked(tmp_path, "--labs", "0-2")
    assert sorted(path.name[:2] for path in tree.glob("labs/0*")) == ["00", "01", "02"]
    assert not re.search(r"labs/0[34]", (tree / "README.md").read_text())
    done = subprocess.run(["make", "print-numbers"], cwd=tree, text=True, capture_output=True, check=True)
    assert done.stdout == "0 1 2\n"


@pytest.mark.parametrize("words", ["1-2", "0-9", "0,1", "x", "-1", ""])
def test_labs_that_cannot_be_handed_out_are_refused(words, tmp_path):
    done = subprocess.run([sys.executable, GRADER / "handout.py", "--into", tmp_path / "out",
                           f"--labs={words}"], text=True, capture_output=True, check=False)
    assert done.returncode == 1 and f'labs "{words}"' in done.stderr
    assert f"0-{LABS[-1].number}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_same_tree_makes_the_same_archive(tmp_path):
    archives = []
    for name in "ab":
        handout.make(tmp_path / name, LABS)
        archives.append((tmp_path / name / f"{handout.NAME}.tar.gz").read_bytes())
    assert archives[0] == archives[1]
    with tarfile.open(tmp_path / "a" / f"{handout.NAME}.tar.gz") as tar:
        assert {(entry.uid, entry.uname, entry.mtime) for entry in tar} == {(0, "", 0)}


def test_a_handout_takes_the_place_of_the_one_before(tmp_path):
    handout.make(tmp_path, LABS)
    (tmp_path / handout.NAME / "stale").touch()
    handout.make(tmp_path, LABS[:1])
    assert not (tmp_path / handout.NAME / "stale").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [handout.NAME, f"{handout.NAME}.tar.gz"]


def test_a_file_that_is_missing_changes_nothing(tmp_path, monkeypatch):
    handout.make(tmp_path, LABS)
    before = (tmp_path / f"{handout.NAME}.tar.gz").read_bytes()
    monkeypatch.setattr(handout, "FILES", (*handout.FILES, "kernel/*.rs"))
    with pytest.raises(handout.LabError, match="kernel/.*rs: there is no such file"):
        handout.make(tmp_path, LABS)
    assert (tmp_path / f"{handout.NAME}.tar.gz").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [handout.NAME, f"{handout.NAME}.tar.gz"]


def test_later_labs_leave_what_a_student_wrote(tmp_path):
    """As the handout says: unpacked over the tree with tar."""
    tree = unpacked(tmp_path, "--labs", "0-1")
    (tree / "labs/01-frames/frame.c").write_text("mine")
    handout.make(tmp_path / "more", LABS)
    page = (tree / "README.md").read_text()
    command = re.search(r"^tar .*", page, re.M)[0].replace("ouroboros-labs.tar.gz",
                                                         f"../more/{handout.NAME}.tar.gz")
    subprocess.run(["sh", "-c", command], cwd=tree, check=True)
    assert (tree / "labs/01-frames/frame.c").read_text() == "mine"
    assert (tree / "labs/04-static-log/log.c").exists()


def test_every_page_that_a_file_names_is_there(tree, texts):
    for name, text in texts.items():
        for page in re.findall(r"\bdocs/[\w/.-]+\.md", text):
            assert (tree / page).exists(), (name, page)
