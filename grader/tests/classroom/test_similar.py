"""Whose files are alike: with no tool, and with stand-ins that write what Dolos and JPlag write."""
import json
import re

import pytest
from conftest import ROOT
from results import lab, result, test as outcome

from classroom import report, similar
from course.workspace import without_solutions
from reports import alike

HEAP = "labs/02-heap/heap.c"
REFERENCE = (ROOT / HEAP).read_text()

# As cli/src/cli/views/fileView.ts of Dolos and JPlag's --csv-export write it.
DOLOS = """\
#!/usr/bin/env python3
import csv, itertools, sys
from pathlib import Path
words = sys.argv[1:]
Path(__file__).with_name("words.txt").open("a").write(repr(words) + "\\n")
into = Path(words[words.index("--output-destination") + 1])
into.mkdir()
with (into / "pairs.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["id", "leftFileId", "leftFilePath", "rightFileId", "rightFilePath", "similarity",
                    "totalOverlap", "longestFragment"])
    for left, right in itertools.combinations(words[words.index("--output-destination") + 2:], 2):
        table.writerow([0, 0, left, 1, right, 0.875, 70, 9])
"""
JPLAG = """\
#!/usr/bin/env python3
import sys
from pathlib import Path
words = sys.argv[1:]
Path(__file__).with_name("words.txt").write_text(repr(words))
into = Path(words[words.index("--result-file") + 1])
into.mkdir()
(into / "results.csv").write_text("submissionName1,submissionName2,averageSimilarity,maxSimilarity\\n" + "".join(
    f"{pair},0.754,0.9\\n" for pair in ("submissions/ada,submissions/eve", "submissions/eve,2025/old",
                                       "2025/old,2025/older")))
"""


@pytest.fixture
def hand_in(tmp_path):
    """A function that hands in heaps, by the path of the submission."""
    def make(**heaps):
        for name, text in heaps.items():
            file = tmp_path / name.replace("__", "/") / HEAP
            file.parent.mkdir(parents=True)
            file.write_text(text)
    return make


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """A function that looks for what is alike in "in", with a PATH that has only this tool."""
    def look(*words, **tools):
        (tmp_path / "bin").mkdir(exist_ok=True)
        for name, text in tools.items():
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        (tmp_path / "bin/python3").symlink_to("/usr/bin/python3")
        for tool in ("sh", "awk", "sed", "env", "dirname", "basename", "tr", "cat"):
            (tmp_path / "bin" / tool).symlink_to(f"/usr/bin/{tool}")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.delenv("JPLAG", raising=False)
        status = similar.main([str(tmp_path / "in"), "--out", str(tmp_path / "out"), *map(str, words)])
        return status, capsys.readouterr()
    return look


def pairs(tmp_path):
    return [(pair.percent, pair.first, pair.second, pair.file, pair.by)
            for pair in alike.read(tmp_path / "out" / alike.FILE)]


def test_equal_files_are_named_without_any_tool(hand_in, run, tmp_path):
    given = without_solutions(HEAP).decode()
    hand_in(in__ada=REFERENCE, in__bob=given, in__eve="\ufeff" + REFERENCE.replace("\n", " \r\n"), in__ivy=given,
            in__zoe="int mine;\n")
    status, printed = run("--lab", "2")
    assert status == 0 and pairs(tmp_path) == [(100, "ada", "eve", HEAP, "equal")]
    assert "100 %  ada  eve  labs/02-heap/heap.c  (equal)" in printed.out
    assert "Neither dolos nor jplag is installed" in printed.err


def test_other_years_lie_beside_and_are_not_compared_with_each_other(hand_in, run, tmp_path):
    for year in ("2024", "2025"):
        hand_in(**{f"{year}__ada": REFERENCE})
    hand_in(in__ada="int mine;\n", in__bob=REFERENCE)
    status, _ = run("--lab", "2", "--other-years", tmp_path / "2024", tmp_path / "2025")
    assert status == 0 and pairs(tmp_path) == [
        (100, "bob", "2024/ada", HEAP, "equal"), (100, "bob", "2025/ada", HEAP, "equal")]
    exported = sorted(str(file.relative_to(tmp_path / "out/similar"))
                      for file in (tmp_path / "out/similar").rglob("*.c") if file.name == "heap.c")
    assert exported == ["base/02-heap/heap.c", "other-years/2024/ada/02-heap/heap.c",
                        "other-years/2025/ada/02-heap/heap.c", "submissions/ada/02-heap/heap.c",
                        "submissions/bob/02-heap/heap.c"]
    assert "SOLUTION" not in (tmp_path / "out/similar/base/02-heap/heap.c").read_text()


def test_dolos_looks_at_each_file_with_what_was_given_to_ignore(hand_in, run, tmp_path):
    hand_in(in__ada="int mine;\n", in__eve="int hers;\n", in__ivy="int  mine;\n")
    status, _ = run(dolos=DOLOS)
    assert status == 0 and pairs(tmp_path) == [
        (100, "ada", "ivy", HEAP, "equal"), (88, "ada", "eve", HEAP, "Dolos"), (88, "eve", "ivy", HEAP, "Dolos")]
    words, = (tmp_path / "bin/words.txt").read_text().splitlines()      # of the one file that there is
    assert re.match(r"\['run', '--language', 'c', '--ignore', '[^']*/similar/base/02-heap/heap.c', "
                    r"'--output-format', 'csv', '--output-destination', ", words)


def test_what_is_little_alike_is_left_out(hand_in, run, tmp_path):
    hand_in(in__ada="int mine;\n", in__eve="int hers;\n")
    assert run("--at-least", "90", dolos=DOLOS)[0] == 0 and pairs(tmp_path) == []


def test_jplag_gets_other_years_as_old_ones(hand_in, run, tmp_path):
    hand_in(in__ada="int mine;\n", in__eve="int hers;\n")
    for name in ("old", "older"):
        hand_in(**{f"2025__{name}": f"int {name};\n"})
    status, _ = run("--other-years", tmp_path / "2025", jplag=JPLAG)
    assert status == 0 and pairs(tmp_path) == [(75, "ada", "eve", "", "JPlag"), (75, "eve", "2025/old", "", "JPlag")]
    words = (tmp_path / "bin/words.txt").read_text()
    for word in ("'--language', 'c'", "similar/base'", "'--csv-export'", "similar/other-years/2025'"):
        assert word in words


@pytest.mark.parametrize("tool, message", [
    ("#!/bin/sh\necho no such language\nexit 1\n", "ended with status 1: no such language"),
    ("#!/bin/sh\n", "pairs.csv"),
    (DOLOS.replace("left, 1", "'/elsewhere', 1"), "its table names something strange"),
    (DOLOS.replace('"similarity"', '"likeness"'), "KeyError('similarity')"),
])
def test_a_tool_that_fails_is_named(tool, message, hand_in, run, tmp_path):
    hand_in(in__ada="int mine;\n", in__eve="int hers;\n")
    status, printed = run(dolos=tool)
    assert status == 3 and message in printed.err and not (tmp_path / "out/similar.json").exists()


def test_what_cannot_be_read_is_left_out_and_said(hand_in, run, tmp_path):
    hand_in(in__ada="int mine;\n")
    (tmp_path / "in/bob.zip").write_bytes(b"no archive")
    status, printed = run()
    assert status == 0 and "left out: bob.zip: " in printed.err


def test_the_class_page_links_the_pairs(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("ada", "eve"):
        (tmp_path / "in" / f"{name}.json").write_text(json.dumps(result(lab(2, outcome("a")))))
    (tmp_path / "out").mkdir()
    alike.write(tmp_path / "out" / alike.FILE, [
        alike.Pair("ada", "eve", HEAP, 88, "Dolos"), alike.Pair("eve", "2025/<b>bob", "", 75, "JPlag")])
    assert report.main([str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    html = (tmp_path / "out/index.html").read_text()
    part = html[html.index("Files that are alike: 2 pairs"):html.index("<h2>Submissions</h2>")]
    ada, eve = (re.search(f'id="(s[0-9]+)"', html[html.index(f'class="count">{name}<'):])[1] for name in ("ada", "eve"))
    assert f'<a href="#{ada}">ada</a>' in part and part.count(f'<a href="#{eve}">eve</a>') == 2
    assert "88 %" in part and "02-heap/heap.c" in part and "2025/&lt;b&gt;bob" in part and "all files" in part


def test_a_damaged_list_of_pairs_is_named(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/ada.json").write_text(json.dumps(result(lab(2, outcome("a")))))
    (tmp_path / "similar.json").write_text('{"schema": "another"}')
    with pytest.raises(SystemExit) as ended:
        report.main([str(tmp_path / "in"), "--out", str(tmp_path)])
    assert ended.value.code == 2 and "similar.json: its schema is not" in capsys.readouterr().err
