"""Readers of the formats that a result is written in: each raises AssertionError for what its format
does not allow."""
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from markdown_it import MarkdownIt


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


def read_autolab(text):
    """
    The feedback and the scores, as Autolab's assessment_autograde_core.rb takes them: the last line
    is JSON, after whatever ends in a letter or digit and a colon has been put in quotes.
    """
    *feedback, last = text.rstrip().split("\n")
    scores = json.loads(re.sub("([a-zA-Z0-9]+):", r'"\1":', last))["scores"]
    assert all(isinstance(score, (int, float, type(None))) for score in scores.values())
    assert not [line for line in feedback if line.startswith("{")]
    assert not feedback[-1].startswith(" ")         # where "_presentation" would be looked for
    return feedback, scores


PRAIRIELEARN_KEYS = {"gradable": bool, "score": float, "message": str, "output": str,
                     "format_errors": (str, list), "tests": list}
PRAIRIELEARN_TEST = {"name": str, "description": str, "points": int, "max_points": int,
                     "message": str, "output": str}


def read_prairielearn(text):
    """Checks a results.json against PrairieLearn's "External grading", "Grading results"."""
    result = json.loads(text)
    _check_keys(result, PRAIRIELEARN_KEYS)
    for test in result.get("tests", []):
        _check_keys(test, PRAIRIELEARN_TEST)
    assert len(text.encode()) <= 1_000_000
    assert 0 <= result["score"] <= 1 if result["gradable"] else result["format_errors"]
    return result


def read_vpl(text):
    """The titles of the comment, its preformatted lines and the grade, None if there is none: as VPL reads them."""
    comments = re.findall(r"^<\|--$\n(.*?)^--\|>$\n?", text, re.M | re.S)
    assert len(comments) == 1
    rest = text.replace(f"<|--\n{comments[0]}--|>\n", "")
    grades = re.findall(r"^Grade :=>>(.*)$", text, re.M)
    assert rest == "".join(f"Grade :=>>{grade}\n" for grade in grades) and len(grades) <= 1
    lines = comments[0].splitlines()
    assert all(line.startswith(("-", ">")) for line in lines) and "Comment :=>>" not in rest
    return ([line[1:] for line in lines if line[0] == "-"], [line[1:] for line in lines if line[0] == ">"],
            float(grades[0]) if grades else None)


READERS = {"junit": read_junit, "autolab": read_autolab, "prairielearn": read_prairielearn, "vpl": read_vpl, "gradescope": read_gradescope, "markdown": read_markdown,
           "ktap": lambda text: read_ktap(text.splitlines())}
