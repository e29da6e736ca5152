# SPDX-License-Identifier: MIT
"""A result for other programs: JSON, JUnit XML, KTAP, Markdown, and what Gradescope, Autolab,
PrairieLearn and VPL read.

Each format is a pure function of the object that judging/result.py describes; JSON is that
object. Much of the text in it is what a student's kernel printed, so clean() makes it fit to print
before any other format sees it, and each escapes what means something there. The source of a
format stands at its function.
"""
from __future__ import annotations

import functools
import html
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judging.verdict import Verdict
from reports.causes import together

MAX_TEXT_CHARS = 8000           # of one text; its middle is left out
MAX_MESSAGE_CHARS = 200         # of an explanation that must be one line
MAX_SUMMARY_BYTES = 1_000_000   # GitHub takes no step summary of more than 1 MiB
MAX_OUTPUTS_CHARS = 200_000     # of all tests: PrairieLearn takes no results.json of more than 1 MB

NOT_FINAL = ("NOT FINAL: something could not be judged, because the grader or its machine failed. "
             "This is not the student's fault; the instructor must run the grader again.")

FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {
    "json": lambda result: json.dumps(result, indent=2, ensure_ascii=False) + "\n",
}

# What no format may hold, and what is shown in its place: pictures of the control characters;
# U+FFFD for what XML 1.0 has no character for (section 2.2), and for what would break a line
# or turn its direction.
_UNFIT = ({code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
          | {0x7F: 0x2421}
          | dict.fromkeys([*range(0x80, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F),
                           *range(0x2066, 0x206A), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF],
                          0xFFFD))


def _clip(text: str, most: int = MAX_TEXT_CHARS) -> str:
    """A text of at most `most` characters, beside what says so: its beginning and its end."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def clean(value: Any) -> Any:
    """The same, with every text in it of bounded length and fit to print."""
    match value:
        case str():
            return _clip(value).replace("\r\n", "\n").translate(_UNFIT)
        case dict():
            return {key: clean(item) for key, item in value.items()}
        case list() | tuple():
            return [clean(item) for item in value]
    return value


def _format(render: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    """Makes a function one of FORMATS, under its name."""
    @functools.wraps(render)
    def of_clean(result: dict[str, Any]) -> str:
        return render(clean(result))
    FORMATS[render.__name__] = of_clean
    return of_clean


def write(name: str, path: Path, result: dict[str, Any]) -> None:
    """Writes a result in the format `name`; to stdout if `path` is "-". A file appears complete
    or not at all."""
    text = FORMATS[name](result)
    if str(path) == "-":
        sys.stdout.write(text)
        return
    path = path.resolve()
    if path.exists() and not path.is_file():        # a pipe or a device: nothing to replace
        path.write_text(text, encoding="utf-8")
        return
    replace(path, text)


def replace(path: Path, text: str) -> None:
    """Writes a file that appears complete or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", errors="backslashreplace")
    part.replace(path)


# ---- what all formats say


def _passed(test: dict[str, Any]) -> bool:
    return test["verdict"] == Verdict.PASS


def _not_judged(test: dict[str, Any]) -> bool:
    return test["verdict"] == Verdict.INFRA


def _headline(lab: dict[str, Any]) -> str:
    return f"Lab {lab['lab']} · {lab['title']} · {lab['points']}/{lab['max']} points"


def _elsewhere(test: dict[str, Any]) -> list[str]:
    """The verdict that does not count of a test that was judged twice."""
    return [f"on {whose} earlier labs: {other['verdict']}"
            + (f": {other['detail']}" if other["detail"] else "")
            for whose, other in (("your own", test["own"]), ("the reference's", test["reference"]))
            if other]


def _explain(test: dict[str, Any]) -> str:
    """All there is to say of a test, as text."""
    lines = [test["about"]] if test["about"] else []
    if not _passed(test):
        lines.append(f"{test['verdict']}: {test['detail']}")
    lines += _elsewhere(test)
    if test["console"]:
        lines += ["console:", *(f"  {line}" for line in test["console"])]
    lines += [f"{label}: {test[key]}"
              for label, key in (("see it", "run"), ("debug it", "debug")) if test[key]]
    return _clip("\n".join(lines))


def _message(text: str) -> str:
    """The beginning of a text, as one short line."""
    line = text.partition("\n")[0]
    return line if len(line) <= MAX_MESSAGE_CHARS else line[:MAX_MESSAGE_CHARS - 1] + "…"


def _remarks(result: dict[str, Any]) -> str:
    """What there is to say of the whole submission, as text; may be empty."""
    submission = result["submission"] or {}
    lines = [f"not graded at all: {result['error']}"] if result["error"] else []
    lines += [f"the submission {submission['trouble']}"] if submission.get("trouble") else []
    lines += [f"taken: {name}" for name in submission.get("taken", [])]
    lines += [f"missing: {path}" for path in submission.get("missing", [])
              if any(f"/{lab['name']}/" in f"/{path}" for lab in result["labs"])]
    lines += [f"ignored: {path}" for path in submission.get("ignored", [])]
    lines += [f"lab {lab['lab']}: {note}" for lab in result["labs"] for note in lab["notes"]]
    return _clip("\n".join(lines))


# ---- JUnit XML


def _junit_case(suite: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=suite.get("name", ""), name=name)


def _junit_lost(case: ET.Element, tag: str, verdict: str, detail: str, text: str) -> None:
    ET.SubElement(case, tag, type=verdict, message=_message(detail)).text = text


@_format
def junit(result: dict[str, Any]) -> str:
    """
    JUnit XML as Jenkins, GitLab and GitHub's actions read it. Source: Jenkins' xUnit plugin,
    junit-10.xsd: <failure> is a test that did not hold, <error> an unanticipated problem.
    NOT_IMPLEMENTED is a failure: <skipped> would count as not failed.
    """
    root = ET.Element("testsuites", name="ouroboros")
    if error := result["error"]:
        suite = ET.SubElement(root, "testsuite", name="grader")
        _junit_lost(_junit_case(suite, "grade"), "error", Verdict.INFRA, error, error)
    for lab in result["labs"]:
        suite = ET.SubElement(root, "testsuite", name=lab["name"])
        properties = ET.SubElement(suite, "properties")
        for key in ("points", "max"):
            ET.SubElement(properties, "property", name=key, value=str(lab[key]))
        for test in lab["tests"]:
            case = _junit_case(suite, test["name"])
            if not _passed(test):
                _junit_lost(case, "error" if _not_judged(test) else "failure", test["verdict"],
                            test["detail"], _explain(test))
            elif _elsewhere(test):
                ET.SubElement(case, "system-out").text = _explain(test)
    for element in (root, *root.findall("testsuite")):
        for count, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            element.set(count, str(len(element.findall(f".//{tag}"))))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


# ---- KTAP


def _ktap_result(number: int, name: str, passed: bool, data: str = "") -> str:
    """One result line. A description cannot hold a '#'."""
    line = f"{'ok' if passed else 'not ok'} {number} {_message(name).replace('#', '')}"
    return f"{line} # {data}" if data else line


def _ktap_series(results: list[str]) -> str:
    """Results, each one line after the lines that explain it, with their version and plan."""
    return "\n".join(["KTAP version 1", f"1..{len(results)}", *results])


def _indent(text: str, prefix: str) -> str:
    return "\n".join(prefix + line for line in text.split("\n"))


def _ktap_test(number: int, test: dict[str, Any]) -> str:
    if _passed(test):
        return _ktap_result(number, test["name"], True)
    data = f"ERROR {test['verdict']}" if _not_judged(test) else test["verdict"]
    return _indent(_explain(test), "# ") + "\n" + _ktap_result(number, test["name"], False, data)


def _ktap_lab(number: int, lab: dict[str, Any]) -> str:
    tests = [_ktap_test(*numbered) for numbered in enumerate(lab["tests"], 1)]
    return _indent(_ktap_series(tests), "  ") + "\n" + _ktap_result(
        number, lab["name"], all(map(_passed, lab["tests"])),
        f"{lab['points']}/{lab['max']} points")


@_format
def ktap(result: dict[str, Any]) -> str:
    """
    KTAP version 1, a lab's tests nested in it. Source: Linux, Documentation/dev-tools/ktap.rst.
    A verdict is the diagnostic data of its result line, an explanation diagnostic lines before
    it. INFRA has the directive ERROR. NOT_IMPLEMENTED has none: TODO is for tests that may
    fail, KTAP discourages it, and readers of TAP count it as passed.
    """
    results = [_ktap_lab(*numbered) for numbered in enumerate(result["labs"], 1)]
    if result["error"]:
        results.append(_indent(result["error"], "# ") + "\n"
                       + _ktap_result(len(results) + 1, "grader", False, f"ERROR {Verdict.INFRA}"))
    return _ktap_series(results) + "\n"


# ---- Gradescope


def _gradescope_test(lab: dict[str, Any], number: int, test: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "name": test["name"], "number": f"{lab['lab']}.{number}", "output": _explain(test),
        "tags": [lab["name"], test["verdict"]],
        "extra_data": {"verdict": test["verdict"], "max": test["max"]},
    }
    if _not_judged(test):
        return entry | {"visibility": "after_published"}
    return entry | {"score": test["points"], "max_score": test["max"],
                    "status": "passed" if _passed(test) else "failed", "visibility": "visible"}


@_format
def gradescope(result: dict[str, Any]) -> str:
    """
    Gradescope's results.json. Source: https://gradescope-autograders.readthedocs.io/en/latest/
    specs/, "Output format". The format has no "not graded": a submission must have a score. So
    a test that could not be judged has none, and is hidden until the instructor publishes the
    grades: "If test cases are hidden, students will not be able to see their total score". What
    is written for all to see says why.
    """
    tests = [_gradescope_test(lab, *numbered)
             for lab in result["labs"] for numbered in enumerate(lab["tests"], 1)]
    if result["error"]:
        tests.append({"name": "the grader", "number": "0", "output": result["error"],
                      "tags": [Verdict.INFRA], "extra_data": {"verdict": Verdict.INFRA, "max": 0},
                      "visibility": "after_published"})
    output = [NOT_FINAL] if result["infra"] else []
    output += [f"not judged: {test['name']}" for lab in result["labs"] for test in lab["tests"]
               if _not_judged(test)]
    output += [*map(_headline, result["labs"]), _remarks(result)]
    return json.dumps({
        "score": result["points"], "output": "\n".join(output).strip(), "output_format": "text",
        "test_output_format": "text", "test_name_format": "text",
        "visibility": "visible", "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"schema": result["schema"], "infra": result["infra"],
                       "max": result["max"], "sandbox": result["sandbox"]},
    }, indent=2) + "\n"


# ---- Autolab


def _blocks(result: dict[str, Any]) -> list[tuple[str, str]]:
    """All there is to say, in the order in which it is read: a title, and the text below it."""
    blocks = [("The submission", remarks)] if (remarks := _remarks(result)) else []
    for lab in result["labs"]:
        blocks.append((_headline(lab), ""))
        blocks += [(f"{test['verdict']} {test['name']}: {test['points']} of {test['max']}",
                    "" if _passed(test) and not _elsewhere(test) else _explain(test))
                   for test in lab["tests"]]
    return blocks


@_format
def autolab(result: dict[str, Any]) -> str:
    """
    Autolab's feedback, and in the last line its autoresult: a problem of a lab's name has the lab's
    points. Source: https://docs.autolabproject.com/lab/, "Writing Autograders". A lab with INFRA
    has null, which assessment_autograde_core.rb stores as no score. It makes zeros of an
    autoresult without any problem, so what calls the grader must name one if there is an
    error, as grader/autolab does. A student's lines are indented, so that none begins with a {.
    """
    scores = {lab["name"]: None if any(map(_not_judged, lab["tests"])) else lab["points"]
              for lab in result["labs"]}
    lines = [NOT_FINAL] if result["infra"] else []
    for title, text in _blocks(result):
        lines += [_message(title), *(f"    {line}" for line in text.split("\n") if text)]
    return "\n".join([*lines, f"{result['points']}/{result['max']} points",
                      json.dumps({"scores": scores})]) + "\n"


# ---- PrairieLearn


@_format
def prairielearn(result: dict[str, Any]) -> str:
    """
    PrairieLearn's results.json. Source: https://prairielearn.readthedocs.io/en/latest/
    externalGrading/, "Grading results": `score` is from 0 to 1. What could not be judged is not
    gradable: "no points will be awarded or lost", and no attempt is used up.
    """
    judged = [(lab, test) for lab in result["labs"] for test in lab["tests"]]
    room = min(MAX_TEXT_CHARS, MAX_OUTPUTS_CHARS // max(len(judged), 1))
    found: dict[str, Any] = {"gradable": not result["infra"]}
    if result["infra"]:
        found["format_errors"] = [NOT_FINAL, *([_message(result["error"])] if result["error"] else [])]
    else:
        found["score"] = result["points"] / result["max"] if result["max"] else 0.0
    return json.dumps(found | {
        "message": "\n".join(map(_headline, result["labs"])), "output": _remarks(result),
        "tests": [{"name": f"lab {lab['lab']}: {test['name']}", "description": _message(test["about"]),
                   "points": test["points"], "max_points": test["max"],
                   "message": test["verdict"], "output": _clip(_explain(test), room)}
                  for lab, test in judged],
    }, indent=2, ensure_ascii=False) + "\n"


# ---- VPL


@_format
def vpl(result: dict[str, Any]) -> str:
    """
    What VPL, an activity of Moodle, reads of an evaluation's output. Source: https://vpl.dis.ulpgc.es/
    documentation/, "Advanced features": a comment stands between <|-- and --|>, a line with - in it
    is a title, one with > is shown as it is; the grade is the last line with "Grade :=>>".
    Without such a line VPL proposes no grade, which is right for what could not be judged.
    """
    lines = ["<|--", *([f"-{NOT_FINAL}"] if result["infra"] else [])]
    for title, text in _blocks(result):
        lines += [f"-{_message(title)}", *(f">{line}" for line in text.split("\n") if text)]
    lines.append("--|>")
    if not result["infra"]:
        lines.append(f"Grade :=>> {result['points']}")
    return "\n".join(lines) + "\n"


# ---- Markdown


def _inline(text: str) -> str:
    """Text in the midst of Markdown, none of which means anything there."""
    return re.sub(r"[\\`*_{}\[\]()<>#!|~&@$:]", lambda match: f"&#{ord(match[0])};",
                  " ".join(text.split()))


def _code(text: str) -> str:
    """The same as code, where GitHub looks for no @mentions either."""
    return f"<code>{_inline(text)}</code>"


def _block(text: str) -> str:
    """Text as it is. Nothing but its own end tag ends a <pre> (CommonMark, HTML block 1)."""
    return f"<pre>\n{html.escape(text, quote=False)}\n</pre>\n"


def _markdown_table(lab: dict[str, Any]) -> str:
    rows = [f"| {test['points']}/{test['max']} "
            f"| {test['verdict'] if _passed(test) else '**' + _inline(test['verdict']) + '**'} "
            f"| {_code(test['name'])} | {_inline(test['about'])} |\n" for test in lab["tests"]]
    return f"### {_inline(_headline(lab))}\n\n| points | verdict | test | expected |\n" \
           "| --: | --- | --- | --- |\n" + "".join(rows)


def _markdown_failures(lab: dict[str, Any]) -> list[str]:
    """What can be unfolded below a lab's table: failures, those of one cause together."""
    failures = [test for test in lab["tests"] if not _passed(test) or _elsewhere(test)]
    return [f"<details><summary>{_inline(tests[0]['verdict'])} "
            f"{', '.join(_code(test['name']) for test in tests)}</summary>\n\n"
            f"{_block(_explain(tests[0]))}\n</details>\n"
            for tests in together(failures, lambda test: (test["verdict"], test["cause"],
                                                          *_elsewhere(test)))]


@_format
def markdown(result: dict[str, Any]) -> str:
    """
    GitHub-flavoured Markdown (https://github.github.com/gfm/), for $GITHUB_STEP_SUMMARY. What a
    student wrote stands in code and <pre> only.
    """
    whose = f"{_code(result['submission']['name'])}: " if result["submission"] else ""
    parts = [f"## {whose}{result['points']}/{result['max']} points\n"]
    if result["infra"]:
        parts.append(f"**{NOT_FINAL}**\n")
    if remarks := _remarks(result):
        parts.append(_block(remarks))
    tables = [_markdown_table(lab) for lab in result["labs"]]
    room = MAX_SUMMARY_BYTES - sum(len(part.encode()) for part in parts + tables)
    left_out = 0
    for table, lab in zip(tables, result["labs"]):
        parts.append(table)
        for failure in _markdown_failures(lab):
            room -= len(failure.encode())
            if room > 0:
                parts.append(failure)
            else:
                left_out += 1
    if left_out:
        parts.append(f"{left_out} more failures, for which there is no room here.\n")
    return "\n".join(parts)
