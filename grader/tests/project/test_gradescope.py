"""The bundle for Gradescope, run as Gradescope runs it, in a directory of its own."""
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from processes import kill_session, until
from readers import read_gradescope

FRAME = (ROOT / "labs/01-frames/frame.c").read_bytes()


def run(*words, directory, **more):
    return subprocess.run([str(word) for word in words], cwd=directory, text=True,
                          capture_output=True, check=False, **more)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """build/gradescope.zip for lab 1, as `make gradescope` makes it of these files, committed."""
    tree = tmp_path_factory.mktemp("tree")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
                 directory=ROOT).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    for words in (["init", "-q"], ["add", "-A"],
                  ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x"]):
        assert run("git", *words, directory=tree).returncode == 0
    (tree / "mine.txt").touch()
    done = run("make", "-s", "gradescope", "LAB=01", "MINUTES=20", directory=tree)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return tree / "build/gradescope.zip"


@pytest.fixture
def autograder(bundle, tmp_path):
    """The directory that Gradescope makes of the bundle and an empty submission."""
    with zipfile.ZipFile(bundle) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            path = Path(archive.extract(info, tmp_path / "source"))
            if mode and path.is_file():
                path.chmod(mode & 0o777)
    for directory in ("submission", "results"):
        (tmp_path / directory).mkdir()
    shutil.copy2(tmp_path / "source/run_autograder", tmp_path)
    return tmp_path


def grade(autograder, **environment):
    """Runs run_autograder. Return: its results.json, checked."""
    done = run(autograder / "run_autograder", autograder, directory=autograder, timeout=300,
               env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (autograder / "results").iterdir()] == ["results.json"]
    return read_gradescope((autograder / "results/results.json").read_text())


def was_not_graded(result, reason):
    return "NOT FINAL" in result["output"] and reason in result["output"] \
        and result["score"] == 0 and result["extra_data"]["infra"] \
        and [test["visibility"] for test in result["tests"]] == ["after_published"]


def test_the_bundle_has_what_gradescope_looks_for_and_only_what_is_committed(bundle, autograder):
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
    assert {"setup.sh", "run_autograder", "Makefile", "grader/grade.py"} <= set(names)
    assert "mine.txt" not in names and not [name for name in names if name.startswith(".git/")]
    assert (autograder / "source/gradescope.conf").read_text() == 'labs="1"\nseconds=1080\n'
    for script in ("setup.sh", "run_autograder", "grader/setup.sh", "grader/find-python"):
        assert os.access(autograder / "source" / script, os.X_OK), script


def test_a_good_submission_gets_its_points(autograder):
    (autograder / "submission/frame.c").write_bytes(FRAME)
    result = grade(autograder)
    assert result["score"] == 100, result["output"]
    assert {test["status"] for test in result["tests"]} == {"passed"}
    assert {test["number"].partition(".")[0] for test in result["tests"]} == {"1"}


def test_a_submission_that_does_not_build_is_told_why(autograder):
    (autograder / "submission/frame.c").write_bytes(FRAME + b"\n}\n")
    result = grade(autograder)
    assert result["score"] < 100 and "NOT FINAL" not in result["output"]
    lost = [test for test in result["tests"] if test["status"] == "failed"]
    assert lost and all("BUILD_FAIL" in test["tags"] for test in lost)
    assert "frame.c:" in lost[0]["output"]


def test_an_empty_submission_gets_no_points_and_is_told_why(autograder):
    result = grade(autograder)
    assert result["score"] == 0 and "NOT FINAL" not in result["output"]
    assert {test["status"] for test in result["tests"]} == {"failed"}
    assert "missing: labs/01-frames/frame.c" in result["output"]


@pytest.mark.parametrize("file, content, reason", [
    ("grader/find-python", "#!/bin/sh\nexit 1\n", "no Python"),
    ("grader/find-python", "#!/bin/sh\necho /no/such/python\n", "ended with status 127"),
    ("grader/grade.py", "raise SystemExit(7)\n", "ended with status 7"),
    ("grader/grade.py", "syntax error\n", "ended with status 1"),
    ("grader/grade.py", "import time; time.sleep(1000)\n", "more than 1 seconds. Raise the time-out of the assignment, and make the package again with as many MINUTES="),
    ("gradescope.conf", "labs='1 99'\nseconds=300\n", "ended with status 2"),
    ("gradescope.conf", "(", "stopped before it could finish"),
])
def test_whatever_goes_wrong_there_is_a_result_that_says_so(autograder, file, content, reason):
    (autograder / "source/gradescope.conf").write_text(
        f'labs="1"\nseconds={1 if "sleep" in content else 300}\n')
    (autograder / "source" / file).write_text(content)
    run(autograder / "run_autograder", autograder, directory=autograder)
    result = read_gradescope((autograder / "results/results.json").read_text())
    assert was_not_graded(result, reason), result["output"]


def test_gradescope_may_kill_it_at_any_time(autograder):
    (autograder / "source/grader/grade.py").write_text("import time; time.sleep(1000)\n")
    results = autograder / "results/results.json"
    with subprocess.Popen([str(autograder / "run_autograder"), str(autograder)],
                          start_new_session=True) as process:
        until(results.exists)
        kill_session(process.pid)
    assert was_not_graded(read_gradescope(results.read_text()), "stopped before it could finish")


def test_setup_names_the_image_to_choose_where_python_is_too_old(autograder):
    (autograder / "source/grader/setup.sh").write_text("#!/bin/sh\necho why >&2\nexit 1\n")
    done = run(autograder / "source/setup.sh", autograder, directory="/")
    assert (done.returncode, done.stderr) == (1, "why\n")          # and Python is not to blame
    (autograder / "source/grader/find-python").write_text("#!/bin/sh\nexit 1\n")
    done = run(autograder / "source/setup.sh", autograder, directory="/")
    assert done.returncode == 1 and "choose the base image Ubuntu 24.04" in done.stderr
