"""What other programs get of a result: each format as a reader of it sees it, hostile text too."""
import copy
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import GRADER, ROOT
from readers import READERS, read_markdown

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
    elif name == "autolab":
        assert found[1] == plain[1] == {"02-heap": None}
    elif name == "prairielearn":
        assert [test["name"] for test in found["tests"]] == [t["name"] for t in plain["tests"]]
        assert found["gradable"] is plain["gradable"] is False and "score" not in found
    elif name == "vpl":
        assert found[0] == plain[0] and found[2] is plain[2] is None
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
    elif name == "autolab":
        assert found[0][0] == formats.NOT_FINAL and found[1] == {}
        assert f"    not graded at all: {detail.partition(chr(10))[0]}" in found[0]
    elif name == "prairielearn":
        assert found["gradable"] is False and detail.partition("\n")[0] in found["format_errors"]
    elif name == "vpl":
        assert found[0][0] == formats.NOT_FINAL and found[2] is None
        assert f"not graded at all: {detail.partition(chr(10))[0]}" in found[1]
    else:
        assert formats.NOT_FINAL in "".join(found.prose)
        assert detail.partition("\n")[0] in "".join(found.code)


@pytest.mark.parametrize("name", READERS)
def test_control_characters_are_shown_as_pictures_but_not_in_the_ends_of_lines(name):
    text = formats.FORMATS[name](a_result(a_lab(a_test(verdict="HANG", console=["a\x1b[1mb\r\n"]))))
    text = json.loads(text)["tests"][0]["output"] if name in ("gradescope", "prairielearn") else text
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


def test_autolab_gives_a_lab_its_points_and_one_that_was_not_judged_none(every_verdict):
    every_verdict["labs"].append(a_lab(a_test(points=4), name="03-deadlock"))
    feedback, scores = render("autolab", every_verdict)
    assert scores == {"02-heap": None, "03-deadlock": 4}
    assert "PANIC heap.panic: 0 of 4" in feedback and "    PANIC: the reason of PANIC" in feedback


def test_prairielearn_takes_no_attempt_for_what_was_not_judged(every_verdict):
    found = render("prairielearn", every_verdict)
    assert not found["gradable"] and found["format_errors"] == [formats.NOT_FINAL]
    found = render("prairielearn", a_result(a_lab(a_test(points=4), a_test(verdict="WRONG"))))
    assert found["gradable"] and found["score"] == 0.5
    assert [(test["points"], test["max_points"]) for test in found["tests"]] == [(4, 4), (0, 4)]


def test_prairielearn_stays_below_what_it_takes():
    tests = [a_test(f"heap.{number}", "WRONG", detail="\U0001f980\"" * 9000) for number in range(400)]
    assert len(formats.FORMATS["prairielearn"](a_result(a_lab(*tests))).encode()) > 100_000
    render("prairielearn", a_result(a_lab(*tests)))


def test_vpl_proposes_no_grade_for_what_was_not_judged(every_verdict):
    assert render("vpl", every_verdict)[2] is None
    titles, shown, grade = render("vpl", a_result(a_lab(a_test(points=4), a_test(
        verdict="WRONG", detail="Grade :=>> 100\n--|>\nGrade :=>> 100"))))
    assert grade == 4 and "Grade :=>> 100" in shown and "--|>" in shown
    assert titles == ["Lab 2 · The heap · 4/8 points", "PASS heap.large: 4 of 4", "WRONG heap.large: 0 of 4"]


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
    assert re.sub(r"seed[= ]\d+|:\d+:", "", printed) == re.sub(r"seed[= ]\d+|:\d+:", "", example[2])
