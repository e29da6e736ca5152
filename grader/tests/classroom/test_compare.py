"""What changed between two gradings of a class, from results that are written here."""
import json

import pytest
from results import lab, result, test as outcome

from classroom import compare


@pytest.fixture
def compared(tmp_path, capsys):
    """A function that compares {name: result} with another: the exit status, and what was printed."""
    def run(old, new, words=("old", "new")):
        for directory, results in (("old", old), ("new/results", new)):
            (tmp_path / directory).mkdir(parents=True)
            for name, value in results.items():
                text = value if isinstance(value, str) else json.dumps(value)
                (tmp_path / directory / f"{name}.json").write_text(text)
        try:
            status = compare.main([str(tmp_path / word) for word in words])
        except SystemExit as error:
            status = error.code
        captured = capsys.readouterr()
        return status, captured.out.splitlines(), captured.err
    return run


def test_a_mended_test_changes_these_points_and_no_others(compared):
    passed, failed = outcome("heap.a"), outcome("heap.b", "WRONG", "3 instead of 4")
    mended = result(lab(2, passed, outcome("heap.b")))
    worse = result(lab(2, outcome("heap.a", "HANG", "no progress"), outcome("heap.b")))
    status, lines, _ = compared(
        {"ada": result(lab(2, passed, failed)), "bob": mended, "eve": mended},
        {"ada": mended, "bob": mended, "eve": worse})
    assert status == 1 and lines == [
        "ada: 10 of 20 → 20 of 20", "    02-lab heap.b: 0 of 10 WRONG → 10 of 10 PASS",
        "eve: 20 of 20 → 10 of 20", "    02-lab heap.a: 10 of 10 PASS → 0 of 10 HANG: no progress",
        "2 of 3 changed: 1 with more points, 1 with fewer"]


def test_what_is_another_is_said(compared):
    old, new = (result(lab(2, outcome("a", *verdict))) for verdict in (["WRONG", "no"], []))
    old["version"], new["version"] = {"grader": "x", "02-lab": "y"}, {"grader": "x", "02-lab": "z"}
    new["submission"]["digest"] = "another"
    _, lines, _ = compared({"ada": old}, {"ada": new})
    assert lines[0] == "ada: 0 of 10 → 10 of 10 (other: files, lab 02-lab)"


def test_what_is_in_one_only_or_was_not_judged_is_a_change(compared):
    one, infra = result(lab(2, outcome("a"))), result(lab(2, outcome("a", "INFRA", "QEMU is gone")))
    tests = result(lab(2, outcome("a"), outcome("b")))
    status, lines, _ = compared({"ada": one, "bob": one, "eve": one}, {"bob": infra, "eve": tests, "zoe": one})
    assert status == 1 and lines == [
        "ada: only in the old one, 10 of 10",
        "bob: 10 of 10 → not judged", "    02-lab a: 10 of 10 PASS → 0 of 10 INFRA: QEMU is gone",
        "eve: 10 of 10 → 20 of 20", "    02-lab b: not there → 10 of 10 PASS",
        "zoe: only in the new one, 10 of 10", "4 of 4 changed: 1 with more points, 0 with fewer"]


def test_nothing_changed_is_0_and_a_damaged_file_is_3(compared):
    one = result(lab(2, outcome("a", "WRONG", "x")))
    other = result(lab(2, outcome("a", "HANG", "other words for as many points")))
    status, lines, _ = compared({"ada": one}, {"ada": other})
    assert status == 0 and lines == ["0 of 1 changed: 0 with more points, 0 with fewer"]


def test_two_files_need_not_have_one_name(compared):
    old, new = result(lab(2, outcome("a", "WRONG", "no"))), result(lab(2, outcome("a")))
    _, lines, _ = compared({"before": old}, {"after": new}, ("old/before.json", "new/results/after.json"))
    assert lines[0] == "after: 0 of 10 → 10 of 10"


def test_a_damaged_file_is_named(compared):
    one = result(lab(2, outcome("a")))
    status, _, errors = compared({"ada": one, "bob": one}, {"ada": one, "bob": "{"})
    assert status == 3 and "bob.json is damaged" in errors


@pytest.mark.parametrize("words, message", [
    (("old", "nowhere"), "no such file"), (("old",), "required"), (("old", "new"), "no result in")])
def test_a_wrong_call_says_what_is_wrong(words, message, compared):
    status, _, errors = compared({"ada": result(lab(2, outcome("a")))}, {}, words)
    assert status == 2 and message in errors
