# SPDX-License-Identifier: MIT
"""How Sphinx makes a site of the handbook and the handouts, make docs, and a book, make book.

The pages are plain Markdown. Their order is that of the links in index.md: each of its
headings becomes a part of the contents, here, so that the page needs no directives.
"""
import posixpath
import re
from pathlib import Path

from sphinx.builders.epub3 import Epub3Builder

project = "Ouroboros"
copyright = "the Ouroboros authors, MIT licence"      # noqa: A001 (Sphinx's name)
language = "en"

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["README.md", "README.zh.md", "docs/**.md", "labs/[0-9]*/README*.md"]
myst_heading_anchors = 3
highlight_language = "none"

html_theme = "furo"
html_title = "Ouroboros"
html_static_path = ["site.css", "site.js"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False

# Where make puts the playground, if it can make it. It is no page of Sphinx's, which would take a link to
# it for a file to be downloaded.
_PLAYGROUND = Path(__file__).parents[1] / "build/playground/page"
_PLAYGROUND_LINK = re.compile(r"\[([^]]*)\]\((playground/index\.html)\)")

version = "1"                   # which an EPUB must have; nothing shows it
epub_author = "the Ouroboros authors"
epub_description = "A teaching kernel: its handbook, and the handouts of its labs"
epub_publisher = epub_author
epub_identifier = "urn:x-ouroboros:handbook"
epub_scheme, epub_uid = "URN", "identifier"
epub_tocscope = "includehidden"
epub_show_urls = "no"
epub_use_index = False
epub_css_files = BOOK_CSS = ["book.css"]

_PAGE = re.compile(r"\[[^]]*\]\((?P<path>[^)#:]+)\.md\)")


def _add_contents(_app, name: str, source: list[str]) -> None:
    """Lists what index.md links to once more, in the form that Sphinx builds its contents from."""
    if name != root_doc:
        return
    for part in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        title = part.partition("\n")[0]
        pages = dict.fromkeys(match["path"] for match in _PAGE.finditer(part))
        source[0] += "\n".join(["\n```{toctree}", ":hidden:", f":caption: {title}", "",
                                *pages, "```", ""])


def _link_playground(app, name: str, source: list[str]) -> None:
    """The playground is linked to as it is, or left out with the line that names it."""
    if _PLAYGROUND.exists() and app.builder.name == "html":
        source[0] = _PLAYGROUND_LINK.sub(r'<a class="reference internal" href="\2">\1</a>', source[0])
    else:
        source[0] = "".join(line for line in source[0].splitlines(keepends=True)
                            if not _PLAYGROUND_LINK.search(line))


def _join_chinese(_app, name: str, source: list[str]) -> None:
    """Chinese has no blanks between words, but HTML shows one where a line of the source ends."""
    if name.endswith(".zh"):
        parts = source[0].split("```")          # every other one is a block, and stays
        parts[::2] = [re.sub(r"(?<=[\u2e80-\uffef])\n(> | *)(?=[\u2e80-\uffef])", "", part)
                      for part in parts[::2]]
        source[0] = "```".join(parts)


def _say_language(_app, name: str, _template: str, context: dict, _tree) -> None:
    """A browser chooses fonts, and a screen reader its voice, by the language of a page."""
    if name.endswith(".zh"):
        context["language"] = "zh-Hans"


class Book(Epub3Builder):
    """An EPUB. Its readers are often old, and know neither the colours nor the scripts of the site."""

    def init_css_files(self) -> None:
        self.config.html_css_files, self.config.html_js_files = [], []
        self.config.html_static_path = list(BOOK_CSS)
        super().init_css_files()

    def get_toc(self) -> None:
        """A book's manifest names each file in one way: a/b, and not docs/../a/b."""
        super().get_toc()
        for node in self.refnodes:
            node["refuri"] = posixpath.normpath(node["refuri"])

    def copy_image_files(self) -> None:
        """Diagrams name their colours. A reader who does not know what var() is would see them black."""
        super().copy_image_files()
        for image in Path(self.outdir, self.imagedir).glob("*.svg"):
            text = image.read_text(encoding="utf-8")
            light, _, _ = text.partition("@media")
            colours = dict(re.findall(r"(--[\w-]+): (#\w+);", light))
            image.write_text(re.sub(r"var\((--[\w-]+)\)", lambda name: colours[name[1]], text), encoding="utf-8")


def _lead_in(app, error) -> None:
    """The site's own index.html."""
    if error is None and app.builder.name == "html":
        Path(app.outdir, "index.html").write_text(
            f'<!DOCTYPE html><meta charset="utf-8"><title>{project}</title>\n'
            f'<meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
            f'<a href="{root_doc}.html">{project}</a>\n', encoding="utf-8")


def setup(app) -> None:
    app.add_builder(Book, override=True)
    app.connect("source-read", _add_contents)
    app.connect("source-read", _link_playground)
    app.connect("source-read", _join_chinese)
    app.connect("html-page-context", _say_language)
    app.connect("build-finished", _lead_in)
