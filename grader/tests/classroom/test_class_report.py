"""The report on a class, made from results that are written here."""
import csv
import json
import os
import re
from html.parser import HTMLParser

import pytest

from results import lab, result, test

from classroom import report as class_report
from reports.results import cluster, read

DEADLOCK = ("DEADLOCK", "cpu0 waits in spin_lock for heap_lock, which cpu0 itself holds", "heap_lock")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;</pre></details>\x1b[2J\u202e"


class Elements(HTMLParser):
    """All tags with their attributes, every text, and every id that is linked to."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def report(tmp_path, capsys):
    """A function that reports on {name: result}: its status, the page, the CSV's rows, and stderr."""
    def make(results):
        (tmp_path / "results").mkdir()
        for name, value in results.items():
            text = value if isinstance(value, str) else json.dumps(value)
            (tmp_path / "results" / f"{name}.json").write_text(text)
        status = class_report.main([str(tmp_path / "results"), "--out", str(tmp_path / "out")])
        page, rows = "", []
        if (tmp_path / "out").exists():
            page = (tmp_path / "out/index.html").read_text()
            rows = list(csv.DictReader((tmp_path / "out/grades.csv").open(newline="")))
        return status, page, rows, capsys.readouterr().err
    return make


def test_points_go_into_the_gradebook(report):
    status, _, rows, _ = report({
        "ada": result(lab(1, test("a"), test("b")), lab(2, test("c", *DEADLOCK), test("d", *DEADLOCK))),
        "bob": result(lab(1, test("a"), test("b", "WRONG", "no")))})
    assert status == 0
    assert rows[0] == {
        "name": "ada", "points": "20", "max": "40", "infra": "no", "reason": "",
        "01-lab": "20", "01-lab verdicts": "PASS", "02-lab": "0", "02-lab verdicts": "2 DEADLOCK"}
    assert (rows[1]["points"], rows[1]["01-lab"], rows[1]["02-lab"]) == ("10", "10", "")


def test_what_was_not_judged_has_no_points_rather_than_none(report):
    _, page, rows, _ = report({
        "ada": result(lab(1, test("a")), lab(2, test("b", "INFRA", "QEMU is gone"), test("c"))),
        "bob": result(error="the grader fell over"), "eve": result(lab(1, test("a")))})
    assert [(row["points"], row["01-lab"], row["02-lab"], row["infra"]) for row in rows] == [
        ("", "10", "", "yes"), ("", "", "", "yes"), ("10", "10", "", "no")]
    apart = page[page.index("To be graded again: 2"):page.index("Distribution")]
    assert "02-lab: QEMU is gone" in apart and "the grader fell over" in apart and "eve" not in apart
    assert "Failures" not in page


def test_what_could_not_be_read_is_at_the_top_with_its_reason(report):
    _, page, rows, _ = report({
        "ada": result(lab(1, test("a", "NOT_IMPLEMENTED", "no archive")), trouble="no archive"),
        "eve": result(lab(1, test("a")))})
    assert [(row["points"], row["infra"], row["reason"]) for row in rows] == [
        ("0", "no", "no archive"), ("10", "no", "")]
    apart = page[page.index("To be looked at: 1"):page.index("Distribution")]
    assert "no archive" in apart and "eve" not in apart
    assert "Failures" not in page


@pytest.mark.parametrize("name", ["=cmd|' C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_a_name_is_never_a_formula(name, report):
    _, _, rows, _ = report({name: result(lab(1, test("a")))})
    assert rows[0]["name"].startswith("'")


def test_a_semicolon_starts_no_new_cell_in_any_country(report, tmp_path):
    report({"ada;=1+1": result(lab(1, test("a")))})
    assert (tmp_path / "out/grades.csv").read_text().splitlines()[1].startswith('"ada;=1+1",')


def test_the_same_failure_is_one_cluster_across_tests_and_submissions(report, tmp_path):
    results = {name: result(lab(2, test("b", "DEADLOCK", f"{name}: waits", "heap_lock"),
                                test("a", *DEADLOCK))) for name in ("ada", "bob", "eve")}
    results["bob"] = result(lab(2, test("a", *DEADLOCK), test("b", "BUILD_FAIL", "3 instead of 4")))
    results["ivy"] = result(lab(2, test("a", "BUILD_FAIL", "3 instead of 4"), test("b")))
    results["zoe"] = result(lab(3, test("a", *DEADLOCK), test("b")))
    status, page, *_ = report(results)
    found = cluster(read(file) for file in sorted((tmp_path / "results").iterdir()))
    assert [(group.example.verdict, list(group.hits), group.lost) for group in found.values()] == [
        ("DEADLOCK", ["ada", "bob", "eve"], 50), ("BUILD_FAIL", ["bob", "ivy"], 20),
        ("DEADLOCK", ["zoe"], 10)]
    text = Elements(page).text
    assert text.index("3 submissions · lab 2 · DEADLOCK") < text.index("2 submissions · lab 2 · BUILD_FAIL") \
        < text.index("Failures of one submission each") < text.index("1 submission · lab 3 · DEADLOCK")


def test_a_cluster_opens_on_its_autopsy(report):
    one = test("heap.trace", *DEADLOCK, console=["LOCKUP: cpu0"], run="make run LAB=2",
               debug="make debug LAB=2")
    _, page, *_ = report({"ada": result(lab(2, one)), "bob": result(lab(2, one))})
    inside = page[page.index('id="c1"'):page.index("</details>")]
    for words in (DEADLOCK[1], "As seen in ada, heap.trace", "LOCKUP: cpu0", "make run LAB=2",
                  "make debug LAB=2", "ada</a>", "bob</a>"):
        assert words in inside
    assert page.count("LOCKUP: cpu0") == 1, "a console is shown once, not once a submission"


def test_every_link_leads_somewhere(report):
    _, page, *_ = report({name: result(lab(1, test("a", *DEADLOCK), test("b", "WRONG", name)))
                          for name in ("ada", "bob")} | {"eve": result(error="no")})
    tags = Elements(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert len(ids) == len(set(ids)) and links == {f"#{one}" for one in ids}


def test_a_submission_shows_what_was_ignored_missing_noted_and_judged_beside(report):
    beside = {"verdict": "HANG", "points": 0, "detail": "no progress"}
    _, page, *_ = report({"ada": result(
        lab(2, test("a", own=beside), test("b", "WRONG", "no", reference=beside), notes=["a note"]),
        ignored=["Makefile"], missing=["labs/02-heap/heap.c"])})
    text = Elements(page).text
    for words in ("Makefile", "labs/02-heap/heap.c", "a note",
                  "HANG a, on the student's own earlier labs, which does not count. no progress",
                  "HANG b, on the reference's earlier labs"):
        assert words in text


def test_nothing_that_a_student_wrote_becomes_part_of_the_page(report):
    hostile = result(lab(1, test(HOSTILE, "WRONG", HOSTILE, console=[HOSTILE] * 2, run=HOSTILE,
                                 debug=HOSTILE, own={"verdict": "HANG", "points": 0, "detail": HOSTILE}),
                         notes=[HOSTILE]), ignored=[HOSTILE], missing=[HOSTILE])
    hostile["labs"][0]["title"] = hostile["sandbox"] = HOSTILE
    name = HOSTILE.replace("/", "")
    again = result(error=HOSTILE)
    status, page, rows, _ = report({name: hostile, "bob": hostile, "eve": again})
    elements = Elements(page)
    assert status == 3                  # for eve
    assert [tag for tag, _ in elements.tags].count("script") == 1
    assert not {"img", "iframe", "object", "link"} & {tag for tag, _ in elements.tags}
    assert not any(key.startswith("on") for _, attributes in elements.tags for key in attributes)
    assert elements.text.count("<script>alert(1)</script>") > 10
    assert "\x1b" not in page and "\u202e" not in page
    assert "\x1b" not in rows[0]["name"]


def test_text_that_utf8_has_no_bytes_for_is_no_obstacle(report, tmp_path):
    (tmp_path / "results").mkdir()
    file = os.fsencode(tmp_path / "results") + b"/\xff\xfe.json"
    with open(file, "w") as output:
        json.dump(result(lab(1, test("a", "WRONG", "\ud800"))), output)
    assert class_report.main([os.fsdecode(file), "--out", str(tmp_path / "out")]) == 0
    assert "\ufffd" in (tmp_path / "out/index.html").read_text(encoding="utf-8")


def without(key):
    value = result(lab(1, test("a")))
    del value[key]
    return value


def with_test(**changed):
    value = result(lab(1, test("a")))
    value["labs"][0]["tests"][0] |= changed
    return value


@pytest.mark.parametrize("damage", [
    "", "{", "[]", "null", '{"schema": "another/1"}', "[" * 100_000, '"\\ud800"',
    without("labs"), without("infra"), with_test(verdict="LAZY"), with_test(detail=7),
    with_test(points="10"), with_test(console="not a list"), with_test(own={"verdict": "PASS"}),
    result(lab(1)) | {"labs": [{"lab": 1}]}, result() | {"submission": ["ada"]}, result(error=7),
], ids=lambda damage: str(damage)[:20])
def test_a_damaged_file_is_named_and_the_others_are_reported(damage, report):
    status, page, rows, errors = report({"bad": damage, "good": result(lab(1, test("a")))})
    assert status == 3
    assert re.search(r"bad\.json is damaged: .", errors) and "Traceback" not in errors
    assert [row["name"] for row in rows] == ["good"] and "good" in page


def test_only_damaged_files_make_no_report(report):
    status, page, *_ = report({"bad": "{"})
    assert (status, page) == (3, "")


@pytest.mark.parametrize("names, message", [
    ([], "required"), (["nowhere"], "no such file"), (["empty"], "no .json file"),
    (["one/ada.json", "two"], "two results of one name"),
])
def test_a_wrong_call_says_what_is_wrong(names, message, tmp_path, capsys):
    for directory in ("one", "two", "empty"):
        (tmp_path / directory).mkdir()
    for directory in ("one", "two"):
        (tmp_path / directory / "ada.json").write_text(json.dumps(result(lab(1, test("a")))))
    with pytest.raises(SystemExit) as caught:
        class_report.main([*(str(tmp_path / name) for name in names), "--out", str(tmp_path / "out")])
    assert caught.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_page_needs_nothing_but_itself(report):
    _, page, *_ = report({"ada": result(lab(1, test("a")))})
    assert "http" not in page.replace("http-equiv", "") and "@import" not in page and "url(" not in page
    for _, attributes in Elements(page).tags:
        assert not {"src", "srcset", "action"} & set(attributes)


def test_400_submissions_make_a_page_of_moderate_size(report):
    console = ["x" * 100] * 14
    _, page, rows, _ = report({f"student-{index:03}": result(*(
        lab(number, *(test(f"test.{name}", "DEADLOCK", "the same", console=console)
                      for name in range(20))) for number in range(5))) for index in range(400)})
    assert len(rows) == 400 and len(page) < 1_000_000


def test_equal_names_in_a_class_are_reported(tmp_path, capsys):
    """Equal names make equal machines: the answers of one are right for the other. No name is no name."""
    (tmp_path / "results").mkdir()
    for file, student in (("ada", "ada l"), ("bob", "bob"), ("eve", "ada l"), ("one", ""), ("two", "")):
        value = result(lab(1, test("a")))
        value["submission"]["student"] = student
        (tmp_path / "results" / f"{file}.json").write_text(json.dumps(value))
    class_report.main([str(tmp_path / "results"), "--out", str(tmp_path / "out")])
    said = [line for line in capsys.readouterr().out.splitlines() if "same" in line]
    assert said == ["The same student's name, and so the same machine: 'ada l' in ada, eve"]
