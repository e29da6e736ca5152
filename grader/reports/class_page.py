# SPDX-License-Identifier: MIT
"""The page on a class: distribution, failures by cause, a table, every submission.

One file of HTML that needs nothing else; class_page.html is its frame. What students wrote, or
had their kernels print, is hostile: the page is a tree of elements whose texts are escaped when
it is written, never pasted HTML.
"""
from __future__ import annotations

import statistics
import string
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from judging.verdict import Verdict
from reports.alike import Pair
from reports.results import LabResult, Outcome, Result, cluster, key_of, labs_of, short

TEMPLATE = Path(__file__).with_name("class_page.html")
MAX_CONSOLE_LINES = 40
MAX_PATHS = 20              # of ignored files
MAX_TESTS = 8               # named of those that failed for one reason
MAX_PAIRS = 100             # of submissions that are alike
NR_BINS = 10                # of a histogram, and one for full points

Content = Element | str | None


def tag(name: str, *content: Content, **attributes: object) -> Element:
    """An element of the page. Texts are escaped when the tree is written; None is left out."""
    element = Element(name, {key.rstrip("_").replace("_", "-"): str(value)
                             for key, value in attributes.items() if value is not None})
    for item in content:
        if isinstance(item, Element):
            element.append(item)
        elif item and len(element):
            element[-1].tail = (element[-1].tail or "") + item
        elif item:
            element.text = (element.text or "") + item
    return element


def _verdict(verdict: Verdict) -> Element:
    return tag("span", verdict, class_=f"verdict {verdict}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _percent(points: int, most: int) -> int:
    return 100 * points // most if most else 0


# ---- sections of the page


def _histogram(percents: list[int], labelled: bool) -> Element:
    """How many have how many percent of the points: ten bins, and one for all of them."""
    counts = [sum(1 for percent in percents if percent * NR_BINS // 100 == index)
              for index in range(NR_BINS + 1)]
    width, height, top, foot = (42, 150, 20, 24) if labelled else (42, 90, 0, 2)
    base = top + height
    bars = []
    for index, count in enumerate(counts):
        first, last = 100 * index // NR_BINS, 100 * (index + 1) // NR_BINS - 1
        label = "100 %" if index == NR_BINS else f"{first}–{last} %"
        size = max(round(height * count / max(counts)), 2) if count else 0
        x = index * width + (8 if index == NR_BINS else 0)      # a little apart from the others
        bars.append(tag("g", tag("title", f"{label}: {_count(count, 'submission')}"),
                        tag("rect", class_="bar", x=x + 2, y=base - size, width=width - 4,
                            height=size, rx=2),
                        tag("text", str(count), x=x + width / 2, y=base - size - 6)
                        if labelled and count else None,
                        tag("text", "full" if index == NR_BINS else str(first),
                            x=x + width / 2 if index == NR_BINS else x + 6, y=base + 18)
                        if labelled else None))
    right = (NR_BINS + 1) * width + 8
    return tag("svg", *bars,
               tag("line", class_="axis", x1=0, y1=base + .5, x2=right, y2=base + .5),
               viewBox=f"0 0 {right} {base + foot}", role="img",
               aria_label="How many submissions have how many percent of the points")


def _facts(results: list[Result]) -> Element:
    """The numbers at the top."""
    judged = [result for result in results if result.counted is not None]
    shown = [("submissions" if len(results) != 1 else "submission", str(len(results)))]
    if judged:
        points = [result.counted for result in judged]
        full = sum(1 for result in judged if result.counted >= result.max)
        shown += [("mean", f"{statistics.mean(points):.1f}"),
                  ("median", f"{statistics.median(points):g}"),
                  ("points at most", str(max(result.max for result in judged))),
                  ("with full points", str(full))]
    return tag("dl", *(tag("div", tag("dt", label), tag("dd", value)) for label, value in shown),
               class_="facts")


def _overview(results: list[Result], labs: list[LabResult]) -> Element | None:
    """The distribution of the points, of all labs together and of each."""
    judged = [result for result in results if result.counted is not None]
    if not judged:
        return None
    whole = _histogram([_percent(result.counted, result.max) for result in judged], labelled=True)
    rows = []
    for column in labs:
        scores = [points for result in results
                  if (points := result.counted_in(column.name)) is not None]
        if scores:
            full = sum(1 for points in scores if points >= column.max)
            rows.append(tag(
                "tr", tag("th", f"{column.number} · {column.title}", scope="row", class_="wraps"),
                tag("td", f"{statistics.mean(scores):.1f}", class_="number"),
                tag("td", str(full), class_="number"),
                tag("td", _histogram([_percent(points, column.max) for points in scores], False))))
    head = tag("tr", tag("th", "Lab", scope="col"), tag("th", "Mean", scope="col", class_="number"),
               tag("th", "Full", scope="col", class_="number"), tag("th", "Spread", scope="col"))
    return tag("section", tag("h2", "Distribution"), tag(
        "div", tag("figure", whole, tag("figcaption", "Submissions by percent of the points",
                                        class_="dim"), style="margin:0"),
        tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll")
        if len(rows) > 1 else None,
        class_="overview"))


class Page:
    """The page: knows which submission and which cluster has which anchor."""

    def __init__(self, results: list[Result], pairs: Sequence[Pair] = ()):
        self.pairs = pairs
        self.absent = [result for result in results if result.absent]
        self.results = results = [result for result in results if not result.absent]
        self.labs = labs_of(results)
        self.clusters = cluster(results)
        self.anchors = {result.name: f"s{index}" for index, result in enumerate(results, 1)}
        self.causes = {key: f"c{index}" for index, key in enumerate(self.clusters, 1)}

    def html(self) -> str:
        title = "Ouroboros · " + (f"lab {self.labs[0].number}" if len(self.labs) == 1
                                  else "class report")
        content = tag("main", self._header(title), self._again(), self._unreadable(), self._nothing(),
                      _overview(self.results, self.labs), *self._failures(), self._table(),
                      self._alike(), self._submissions())
        template = string.Template(TEMPLATE.read_text(encoding="utf-8"))
        return template.substitute(title=title, content=tostring(content, "unicode", method="html"))

    def _link(self, name: str) -> Element:
        return tag("a", name, href=f"#{self.anchors[name]}")

    def _header(self, title: str) -> Element:
        when = datetime.fromtimestamp(max(result.graded_at for result in self.results)).astimezone()
        sandboxes = sorted({result.sandbox for result in self.results if result.sandbox})
        return tag("header", tag("h1", title),
                   tag("p", f"The last was graded on {when:%Y-%m-%d at %H:%M %Z}."
                       + (f" Sandbox: {'; '.join(sandboxes)}." if sandboxes else ""), class_="dim"),
                   _facts(self.results))

    def _again(self) -> Element | None:
        """Who has no points yet, and why."""
        return self._list("To be graded again",
                          "The grader or its machine failed, not the student: no points yet.",
                          [result for result in self.results if result.again])

    def _unreadable(self) -> Element | None:
        """Who has handed in something that could not be graded at all."""
        return self._list("To be looked at",
                          "Nothing in these submissions could be graded, so they have no points.",
                          [result for result in self.results if result.trouble])

    def _nothing(self) -> Element | None:
        """Who is on the roster and has handed in nothing."""
        if not self.absent:
            return None
        return tag("section", tag("h2", f"Handed in nothing: {len(self.absent)}"), tag("ul", *(
            tag("li", result.name, *self._by_hand(result)) for result in self.absent), class_="names"))

    @staticmethod
    def _by_hand(result: Result) -> list[Content]:
        """What the instructor has decided, as a sentence."""
        if not (given := result.override):
            return []
        decided = [f"{points} points in {name}" for name, points in given.points.items()]
        if given.late_days:
            decided.append(f"{_count(given.late_days, 'day')} late")
        return [tag("p", f"By hand: {', '.join(decided)}. Reason: {given.reason}", class_="by-hand")]

    def _list(self, title: str, text: str, results: list[Result]) -> Element | None:
        if not results:
            return None
        return tag("section", tag("h2", f"{title}: {len(results)}"), tag("p", text),
                   tag("ul", *(tag("li", self._link(result.name), ": ",
                                   short("; ".join(result.reasons) or "no reason given"))
                               for result in results)), class_="again")

    def _failures(self) -> list[Element]:
        """The clusters; those of one submission each stand apart, closed."""
        shared = [key for key, group in self.clusters.items() if len(group.hits) > 1]
        single = [key for key, group in self.clusters.items() if len(group.hits) == 1]
        sections = []
        if shared:
            sections.append(tag("section", tag("h2", "Failures by cause"), *map(self._cluster, shared)))
        if single:
            sections.append(tag("section", tag("h2", "Failures of one submission each"), tag(
                "details", tag("summary", _count(len(single), "failure")),
                tag("div", *map(self._cluster, single)))))
        return sections

    def _cluster(self, key: tuple[str, Verdict, str]) -> Element:
        group, example = self.clusters[key], self.clusters[key].example
        tests = list(dict.fromkeys(outcome.name for outcomes in group.hits.values()
                                   for outcome in outcomes))
        console = example.console[-MAX_CONSOLE_LINES:]
        summary = tag("summary", tag("span", _count(len(group.hits), "submission"), class_="count"),
                      f" · lab {group.lab.number} · ", _verdict(example.verdict), " ",
                      tag("span", short(example.detail), class_="headline"))
        return tag(
            "details", summary,
            tag("div",
                tag("p", example.detail),
                tag("p", f"{_count(len(tests), 'test')}, {_count(group.lost, 'point')} lost: "
                    f"{_listed(tests, MAX_TESTS)}", class_="dim"),
                tag("p", f"As seen in {group.seen_in.name}, {example.name}:", class_="dim")
                if console or example.run else None,
                tag("pre", "\n".join(console)) if console else None,
                *(tag("pre", command) for command in (example.run, example.debug) if command),
                tag("ul", *(tag("li", self._link(name)) for name in group.hits), class_="names"),
                id=self.causes[key], class_="inside"))

    def _table(self) -> Element:
        """One row a submission."""
        head = tag("tr", tag("th", "Submission", scope="col", aria_sort="ascending"),
                   tag("th", "Points", scope="col"),
                   *(tag("th", f"Lab {lab.number}", scope="col", title=lab.title)
                     for lab in self.labs))
        rows = [tag("tr", tag("th", self._link(result.name), scope="row", data_key=result.name),
                    self._total(result),
                    *(self._score(result, lab.name) for lab in self.labs))
                for result in self.results]
        return tag("section", tag("h2", "Points"), tag(
            "div", tag("table", tag("thead", head), tag("tbody", *rows), class_="class"),
            class_="scroll", tabindex=0))

    def _total(self, result: Result) -> Element:
        if result.counted is None:
            return tag("td", "—", tag("small", "again"), class_="score INFRA", data_key=-1)
        late = result.override.late_days if result.override else 0
        return tag("td", str(result.counted), tag("span", f" / {result.max}", class_="dim"),
                   tag("small", f"{_count(late, 'day')} late", class_="by-hand") if late else None,
                   data_key=result.counted)

    def _score(self, result: Result, name: str) -> Element:
        lab = result.lab(name)
        if result.override and name in result.override.points:
            points = result.override.points[name]
            return tag("td", str(points), tag("small", f"by hand, judged {self._judged(lab) if lab else '—'}"),
                       class_="score by-hand", data_key=points)
        if lab is None:
            return tag("td", "—", class_="dim", data_key=-1)
        return tag("td", self._judged(lab), tag("small", lab.worst), class_=f"score {lab.worst}",
                   data_key=-1 if lab.infra else lab.points)

    @staticmethod
    def _judged(lab: LabResult) -> str:
        return "—" if lab.infra else str(lab.points)

    def _alike(self) -> Element | None:
        """Whose files are alike, as `grade.py similar` has found."""
        if not self.pairs:
            return None
        rows = [tag("tr", tag("td", f"{pair.percent} %", class_="number"),
                    tag("td", *(tag("div", self._link(name) if name in self.anchors else name)
                                for name in (pair.first, pair.second)), class_="wraps"),
                    tag("td", pair.file.removeprefix("labs/") or "all files"), tag("td", pair.by))
                for pair in self.pairs[:MAX_PAIRS]]
        more = len(self.pairs) - len(rows)
        head = tag("tr", *(tag("th", text, scope="col") for text in ("Alike", "Submissions", "File", "Found by")))
        return tag("section", tag("h2", f"Files that are alike: {_count(len(self.pairs), 'pair')}"), tag(
            "p", "A pair is a reason to read both files, and not yet a finding."),
            tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="scroll", tabindex=0),
            tag("p", f"{more} more in similar.json", class_="dim") if more else None)

    def _submissions(self) -> Element:
        return tag("section", tag("h2", "Submissions"), *map(self._submission, self.results))

    def _submission(self, result: Result) -> Element:
        points = "to be graded again" if result.counted is None else f"{result.counted} / {result.max}"
        return tag(
            "details",
            tag("summary", tag("span", result.name, class_="count"), f" · {points}"),
            tag("div",
                *(tag("p", reason, class_="again") for reason in result.reasons), *self._by_hand(result),
                self._paths("Taken under another name", result.taken),
                self._paths("Missing files", result.missing),
                *(item for lab in result.labs for item in self._lab(lab)),
                self._paths("Ignored files, which are not the student's to change", result.ignored),
                id=self.anchors[result.name], class_="inside"))

    def _paths(self, label: str, paths: tuple[str, ...]) -> Element | None:
        if not paths:
            return None
        return tag("p", f"{label}: {_listed(paths, MAX_PATHS)}", class_="dim")

    def _lab(self, lab: LabResult) -> list[Element]:
        """What there is to say of one lab of a submission; failures of one cause together."""
        groups: dict[tuple[str, Verdict, str], list[Outcome]] = {}
        for outcome in lab.failures:
            groups.setdefault(key_of(lab, outcome), []).append(outcome)
        items = []
        for key, outcomes in groups.items():
            lost = sum(outcome.lost for outcome in outcomes)
            names = _listed([outcome.name for outcome in outcomes], MAX_TESTS)
            why = tag("a", "why", href=f"#{self.causes[key]}") if key in self.causes else None
            items.append(tag("li", _verdict(key[1]), f" {names} · {_count(lost, 'point')} lost ", why))
        beside: dict[tuple[str, Verdict], list[Outcome]] = {}
        for outcome in lab.outcomes:
            if outcome.beside and outcome.beside[1] != outcome.verdict:
                beside.setdefault(outcome.beside[:2], []).append(outcome)
        items += [tag("li", _verdict(verdict), f" {_listed([one.name for one in outcomes], MAX_TESTS)}"
                      f", on {whose} earlier labs, which does not count. "
                      f"{short(outcomes[0].beside[2])}")
                  for (whose, verdict), outcomes in beside.items()]
        items += [tag("li", note) for note in lab.notes]
        points = f"\u2002{self._judged(lab)}\u00a0/\u00a0{lab.max}"
        return [tag("h3", f"Lab {lab.number} · {lab.title}", tag("span", points, class_="dim"))] \
            + ([tag("ul", *items)] if items else [])
