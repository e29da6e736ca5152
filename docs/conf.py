# SPDX-License-Identifier: MIT
"""How Sphinx makes a site of the handbook and the handouts: make docs.

The pages are plain Markdown. Their order is that of the links in index.md: each of its
headings becomes a part of the contents, here, so that the page needs no directives.
"""
import re
from pathlib import Path

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


def _link_playground(_app, name: str, source: list[str]) -> None:
    """The playground is linked to as it is, or left out with the line that names it."""
    if _PLAYGROUND.exists():
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


def _lead_in(app, error) -> None:
    """The site's own index.html."""
    if error is None and app.builder.format == "html":
        Path(app.outdir, "index.html").write_text(
            f'<!DOCTYPE html><meta charset="utf-8"><title>{project}</title>\n'
            f'<meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
            f'<a href="{root_doc}.html">{project}</a>\n', encoding="utf-8")


def setup(app) -> None:
    app.connect("source-read", _add_contents)
    app.connect("source-read", _link_playground)
    app.connect("source-read", _join_chinese)
    app.connect("html-page-context", _say_language)
    app.connect("build-finished", _lead_in)
