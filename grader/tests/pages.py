"""The pages as their readers have them: what is typed, what must be seen then, names and links."""
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from conftest import ROOT
from course.handout import LEFT_OUT
from markdown_it import MarkdownIt

# Blocks that are not typed line by line: by the first word behind the three backticks. "sh" is a
# script with a name, which a test of its own runs.
SHOWN = {"sh", "text", "c", "make", "toml", "python", "ini", "json", "xml", "yaml", "diff"}


@dataclass
class Step:
    """What is typed at a prompt, what must be seen then, and whether Ctrl-C ends it."""
    prompt: str
    line: str
    seen: list[str] = field(default_factory=list)
    interrupted: bool = False


@dataclass
class Command:
    """A line for the shell, and what follows."""
    line: str
    seen: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def lines_seen(self) -> list[str]:
        return [*self.seen, *(line for step in self.steps for line in step.seen)]

    @property
    def is_in_gdb(self) -> bool:
        return re.match("make (debug|rewind|gdb)( |$)", self.line) is not None

    @property
    def fails(self) -> bool:
        return any(line.startswith("make: ***") for line in self.lines_seen)


@dataclass
class Block:
    """A fenced block: what stands behind the backticks, its text, the line it begins in."""
    info: str
    text: str
    line: int

    @property
    def is_run(self) -> bool:
        return self.info.split(" ")[0] not in SHOWN

    @property
    def is_before(self) -> bool:
        """Whether it is how things are before the lab is done."""
        return "before" in self.info.split()

    @cached_property
    def commands(self) -> list[Command]:
        lines = self.text.replace("\\\n", " ").splitlines()
        if not any(line.startswith("$ ") for line in lines):
            said = [re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines]
            return [Command(line) for line in said if line]
        commands: list[Command] = []
        for line in lines:
            if line.startswith("$ "):
                commands.append(Command(re.sub(r"\s+# .*", "", line.removeprefix("$ "))))
                continue
            assert commands, f"line {self.line}: {line!r} comes before any command"
            steps = commands[-1].steps
            prompt = r"\(gdb\)" if commands[-1].is_in_gdb else "ouroboros>"
            if match := re.match(rf"({prompt}) (\S.*)", line):
                steps.append(Step(match[1], match[2].rstrip()))
            elif line == "^C":
                steps[-1].interrupted = True
            elif line.strip() not in ("", "…"):
                (steps[-1].seen if steps else commands[-1].seen).append(line)
        return commands


@dataclass
class Page:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def is_handed_out(self) -> bool:
        return self.name not in LEFT_OUT and (
            self.path.parent in (ROOT / "docs", ROOT / "labs/handout") or self.lab is not None)

    @property
    def lab(self) -> int | None:
        match = re.fullmatch(r"labs/(\d\d)-[^/]*/.*", self.name)
        return int(match[1]) if match else None

    @cached_property
    def tokens(self):
        return MarkdownIt("commonmark").enable("table").parse(self.path.read_text())

    @cached_property
    def _inline(self):
        return [child for token in self.tokens if token.type == "inline" for child in token.children]

    @cached_property
    def blocks(self) -> list[Block]:
        return [Block(token.info.strip(), token.content, token.map[0] + 1)
                for token in self.tokens if token.type == "fence"]

    @cached_property
    def spans(self) -> list[str]:
        """What stands between backticks."""
        return [token.content for token in self._inline if token.type == "code_inline"]

    @cached_property
    def links(self) -> list[str]:
        return [token.attrs.get("href") or token.attrs["src"] for token in self._inline
                if token.type in ("link_open", "image")]

    @cached_property
    def headings(self) -> list[tuple[str, str]]:
        """Each heading's level, "h2", and its text."""
        return [(token.tag, self.tokens[index + 1].content)
                for index, token in enumerate(self.tokens) if token.type == "heading_open"]

    @cached_property
    def outline(self) -> list[str]:
        """What the page is made of, in order: headings, paragraphs, list items, rows, blocks."""
        return [token.tag or token.type for token in self.tokens
                if token.nesting == 1 and token.type != "inline" or token.type == "fence"]

    @cached_property
    def prose(self) -> str:
        """The text without blocks, code and addresses."""
        return "\n".join(token.content for token in self._inline if token.type == "text")


def slug(heading: str) -> str:
    """What a link calls a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def as_pattern(line: str) -> str:
    """
    A line of a page as a regular expression: … stands for anything, blanks for blanks. It may be
    part of a line that is seen, but of whole words, and the result of a test from its beginning.
    """
    words = r"\s+".join(".*?".join(map(re.escape, word.split("…"))) for word in line.split())
    return (r"(?m:^[ \t]*)" if re.match(r"(not )?ok\b", line.strip()) else r"(?<!\S)") + \
        words + r"(?!\S)"


PAGES = [Page(path) for path in sorted([*ROOT.glob("README*.md"), *ROOT.glob("docs/**/*.md"),
                                        *ROOT.glob("labs/*/README*.md")])]
ORIGINALS = [page for page in PAGES if not page.name.endswith(".zh.md")]
TRANSLATIONS = [page for page in PAGES if page.name.endswith(".zh.md")]
