"""The sentences of pages and of comments, and rules of plain English that a program can count.

A sentence ends with a full stop, a question or exclamation mark, and with a colon if a capital letter,
a link or code follows. Code in backticks is one word. Headings, tables and blocks of code have no
sentences here. A link in brackets may be the title of a page, so its words are no subject.
"""
import re
from collections.abc import Iterator
from pathlib import Path

from pages import Page

MAX_WORDS = 30                  # in a sentence

END = re.compile(r"""(?<=[.!?])["')\]]*\s+|(?<=:)\s+(?=["'(\[]*[A-Z`[])""")
QUESTION_WORD = re.compile(r"[^\w\[]*(?:Who|What|Whoever|Whatever|Whose)\b")


def split(text: str) -> list[str]:
    """The sentences of a paragraph."""
    return [sentence for sentence in END.split(re.sub(r"\s+", " ", text).strip()) if sentence]


def of_page(page: Page) -> Iterator[str]:
    """The sentences of a page's paragraphs and list items."""
    above = ""
    for token in page.tokens:
        if token.type == "inline" and above == "paragraph_open":
            yield from split("".join(_plain(child) for child in token.children))
        above = token.type


def _plain(child) -> str:
    """A piece of a paragraph; code and pictures must not look like an end of a sentence."""
    if child.type == "code_inline":
        return "`" + re.sub(r"[\s.?!:]", "·", child.content) + "`"
    if child.type == "softbreak":
        return " "
    if child.type in ("link_open", "link_close"):
        return "[" if child.type == "link_open" else "]"
    return child.content if child.type == "text" else ""


def of_head(file: Path) -> Iterator[str]:
    """The sentences of a C file's first comment; lines that are indented further are drawings."""
    head = re.search(r"/\*\n(.*?)\*/", file.read_text(), re.DOTALL)
    lines = [re.sub(r"^ \* ?", "", line) for line in head[1].splitlines()] if head else []
    text = "\n".join("" if line.startswith("  ") else line for line in lines)
    for paragraph in re.split(r"\n\s*\n|\n(?=- )", text):
        yield from split(paragraph)


def flaws(sentence: str) -> list[str]:
    """The rules that a sentence breaks, in words."""
    found = []
    if QUESTION_WORD.match(sentence) and not sentence.rstrip("\"')*").endswith("?"):
        found.append("begins with Who or What as its subject")
    if (words := len(sentence.split())) > MAX_WORDS:
        found.append(f"has {words} words, more than {MAX_WORDS}")
    return [f"{flaw}: {sentence}" for flaw in found]
