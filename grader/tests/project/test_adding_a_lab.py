"""docs/instructor/adding-a-lab.md, done to the letter in a copy of this tree, and with the next number."""
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from pages import Page
from trees import LABS, copied

PAGES = [Page(ROOT / f"docs/instructor/{name}.md") for name in ("adding-a-lab", "changing-labs")]
AS_WRITTEN = 9
NEXT = LABS[-1].number + 1

# The project's tests that look at every lab, or at the lists of labs; the new lab's cases of them.
TESTS = {
    "project/test_docs.py": "not site and not phone and not search",
    "project/test_answers_page.py": "", "project/test_contracts.py": "", "project/test_rooms.py": "",
    "project/test_sentences.py": "", "project/test_first_labs.py": "",
    "course/test_lab.py": "", "course/test_hints.py": "",
    "project/test_project.py": "wrong_word", "project/test_handouts.py": "bits or session",
    "project/test_labs.py": "full_points and {}", "course/test_skeleton.py": "raises and {}",
    "course/test_handout.py": "solution or nothing_is or refused or later_labs_leave or every_page",
    "judging/test_conduct.py": "bits", "classroom/test_mutants.py": "kind",
    "debugger/test_commands.py": "every_stage and {}",
}
WITH_A_GAP = ("project/test_docs.py", "project/test_first_labs.py", "project/test_handouts.py")


def renumbered(text, number):
    """What the pages say of their example, of a lab with that number."""
    text = re.sub(r"\b09(?=-bits|/drops)", f"{number:02}", text)
    return re.sub(r"(?<=LAB=)9\b|(?<=[Ll]ab )9\b|(?<=实验 )9\b|(?<=\[)9(?=[:：])|\b9(?=\.[123]\b)",
                  str(number), text)


def blocks(number):
    """What the pages say goes where: what kind of place it is, the path and the text."""
    for page in PAGES:
        for block in page.blocks:
            if match := re.fullmatch(r"\w+ (?:(end of|line in) )?(\S+)", block.info):
                yield match[1] or "file", renumbered(match[2], number), renumbered(block.text, number)


def put(tree, kind, path, text, number):
    """Does with a block what its first line says."""
    file = tree / path
    if kind == "file":
        assert not file.exists(), path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return
    lines = file.read_text().splitlines(keepends=True)
    if kind == "end of":
        lines += ["\n", text]
    else:
        begin = text[:text.index(str(number))]
        place = max(index for index, line in enumerate(lines)
                    if re.match(re.sub(r"\d+", r"\\d+", re.escape(begin)) + r"\d", line))
        lines.insert(place + 1, text)
    file.write_text("".join(lines))


# With the next number all of them; as written, which leaves a gap, those that could mind it.
CASES = [(NEXT, file) for file in TESTS] + [(AS_WRITTEN, file) for file in WITH_A_GAP if AS_WRITTEN != NEXT]
both = pytest.mark.parametrize("added", sorted({NEXT, AS_WRITTEN}, reverse=True), indirect=True)


@pytest.fixture(scope="module")
def added(request, tmp_path_factory):
    """A copy of this tree with the lab in it, committed, and the lab's number."""
    number = request.param
    tree = copied(tmp_path_factory.mktemp("added") / "ouroboros")
    for block in blocks(number):
        put(tree, *block, number)
    git = ["git", "-C", tree, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    return tree, number


def make(tree, *words):
    done = subprocess.run(["make", *words], cwd=tree, text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


@both
def test_the_reference_has_full_points_and_what_it_leaves_has_none(added):
    tree, number = added
    lab = f"LAB={number}"
    status, said = make(tree, "grade", lab)
    assert status == 0 and f"Lab {number} · Looking at bits  100/100" in said, said
    assert f"labs/{number:02}-bits/bits.c" in make(tree, "files", lab)[1]
    status, said = make(tree, "exercise", lab)
    assert status == 0 and "3 exercises" in said, said
    status, said = make(tree, "grade", lab)
    assert status != 0 and "bits  0/100" in said and f"TODO {number}.1 in bits_set" in said, said
    subprocess.run(["git", "checkout", "-q", "."], cwd=tree, check=True)


@both
def test_the_mutant_is_caught(added):
    tree, number = added
    status, said = make(tree, "mutants", f"LAB={number}")
    assert status == 0 and f"lab {number}: 1 of 1 caught; the reference has 100 of 100 points" in said, said


@pytest.mark.parametrize("added, file", CASES, indirect=["added"])
def test_the_projects_tests_pass(added, file):
    tree, number = added
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                           f"grader/tests/{file}", "-k", TESTS[file].format(number)],
                          cwd=tree, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
