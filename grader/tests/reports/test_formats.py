"""What other programs get of a result: each format as a reader of it sees it, hostile text too."""
import copy
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import GRADER, ROOT
from markdown_it import MarkdownIt

from judging.verdict import Verdict
from reports import formats

HOSTILE = [
    "\x00\x01\x1b[31m\x7f\x85\x9b2J", "]]>", "<script>alert(1)</script>", "</pre></details><h1>",
    "\udc80\ud800 \ufffe\uffff", "a\nok 1 heap.alignment\r\nnot ok 2 x\n1..9\nKTAP version 1",
    "a\x0bok 3 x\x0cok 4 x\u2028ok 5 x\u2029ok 6 x", "a | b || `c` ``` ~~~ | d", "@everyone @alice",
    "&amp; &lt;b&gt; '\" \\", "![x](http://evil) [y](javascript:1) # h\n# h\n- [ ] <!--",
    "\u202egnp.\u2066exe", "$x$ **b** __c__", "\r", "#", "", " ",
]


def a_test(name="heap.large", verdict="PASS", points=0, **more):
    return {"name": name, "about": "several pages do not overlap", "verdict": verdict,
            "points": points, "max": 4, "detail": "", "cause": "", "console": [], "run": "",
            "debug": "", "own": None, "reference": None} | more


def a_lab(*tests, **more):
    return {"lab": 2, "name": "02-heap", "title": "The heap", "notes": [], "tests": list(tests),
            "points": sum(test["points"] for test in tests),
            "max": sum(test["max"] for test in tests)} | more


def a_result(*labs, **more):
    return {"schema": "ouroboros-grade/1", "submission": None, "error": None,
            "infra": any(test["verdict"] == "INFRA" for lab in labs for test in lab["tests"]),
            "sandbox": "bubblewrap", "points": sum(lab["points"] for lab in labs),
            "max": sum(lab["max"] for lab in labs), "labs": list(labs)} | more


def hostile(text):
    """A result with this text wherever a student can bring one in."""
    other = {"verdict": "PANIC", "points": 0, "detail": text}
    tests = [a_test(f"heap.{verdict.lower()}", verdict, detail=text, cause=text,
                    console=[text, text], run=text, debug=text, own=other, reference=other)
             for verdict in Verdict]
    return a_result(a_lab(*tests, notes=[text]), submission={
        "name": text, "digest": "", "ignored": [text], "missing": [text]})


# ---- readers: each raises AssertionError for what its format does not allow


def read_junit(text):
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases)
        assert int(suite.get("failures")) == sum(case.find("failure") is not None for case in cases)
        assert int(suite.get("errors")) == sum(case.find("error") is not None for case in cases)
    assert int(root.get("tests")) == sum(int(suite.get("tests")) for suite in root)
    return {f"{case.get('classname')}/{case.get('name')}": case for case in root.iter("testcase")}


RESULT = re.compile(r"(ok|not ok) ([0-9]+) ([^#]*?)(?: # (.*))?")


def read_ktap(lines, indent=""):
    """The results of one level, as (passed, name, data, diagnostics, nested)."""
    lines = [line.removeprefix(indent) for line in lines]
    assert lines[0] == "KTAP version 1"
    planned = int(re.fullmatch(r"1\.\.([0-9]+)", lines[1])[1])
    results, diagnostics, nested = [], [], []
    for line in lines[2:]:
        if line.startswith("  "):
            nested.append(line)
        elif line.startswith("#"):
            diagnostics.append(line)
        else:
            match = RESULT.fullmatch(line)
            assert match, f"neither a result nor a diagnostic: {line!r}"
            assert int(match[2]) == len(results) + 1
            results.append((match[1] == "ok", match[3], match[4], diagnostics,
                            read_ktap(nested, "  ") if nested else []))
            diagnostics, nested = [], []
    assert len(results) == planned and not diagnostics and not nested
    return results


TEST_KEYS = {"score": (int, float), "max_score": (int, float), "status": str, "name": str,
             "name_format": str, "number": str, "output": str, "output_format": str, "tags": list,
             "visibility": str, "extra_data": dict}
KEYS = {"score": (int, float), "execution_time": (int, float), "output": str, "output_format": str,
        "test_output_format": str, "test_name_format": str, "visibility": str,
        "stdout_visibility": str, "extra_data": dict, "tests": list, "leaderboard": list}
VALUES = {"status": {"passed", "failed"}} \
    | dict.fromkeys(("visibility", "stdout_visibility"),
                    {"hidden", "after_due_date", "after_published", "visible"}) \
    | dict.fromkeys(("output_format", "test_output_format", "test_name_format", "name_format"),
                    {"text", "html", "simple_format", "md", "ansi"})


def _check_keys(value, keys):
    for key, item in value.items():
        assert key in keys and isinstance(item, keys[key]), (key, item)
        assert key not in VALUES or item in VALUES[key], (key, item)


def read_gradescope(text):
    """Checks a results.json against Gradescope's "Autograder Specifications", "Output format"."""
    result = json.loads(text)
    _check_keys(result, KEYS)
    for test in result.get("tests", []):
        _check_keys(test, TEST_KEYS)
        assert all(isinstance(tag, str) for tag in test.get("tags", []))
        assert "score" in result or "score" in test
    assert "score" in result or "tests" in result
    assert "\\u0000" not in text and "\\ud" not in text     # no database takes them
    return result


class Tags(HTMLParser):
    """The elements of a page, and the text in and outside code."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.code, self.prose = [], set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        assert not [name for name, _ in attrs if name not in ("style", "start")], attrs
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.code if {"pre", "code"} & set(self.open) else self.prose).append(data)


def read_markdown(text):
    page = Tags(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    assert not page.open
    assert page.tags <= {"h2", "h3", "p", "strong", "code", "pre", "table", "thead", "tbody", "tr",
                         "th", "td", "details", "summary"}, page.tags
    return page


READERS = {"junit": read_junit, "gradescope": read_gradescope, "markdown": read_markdown,
           "ktap": lambda text: read_ktap(text.splitlines())}


def render(name, result):
    """A result in a format, read again."""
    return READERS[name](formats.FORMATS[name](result))


# ---- for all of them


def test_there_is_a_reader_of_every_format():
    assert READERS.keys() == formats.FORMATS.keys() - {"json"}


@pytest.mark.parametrize("text", HOSTILE)
def test_json_is_the_result_as_it_is(text, tmp_path):
    formats.write("json", tmp_path / "result.json", hostile(text))
    assert json.loads((tmp_path / "result.json").read_text()) == hostile(text)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_student_breaks_a_format(name, text):
    result = hostile(text)
    before = copy.deepcopy(result)
    plain = render(name, hostile("x"))
    found = render(name, result)
    assert result == before
    if name == "junit":
        assert found.keys() == plain.keys()
    elif name == "ktap":
        assert [lab[:3] for lab in found] == [lab[:3] for lab in plain]
        assert [test[:3] for test in found[0][4]] == [test[:3] for test in plain[0][4]]
    elif name == "gradescope":
        assert [test["name"] for test in found["tests"]] == [t["name"] for t in plain["tests"]]
        assert found["score"] == plain["score"] == 0
    else:
        assert found.tags == plain.tags
        assert "".join(found.prose).split() == "".join(plain.prose).split()


@pytest.mark.parametrize("name", READERS)
def test_endless_text_is_cut_in_its_middle(name):
    text = formats.FORMATS[name](hostile("begin" + "<" * 1_000_000 + "end"))
    READERS[name](text)
    assert len(text) < 2_000_000 and "characters left out" in text


@pytest.mark.parametrize("name", READERS)
def test_a_result_without_labs_is_still_one(name):
    render(name, a_result())
    render(name, a_result(a_lab()))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("detail", ["no QEMU", "Traceback:\n" + "\n".join(HOSTILE)])
def test_an_error_of_the_grader_is_not_a_failure_of_the_student(name, detail):
    found = render(name, a_result(error=detail, infra=True))
    if name == "junit":
        assert found["grader/grade"].find("error").get("type") == "INFRA"
        assert found["grader/grade"].find("failure") is None
    elif name == "ktap":
        assert found[-1][:3] == (False, "grader", "ERROR INFRA")
    elif name == "gradescope":
        assert formats.NOT_FINAL in found["output"]
        assert [test["visibility"] for test in found["tests"]] == ["after_published"]
    else:
        assert formats.NOT_FINAL in "".join(found.prose)
        assert detail.partition("\n")[0] in "".join(found.code)


@pytest.mark.parametrize("name", READERS)
def test_control_characters_are_shown_as_pictures_but_not_in_the_ends_of_lines(name):
    text = formats.FORMATS[name](a_result(a_lab(a_test(verdict="HANG", console=["a\x1b[1mb\r\n"]))))
    text = json.loads(text)["tests"][0]["output"] if name == "gradescope" else text
    assert "a␛[1mb\n" in text


def test_a_file_appears_complete_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "result.xml"
    file.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("stopped here"))
    with pytest.raises(pytest.fail.Exception):
        formats.write("junit", file, a_result())
    assert file.read_text() == "old"
    monkeypatch.undo()
    formats.write("junit", file, a_result())
    assert file.read_text() == formats.FORMATS["junit"](a_result())
    assert list(tmp_path.iterdir()) == [file]


def test_standard_output_and_pipes_are_written_to_and_not_replaced(tmp_path, capsys):
    formats.write("ktap", Path("-"), a_result())
    assert capsys.readouterr().out == "KTAP version 1\n1..0\n"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    formats.write("ktap", pipe, a_result())
    assert os.read(reader, 100) == b"KTAP version 1\n1..0\n" and pipe.is_fifo()


# ---- what a verdict becomes


@pytest.fixture
def every_verdict():
    return a_result(a_lab(*(a_test(f"heap.{verdict.lower()}", verdict,
                                   points=4 if verdict is Verdict.PASS else 0,
                                   detail=f"the reason of {verdict}", cause=verdict)
                            for verdict in Verdict)))


def test_junit_has_a_failure_for_what_was_lost_and_an_error_for_what_was_not_judged(every_verdict):
    found = render("junit", every_verdict)
    for verdict in Verdict:
        case = found[f"02-heap/heap.{verdict.lower()}"]
        tags = [(child.tag, child.get("type"), child.get("message")) for child in case]
        tag = "error" if verdict is Verdict.INFRA else "failure"
        assert tags == ([] if verdict is Verdict.PASS
                        else [(tag, verdict, f"the reason of {verdict}")])


def test_ktap_gives_no_lost_test_a_directive_that_excuses_it(every_verdict):
    (passed, name, data, _, tests), = render("ktap", every_verdict)
    assert (passed, name, data) == (False, "02-heap", "4/48 points")
    for verdict, (passed, name, data, diagnostics, _) in zip(Verdict, tests, strict=True):
        assert passed == (verdict is Verdict.PASS) and name == f"heap.{verdict.lower()}"
        assert data == {Verdict.PASS: None, Verdict.INFRA: "ERROR INFRA"}.get(verdict, verdict)
        assert data is None or f"# {verdict}: the reason of {verdict}" in diagnostics


def test_ktap_takes_no_directive_from_a_name():
    (*_, tests), = render("ktap", a_result(a_lab(a_test("heap # SKIP", "WRONG"))))
    assert tests[0][:3] == (False, "heap  SKIP", "WRONG")


def test_gradescope_never_shows_a_zero_for_what_was_not_judged(every_verdict):
    found = render("gradescope", every_verdict)
    assert found["score"] == 4 and found["stdout_visibility"] == "hidden"
    assert formats.NOT_FINAL in found["output"] and "not judged: heap.infra" in found["output"]
    for verdict, test in zip(Verdict, found["tests"], strict=True):
        if verdict is Verdict.INFRA:
            assert not {"score", "max_score", "status"} & test.keys()
            assert test["visibility"] == "after_published"  # hides the total as well
        else:
            passed = verdict is Verdict.PASS
            assert (test["score"], test["max_score"]) == (4 if passed else 0, 4)
            assert test["status"] == ("passed" if passed else "failed")
            assert test["visibility"] == "visible"
        assert test["tags"] == ["02-heap", verdict]


def test_gradescope_says_nothing_of_the_grader_if_all_was_judged():
    found = render("gradescope", a_result(a_lab(a_test(verdict="WRONG", detail="4 instead of 8"))))
    assert "NOT FINAL" not in found["output"]
    assert "WRONG: 4 instead of 8" in found["tests"][0]["output"]


def test_markdown_has_a_row_for_each_test_and_tells_one_cause_once(every_verdict):
    every_verdict["labs"][0]["tests"] += [a_test("heap.again", "HANG", cause="HANG", detail="x")]
    text = formats.FORMATS["markdown"](every_verdict)
    read_markdown(text)
    assert len(re.findall(r"^\| \d/4 \|", text, re.M)) == len(Verdict) + 1
    assert text.count("<details>") == len(Verdict) - 1
    assert "HANG <code>heap.hang</code>, <code>heap.again</code>" in text
    assert formats.NOT_FINAL in text


def test_markdown_stays_below_what_github_takes():
    tests = [a_test(f"heap.{number}", "WRONG", detail="<" * 9000, cause=str(number))
             for number in range(100)]
    text = formats.FORMATS["markdown"](a_result(a_lab(*tests), a_lab(*tests)))
    assert 900_000 < len(text.encode()) <= 1 << 20
    assert text.count("\n| 0/4 |") == 200 and "for which there is no room here" in text
    read_markdown(text)


def test_only_files_of_the_labs_that_were_graded_are_missed():
    submission = {"name": "alice", "digest": "", "ignored": [],
                  "missing": ["labs/02-heap/heap.c", "labs/04-static-log/log.c"]}
    output = render("gradescope", a_result(a_lab(), submission=submission))["output"]
    assert "missing: labs/02-heap/heap.c" in output and "log.c" not in output


@pytest.mark.parametrize("name", READERS)
def test_the_verdict_on_other_earlier_labs_is_told_too(name):
    other = {"verdict": "DEADLOCK", "points": 0, "detail": "on frame_lock"}
    text = formats.FORMATS[name](a_result(a_lab(a_test(own=other))))
    told = "on your own earlier labs: DEADLOCK: on frame_lock"
    assert name == "ktap" or told in text           # a passed test has no diagnostics
    lost = a_test(verdict="WRONG", reference=other)
    assert "on the reference's earlier labs: DEADLOCK" in formats.FORMATS[name](a_result(a_lab(lost)))


# ---- GitHub


def test_the_workflow_says_what_there_is():
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((GRADER / "github/grade.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["grade"]["steps"]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    script = "\n".join(step.get("run", "") for step in steps)
    targets = re.findall(r"^make (\w+)$", script, re.M)
    assert targets == ["setup", "all"]
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
    usage = subprocess.run([sys.executable, str(GRADER / "grade.py"), "--help"], text=True,
                           capture_output=True, check=True).stdout
    options = re.findall(r"--[a-z]+", script)
    assert {"--json", "--junit", "--markdown"} == set(options)
    assert all(f"{option} " in usage for option in options)


# ---- docs/instructor/formats.md


def test_the_example_is_what_its_command_prints(tmp_path):
    example = re.search(r"^    \$ grader/grade.py (.*) --ktap grade.ktap\n    \$ cat grade.ktap\n"
                        r"((?:    .*\n)+)", (ROOT / "docs/instructor/formats.md").read_text(), re.M)
    file = tmp_path / "grade.ktap"
    subprocess.run([sys.executable, str(GRADER / "grade.py"), *shlex.split(example[1]),
                    "--ktap", str(file)], cwd=ROOT, capture_output=True, check=False)
    printed = textwrap.indent(file.read_text(), "    ")
    assert re.sub(r"seed=\d+|:\d+:", "", printed) == re.sub(r"seed=\d+|:\d+:", "", example[2])
