"""What an instructor adds to a class's results: points by hand, and the list of all students."""
import csv
import json
import re

import pytest
from results import lab, result, test as outcome

from classroom import report as class_report

FULL, HALF = result(lab(2, outcome("a"), outcome("b"))), result(lab(2, outcome("a"), outcome("b", "WRONG", "no")))
INFRA = result(lab(2, outcome("a"), outcome("b", "INFRA", "QEMU is gone")))


@pytest.fixture
def report(tmp_path, capsys):
    """A function that reports on {name: result} with these overrides and roster."""
    def make(results, overrides="", roster="", *options):
        (tmp_path / "in").mkdir()
        (tmp_path / "out").mkdir()
        for name, value in results.items():
            (tmp_path / "in" / f"{name}.json").write_text(json.dumps(value))
        if overrides:
            (tmp_path / "out/overrides.toml").write_text(overrides)
        words = [str(tmp_path / "in"), "--out", str(tmp_path / "out"), *options]
        if roster:
            (tmp_path / "students.csv").write_text(roster)
            words += ["--roster", str(tmp_path / "students.csv")]
        try:
            status = class_report.main(words)
        except SystemExit as error:
            status = error.code
        return status, capsys.readouterr()
    return make


@pytest.fixture
def rows(tmp_path):
    """A function that reads a table of the report, as lists."""
    return lambda name="grades.csv": list(csv.reader((tmp_path / "out" / name).open(newline="", encoding="utf-8")))


def by_name(table):
    return {row[0]: dict(zip(table[0], row)) for row in table[1:]}


def page(tmp_path):
    return (tmp_path / "out/index.html").read_text()


# ---- overrides


def test_points_and_late_days_by_hand_count_and_are_shown_as_such(report, rows, tmp_path):
    status, _ = report({"ada": HALF, "bob": FULL, "eve": INFRA}, """
        [ada]
        points = 18
        reason = "the test was wrong: <b>see</b> the forum"
        [bob]
        late_days = 2
        reason = "announced"
        [eve]
        points = { 02-lab = 15 }
        reason = "shown in the office"
        """)
    assert status == 3      # what could not be judged is to be graded again
    table = by_name(rows())
    assert [(table[name]["points"], table[name]["02-lab"], table[name]["judged"], table[name]["late days"])
            for name in ("ada", "bob", "eve")] == [
        ("18", "18", "10", "0"), ("20", "20", "20", "2"), ("15", "15", "", "0")]
    assert table["ada"]["by hand because"] == "the test was wrong: <b>see</b> the forum"
    assert table["ada"]["02-lab verdicts"] == "1 WRONG", "the override changes nothing of what was judged"
    html = page(tmp_path)
    assert "By hand: 18 points in 02-lab. Reason: the test was wrong: &lt;b&gt;see&lt;/b&gt; the forum" in html
    assert "By hand: 2 days late. Reason: announced" in html and "by hand, judged 10" in html
    assert "by hand, judged —" in html
    assert "<dd>17.7</dd>" in html, "the mean is of the points that count"


def test_what_could_not_be_graded_at_all_may_get_points_by_hand(report, rows, tmp_path):
    report({"ada": FULL, "zoe": result(error="no room")}, "[zoe]\npoints = 15\nreason = 'r'")
    zoe = by_name(rows())["zoe"]
    assert (zoe["points"], zoe["max"], zoe["02-lab"], zoe["judged"], zoe["infra"]) == ("15", "20", "15", "", "yes")
    assert "<dd>17.5</dd>" in page(tmp_path) and re.search(r"<dt>with full points</dt><dd>1</dd>", page(tmp_path))


def test_without_an_override_there_is_no_column_for_it(report, rows):
    report({"ada": HALF})
    assert rows()[0] == ["name", "points", "max", "infra", "reason", "02-lab", "02-lab verdicts"]


def test_of_several_labs_one_is_named(report, rows):
    both = result(lab(1, outcome("x")), lab(2, outcome("a", "WRONG", "no")))
    status, _ = report({"ada": both}, '[ada]\npoints = { 02-lab = 7 }\nreason = "r"\n')
    table = by_name(rows())["ada"]
    assert status == 0 and (table["points"], table["01-lab"], table["02-lab"]) == ("17", "10", "7")


@pytest.mark.parametrize("text, message", [
    ("[adda]\npoints = 3\nreason = 'r'", "nobody is called adda"), ("[ada]\npoints = 3", "reason is missing"),
    ("[ada]\npoints = 3\nreason = ' '", "reason says nothing"), ("[ada]\nreason = 'r'", "neither points nor late_days"),
    ("[ada]\npoints = -3\nreason = 'r'", "whole numbers from 0 on"), ("[ada]\npoint = 3\nreason = 'r'", "unknown key"),
    ("[ada]\npoints = { 9-x = 3 }\nreason = 'r'", "9-x was not graded; there are: 02-lab"),
    ("[ada]\npoints = 1.5\nreason = 'r'", "points must be of type dict"), ("ada = 3", "must be a table"),
    ("[ada", "overrides.toml: "),
])
def test_an_override_that_cannot_be_meant_is_refused(text, message, report, tmp_path):
    status, printed = report({"ada": HALF}, text)
    assert status == 2 and message in printed.err
    assert not (tmp_path / "out/grades.csv").exists()


def test_points_of_which_lab_is_asked(report):
    both = result(lab(1, outcome("x")), lab(2, outcome("a")))
    status, printed = report({"ada": both}, "[ada]\npoints = 3\nreason = 'r'")
    assert status == 2 and "points of which lab? As in points = { 02-lab = 3 }" in printed.err


# ---- the list of students


CANVAS = """\
\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Essay (11),Lab 2: The heap (12),Labs Final Score
    Points Possible,,,,,10,20,(read only)
"Lovelace, Ada",1234,s1,ada@example.org,OS 1,7,,
"Zuse, Konrad",77,s2,konrad,OS 1,8,3,
"Student, Test",99,,x,OS 1,,,
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,Last modified (grade),Feedback comments
Participant 1234,Ada Lovelace,ada@example.org,Submitted,-,100.00,Yes,-,
Participant 77,"José ""Pepe"" Zuse",jz@example.org,No submission,-,100.00,Yes,-,
"""


def test_a_list_of_ones_own_says_who_handed_in_nothing(report, rows, tmp_path):
    status, printed = report({"ada": FULL, "jose\u0301": HALF, "mallory": HALF}, "",
                             "login;name\nAda@example.org;Ada L.\nJOSÉ;José\nkonrad;Konrad Zuse\n")
    assert status == 0 and "3 submissions, 1 handed in nothing" in printed.out
    assert "not in " in printed.err and printed.err.rstrip().endswith(": mallory")
    table = by_name(rows())
    assert table["konrad"]["points"] == "" and table["konrad"]["reason"] == "handed in nothing"
    html = page(tmp_path)
    assert "Handed in nothing: 1" in html and "<dd>3</dd>" in html
    assert not [name for name in tmp_path.glob("out/*.csv") if name.name != "grades.csv"]


def test_canvas_gets_its_own_columns_with_the_points(report, rows):
    """Student, ID, …, Section, then assignments by title and number: lib/gradebook_importer.rb."""
    status, _ = report({"lovelaceada_1234": HALF}, "", CANVAS)
    assert status == 0 and rows("canvas.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 2: The heap (12)"],
        ["    Points Possible", "", "", "", "", "20"],
        ["Lovelace, Ada", "1234", "s1", "ada@example.org", "OS 1", "10"]]
    assert set(by_name(rows())) == {"lovelaceada_1234", "Zuse, Konrad"}


def test_canvas_is_never_told_a_grade_that_there_is_not(report, rows):
    report({"lovelaceada_1234": INFRA, "konrad": FULL}, "", CANVAS.replace("Lab 2: The heap (12)", "Heap (12)"))
    assert [row[-1] for row in rows("canvas.csv")] == ["Lab 2", "20", "20"], "an empty cell would clear a grade"


def test_moodle_gets_its_worksheet_back_with_the_points(report, rows):
    """Identifier, Grade and Last modified (grade), commas: assign/feedback/offline/importgradeslib.php."""
    status, _ = report({"Ada Lovelace_1234": HALF}, "", MOODLE)
    sent = list(csv.reader(MOODLE.splitlines()))
    assert status == 0 and rows("moodle.csv") == [
        sent[0], sent[1][:4] + ["50.00"] + sent[1][5:], sent[2]], "10 of 20 are 50 of 100"


def test_an_override_reaches_the_platform(report, rows):
    report({"Ada Lovelace_1234": HALF}, '["Ada Lovelace_1234"]\npoints = 15\nreason = "r"\n'
           '["José \\"Pepe\\" Zuse"]\npoints = { 02-lab = 0 }\nreason = "nothing"\n', MOODLE)
    assert by_name(rows())["José \"Pepe\" Zuse"]["points"] == "0"
    assert [row[4] for row in rows("moodle.csv")] == ["Grade", "75.00", "0.00"]


@pytest.mark.parametrize("roster, message", [
    ("login\n", "no student is in it"), ("", "No such file"),
    ("a,b\nada,x\nada@y,z\n", "ada could be ada or ada@y"),
    ("a,b\nada,bob\n", "ada would have two submissions: ada and bob"),
])
def test_a_list_that_is_in_doubt_is_refused(roster, message, report, tmp_path):
    status, printed = report({"ada": FULL, "bob": HALF}, "", roster, *(
        ["--roster", str(tmp_path / "nowhere.csv")] if not roster else []))
    assert status == 2 and message in printed.err and not (tmp_path / "out/grades.csv").exists()


def test_excel_gets_a_byte_order_mark_if_it_wants_one(report, tmp_path):
    report({"José": FULL}, "", CANVAS, "--bom")
    assert (tmp_path / "out/grades.csv").read_bytes().startswith(b'\xef\xbb\xbf"name"')
    assert not (tmp_path / "out/canvas.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_name_on_the_list_is_no_formula_and_no_html(report, tmp_path):
    report({"ada": FULL}, "", 'name,login\n"=cmd()<script>",x\nAda,ada\n')
    assert re.search("^\"'=cmd", (tmp_path / "out/grades.csv").read_text(), re.MULTILINE)
    assert "=cmd()&lt;script&gt;" in page(tmp_path)
