"""What students get: it works by itself, and gives no answer away."""
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib

import pytest
from conftest import GRADER, ROOT
from elftools.elf.elffile import ELFFile
from trees import LABS, instructors, unpacked

from classroom import mutants
from course import handout, lab, workspace

SOURCES = [path for each in LABS for path in each.paths if path.endswith((".c", ".pml"))]
GIVEN = "labs/06-every-failure/alias.c"           # it lacks a statement here and there, as others have
REFERENCES = sorted(ROOT.glob("labs/*/reference/*.toml"))
MARKED = re.compile(r"(?:/\*|#) BEGIN SOLUTION [^\n]*\n(.*?)^[^\n]*END SOLUTION", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("handout"))


@pytest.fixture(scope="module")
def texts(tree):
    """The text of every file in it."""
    return {str(file.relative_to(tree)): file.read_text()
            for file in tree.rglob("*") if file.is_file() and file.suffix != ".o"}


def squeezed(text):
    """A text without blanks, and without what begins a line of a comment, a diff or a quotation."""
    return re.sub(r"\s+", "", re.sub(r"^[\s+*#>|-]+", "", text, flags=re.M))


def windows(body):
    """What of a solution is too much to be there by chance: three statements, or a long line."""
    lines = [line for line in map(squeezed, body.splitlines()) if re.search(r"\w", line)]
    yield from ("".join(lines[index:index + 3]) for index in range(max(1, len(lines) - 2)))
    yield from (line for line in lines if len(line) > 50)


@pytest.mark.parametrize("source", SOURCES + [f"labs/{each.name}/lab.toml" for each in LABS])
def test_no_solution_is_in_any_file(source, texts):
    bodies = MARKED.findall((ROOT / source).read_text())
    if mended := [*(ROOT / source).parent.glob(f"given/*/{os.path.basename(source)}")]:
        assert texts[source] == mended[0].read_text() != (ROOT / source).read_text()
        return
    assert bodies or source.endswith(".toml")
    everything = {name: squeezed(text) for name, text in texts.items()}
    for body in bodies:
        if source == GIVEN and body.count(";") == 1:
            continue
        for window in windows(body):
            assert not [name for name, text in everything.items() if window in text], window


def spellings(value):
    """How an answer may be written: a number as people write numbers, a list as a stack shows it."""
    if isinstance(value, int):
        return [str(value), f"{value:,}", f"{value:x}"] if value > 99999 else []
    if isinstance(value, list):
        words, between = [rf"\b{re.escape(word)}\b" for word in value], r"[^`]{0,250}?"
        return [between.join(words), between.join(reversed(words))]
    return []


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda path: path.parent.parent.name)
def test_no_reference_answer_is_in_any_file(reference, texts):
    for line in filter(lambda line: "=" in line and line[0] != "#", reference.read_text().splitlines()):
        assert not [name for name, text in texts.items() if line in text], line
    for key, value in tomllib.loads(reference.read_text()).items():
        for spelling in spellings(value):
            pattern = re.compile(spelling if isinstance(value, list)
                                 else rf"(?<![0-9a-z])(0x)?{spelling}(?![0-9a-z])", re.DOTALL)
            assert not [name for name, text in texts.items() if pattern.search(text)], key


def test_no_page_has_lab_3s_lock_and_calls_together(texts):
    """In the sources they are where they are; elsewhere no ten lines may have most of them."""
    chain = ("heap_lock", "table_grow", "heap_rescue", "log_debug", "log_record", "kmalloc")
    for name, text in texts.items():
        if name.endswith((".c", ".h", ".S", ".py", ".pml")):
            continue
        assert "table_grow" not in text, name
        lines = text.splitlines()
        for index in range(len(lines)):
            here = "\n".join(lines[index:index + 10])
            assert sum(word in here for word in chain) < 4, f"{name}:{index + 1}"


def test_no_page_tells_the_design_of_a_solution(texts):
    """No name that only a solution defines, nor what of the log's memory is used for what."""
    given = "\n".join(text for name, text in texts.items() if name.endswith((".c", ".h", ".S")))
    pages = {name: text for name, text in texts.items() if name.endswith((".md", ".svg", ".toml", ".patch"))}
    for body in (body for source in SOURCES for body in MARKED.findall((ROOT / source).read_text())):
        names = re.findall(r"^(?:static|struct|#define) [^;\n=(]*?(\w{6,})(?=[\[(;, =]|$)", body, re.M)
        for own in (own for own in names if not re.search(rf"\b{own}\b", given)):
            assert not [name for name, text in pages.items() if re.search(rf"\b{own}\b", text)], own
    assert not [name for name, text in pages.items() if "LOG_RING_BYTES" in text]


def test_no_mutant_is_in_any_file(texts):
    for patch in mutants.patches():
        what = squeezed(mutants.header(patch)["What"][0])
        assert not [name for name, text in texts.items() if what in squeezed(text)], patch


def test_nothing_is_in_it_that_is_not_for_students(tree, texts):
    names = set(texts)
    assert not [name for name in names if re.search(
        r"mutant|grader/heaps|instructor|reference|/tests/|gradescope|skeleton|leave-out|handout|^\.git/", name)]
    assert not [name for name, text in texts.items() if "SOLUTION" in text
                or re.search(rf"(?<![\w/.-]){re.escape(str(ROOT))}(?![\w.-])", text)]
    assert {file for each in LABS for file in each.paths} <= names


SHOWN = {"sound-1", "sound-2", *(f"broken-{number}" for number in range(1, 7))}
PUBLIC = {name for header in ("frame.h", "heap.h") for name in re.findall(
    r"\b(?:frame|heap|k[mz]?(?:alloc|realloc|free))\w*(?=\(|;)", (ROOT / "kernel" / header).read_text())}


def objects_in(tree):
    """The objects in a handout, as HEAP/FILE.c.o."""
    return {str(file.relative_to(tree / "labs/objects")): file for file in tree.rglob("*.o")}


def test_only_the_heaps_that_are_shown_are_objects(tree):
    assert set(objects_in(tree)) == {f"{name}/heap.c.o" for name in SHOWN}


def test_the_references_heap_is_in_it_only_if_the_instructor_says_so(tmp_path):
    tree = unpacked(tmp_path, "--given")
    assert set(objects_in(tree)) == {"given/frame.c.o", "given/heap.c.o", *(f"{name}/heap.c.o" for name in SHOWN)}
    for name, file in objects_in(tree).items():
        with file.open("rb") as opened:
            debugging = {section.name for section in ELFFile(opened).iter_sections() if "debug" in section.name}
        # without it GDB shows the arguments of calls further out wrong
        assert debugging == ({".debug_frame", ".rela.debug_frame"} if name.startswith("given/") else set())
    assert not [name for name in objects_in(unpacked_again(tmp_path, "0-2")) if "given" in name]


def unpacked_again(directory, labs):
    (directory / "more").mkdir()
    return unpacked(directory / "more", "--given", "--labs", labs)


def test_an_object_has_no_name_and_no_source_of_a_broken_heap(tree):
    """Nothing in it says what is wrong: no private name, no patch, no path but the lab's."""
    secrets = {patch.stem for patch in (*ROOT.glob("grader/heaps/*.patch"), *ROOT.glob("grader/mutants/02/*.patch"))}
    for name, file in objects_in(tree).items():
        with file.open("rb") as opened:
            elf = ELFFile(opened)
            symbols = [symbol for symbol in elf.get_section_by_name(".symtab").iter_symbols() if symbol.name]
            assert not [section.name for section in elf.iter_sections() if "debug" in section.name], name
        own = {symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF"
               and symbol["st_info"]["type"] != "STT_SECTION"}
        assert own <= PUBLIC | {"heap_lock"}, (name, own - PUBLIC)
        data = file.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in data], name
        assert set(re.findall(rb"[\w./-]*heap\.c", data)) <= {b"heap.c", b"labs/02-heap/heap.c"}, name
        assert str(ROOT).encode() not in data, name


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


@pytest.mark.parametrize("words", ["1-2", "0-99", "0,1", "x", "-1", ""])
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


def git(*words, directory):
    return subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@x", *map(str, words)], cwd=directory,
                          check=True, text=True, capture_output=True).stdout


def follow(name, directory, template):
    """Does in a student's repository what handing-out.md says."""
    script = (ROOT / "docs/instructor/handing-out.md").read_text().partition(f"```sh {name}\n")[2].partition("```")[0]
    return subprocess.run(["sh", "-e", "-c", script], cwd=directory, text=True, capture_output=True, check=False,
                          env=os.environ | {"TEMPLATE": str(template)} | {
                              f"GIT_{who}_{what}": "x@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")})


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A template repository with two handouts, of which the second mends something in the first."""
    directory = tmp_path_factory.mktemp("template")
    repository = directory / "repository"
    git("init", "-q", "-b", "main", repository, directory=directory)
    for tag, labs in (("labs-0-2", LABS[:1]), ("later", LABS[:2])):
        git("rm", "-rfq", "--ignore-unmatch", ".", directory=repository)
        handout.make_tree(directory / tag, labs)
        shutil.copytree(directory / tag, repository, dirs_exist_ok=True)
        (repository / "labs/00-boot/hints.toml").write_text(tag)
        git("add", ".", directory=repository)
        git("commit", "-qm", tag, directory=repository)
        git("tag", tag, directory=repository)
    return repository


@pytest.mark.parametrize("made_by", ["clone", "template"])
def test_later_labs_can_be_merged_into_a_repository(made_by, template, tmp_path):
    student = tmp_path / "student"
    git("clone", "-q", template, student, directory=tmp_path)
    git("reset", "-q", "--hard", "labs-0-2", directory=student)
    if made_by == "template":                   # one commit, without a parent
        shutil.rmtree(student / ".git")
        git("init", "-q", "-b", "main", directory=student)
        git("add", ".", directory=student)
        git("commit", "-qm", "Initial commit", directory=student)
    (student / "labs/00-boot/answers.toml").write_text("mine\n")
    git("commit", "-qam", "my answers", directory=student)
    if made_by == "template":
        refused = follow("clone", student, template)
        assert refused.returncode and "unrelated histories" in refused.stderr
        done = follow("template", student, template)
        assert done.returncode == 0, done.stderr
        assert not git("diff", "HEAD^", directory=student)
    done = follow("clone", student, template)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (student / "labs/00-boot/answers.toml").read_text() == "mine\n"
    assert (student / "labs/00-boot/hints.toml").read_text() == "later"
    assert (student / "labs/01-frames/frame.c").exists() and "01-frames" in (student / "README.md").read_text()
    assert not git("status", "--porcelain", directory=student)


def test_every_page_that_a_file_names_is_there(tree, texts):
    for name, text in texts.items():
        for page in re.findall(r"\bdocs/[\w/.-]+\.md", text):
            assert (tree / page).exists(), (name, page)


@pytest.fixture
def instructors_tree(tmp_path, monkeypatch):
    """A copy of this tree, from which handout.py then makes handouts."""
    tree = instructors(tmp_path)
    for module in (handout, lab, workspace):
        monkeypatch.setattr(module, "ROOT", tree)
    return tree


def labs_of(tree):
    return [lab.load(path) for path in lab.available(tree).values()]


@pytest.mark.parametrize("file, change, complaint", [
    ("labs/01-frames/frame.c", lambda text: re.sub(r".*(BEGIN|END) SOLUTION.*\n", "", text),
     "frame.c has no solution between marks"),
    ("labs/02-heap/heap.c", lambda text: text.replace("/* END SOLUTION */", "", 1),
     r"heap.c:\d+: BEGIN SOLUTION .*inside a solution"),
    ("labs/04-static-log/log.c", lambda text: text[:text.rindex("/* END")], "without END SOLUTION"),
    ("labs/03-deadlock/lab.toml", lambda text: text.replace("# BEGIN SOLUTION 3", "", 1),
     "END SOLUTION without BEGIN"),
    ("labs/00-boot/answers.toml", lambda text: text.replace('entry = ""', "entry = 1"),
     "answers.toml has answers in it"),
    ("labs/00-boot/answers.toml", lambda text: text + "entry = ",
     r"answers.toml:\d+: not valid TOML"),
    ("labs/01-frames/lab.toml", lambda text: text.replace('"frame.c"', '"more/frame.c"'),
     "more/frame.c, which students edit, is not handed out"),
])
def test_what_would_give_a_solution_away_is_refused(file, change, complaint, instructors_tree, tmp_path):
    (instructors_tree / file).write_text(change((instructors_tree / file).read_text()))
    with pytest.raises(handout.LabError, match=complaint):
        handout.make(tmp_path / "out", labs_of(instructors_tree))
    assert not list((tmp_path / "out").iterdir())


def test_what_git_does_not_know_is_left_out(instructors_tree, tmp_path, capsys):
    for name in ("docs/marks.md", "kernel/exam.c", "labs/02-heap/mine.c"):
        (instructors_tree / name).write_text("secret")
    handout.make(tmp_path / "out", labs_of(instructors_tree))
    assert "git does not know kernel/exam.c, so it is left out" in capsys.readouterr().err
    assert not [path for path in (tmp_path / "out").rglob("*")
                if path.name in ("marks.md", "exam.c", "mine.c")]


def test_a_repository_made_of_a_handout_is_not_thrown_away(tmp_path):
    handout.make(tmp_path, LABS)
    (tmp_path / handout.NAME / ".git").mkdir()
    with pytest.raises(handout.LabError, match="is a git repository"):
        handout.make(tmp_path, LABS)


def test_a_failure_between_old_and_new_leaves_the_old(tmp_path, monkeypatch):
    handout.make(tmp_path, LABS)
    (tmp_path / handout.NAME / "old").touch()
    monkeypatch.setattr(handout.Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        handout.make(tmp_path, LABS)
    assert (tmp_path / handout.NAME / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [handout.NAME, f"{handout.NAME}.tar.gz"]


def test_the_umask_does_not_matter(tmp_path):
    made = [subprocess.run(f"umask {mask} && '{sys.executable}' '{GRADER}/handout.py' --into "
                           f"'{tmp_path}/{mask}' && sha256sum < '{tmp_path}/{mask}/{handout.NAME}.tar.gz'",
                           shell=True, text=True, stdout=subprocess.PIPE, check=True).stdout.split()[-2]
            for mask in ("022", "077")]
    assert made[0] == made[1]
