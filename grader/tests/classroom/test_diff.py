"""What a student wrote, against what was handed out."""
import os
import signal
import subprocess
import sys
import zipfile

import pytest
from conftest import GRADER, ROOT

from classroom import diff
from course.workspace import without_solutions

FRAME = "labs/01-frames/frame.c"


@pytest.fixture
def shown(tmp_path, capsys):
    """A function that shows the difference of a submission with these files: status, lines, complaints."""
    def run(files, *labs):
        with zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
            for name, contents in files.items():
                archive.writestr(name, contents)
        status = diff.main([str(tmp_path / "ada.zip"), *labs])
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err
    return run


def test_only_what_the_student_wrote_is_shown(shown):
    given = without_solutions(FRAME)
    written = given.replace(b"\n", b"\r\n") + b"/* mine \x1b[2J */\r\n"
    status, lines, _ = shown({f"lab/{FRAME}": b"\xef\xbb\xbf" + written}, "1")
    assert status == 0 and lines[0] == f"=== {FRAME}"
    assert [line for line in lines[2:] if line[:1] in "+-"] == ["+/* mine \\x1b[2J */"]
    assert len(lines) < 10, "line ends and a byte order mark are no difference"


def test_the_reference_differs_by_its_solution_alone(shown):
    """So nothing of the solution is taken for what was handed out."""
    reference = (ROOT / FRAME).read_bytes()
    status, lines, _ = shown({FRAME: reference}, "01-frames")
    added = "\n".join(line[1:] for line in lines if line.startswith("+"))
    assert status == 0 and "block_merge(" in added and len(added.splitlines()) > 40


def test_what_is_missing_unchanged_or_taken_under_another_name_is_said(shown):
    status, lines, errors = shown({"lab1/Frame (2).c": without_solutions(FRAME)}, "1", "4")
    assert status == 0 and lines == [f"=== {FRAME}: as it was handed out", "=== labs/04-static-log/log.c: missing"]
    assert errors == f"taken: lab1/Frame (2).c as {FRAME}\n"


def test_a_reader_may_have_seen_enough():
    """As with head, or less and q."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, GRADER / "grade.py", "diff", ROOT, "1"], stdout=write, stderr=subprocess.PIPE,
                          text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


@pytest.mark.parametrize("words, message", [
    (["nowhere"], "nowhere: "), ([".", "99"], "there is no lab '99'")])
def test_a_wrong_call_says_what_is_wrong(words, message, capsys):
    assert diff.main(words) == 2 and message in capsys.readouterr().err
