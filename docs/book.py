# SPDX-License-Identifier: MIT
"""Prints the EPUB that make book has made: book.py BOOK.epub BOOK.pdf

A book's pages become one document, in the order in which they are read. Two pages may call a part of
them the same, so each name gets its page's before it; links between pages become links within.
"""
import logging
import posixpath
import re
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import weasyprint

HERE = Path(__file__).parent
XHTML = "{http://www.w3.org/1999/xhtml}"
DUBLIN = "{http://purl.org/dc/elements/1.1/}"
OPF = "{http://www.idpf.org/2007/opf}"
NOT_PRINTED = ("nav", "ncx")            # lists of contents for a reader's program
INDEX = "docs/index.xhtml"              # the same as a page: the printed list stands in its place


def name_of(page: str, part: str = "") -> str:
    """What a part of a page is called in the whole; without a part, the page."""
    return re.sub(r"[^\w-]", "-", f"{page}--{part}" if part else page)


def reading_order(book: zipfile.ZipFile) -> list[str]:
    """The paths of the pages."""
    package = ElementTree.fromstring(book.read("content.opf"))
    files = {item.get("id"): item.get("href") for item in package.iter(f"{OPF}item")}
    return [files[item.get("idref")] for item in package.iter(f"{OPF}itemref")
            if item.get("idref") not in NOT_PRINTED]


def break_names(cell: ElementTree.Element) -> None:
    """Lets a line end within a long name: a table would be wider than the paper otherwise."""
    for code in cell.iter(f"{XHTML}code"):
        for element in code.iter():
            element.text = re.sub(r"(?<=[_./])(?=\w)", "\N{ZERO WIDTH SPACE}", element.text or "")


def body_of(book: zipfile.ZipFile, page: str, pages: list[str]) -> ElementTree.Element:
    """A page's text, with names, links and pictures as they are in the whole."""
    body = ElementTree.fromstring(book.read(page)).find(f"{XHTML}body")
    folder = posixpath.dirname(page)
    for element in body.iter():
        if part := element.get("id"):
            element.set("id", name_of(page, part))
        if source := element.get("src"):
            element.set("src", posixpath.normpath(posixpath.join(folder, source)))
        if element.tag == f"{XHTML}td":
            break_names(element)
        path, mark, part = unquote(element.get("href", "")).partition("#")
        target = posixpath.normpath(posixpath.join(folder, path)) if path else page
        if target in pages and (path or mark):
            element.set("href", f"#{name_of(target, part)}")
        elif element.get("href") and not re.match(r"https?:", path):
            del element.attrib["href"]          # leads to a file of the tree, which is not in the book
    body.tag = f"{XHTML}section"
    body.set("id", name_of(page))
    return body


def whole(book: zipfile.ZipFile) -> bytes:
    """All pages as one, with a title and a list of contents."""
    pages = reading_order(book)
    package = ElementTree.fromstring(book.read("content.opf"))
    title, about = (package.find(f".//{DUBLIN}{what}").text for what in ("title", "description"))
    html = ElementTree.Element(f"{XHTML}html", lang="en")
    body = ElementTree.SubElement(html, f"{XHTML}body")
    ElementTree.SubElement(body, f"{XHTML}h1", {"class": "title"}).text = title
    ElementTree.SubElement(body, f"{XHTML}p", {"class": "under"}).text = about
    ElementTree.SubElement(body, f"{XHTML}h1", id=name_of(INDEX)).text = "Contents"
    contents = ElementTree.SubElement(body, f"{XHTML}ul", {"class": "list"})
    for page in pages:
        section = body_of(book, page, pages)
        heading = section.find(f".//{XHTML}h1")
        if page == INDEX or heading is None:
            continue
        line = ElementTree.SubElement(contents, f"{XHTML}li")
        link = ElementTree.SubElement(line, f"{XHTML}a", href=f"#{name_of(page)}")
        link.text = "".join(heading.itertext()).strip().rstrip("¶")
        body.append(section)
    ElementTree.register_namespace("", XHTML.strip("{}"))
    return ElementTree.tostring(html, method="html")


def main(epub: str, pdf: str) -> int:
    warned = []
    weasyprint.LOGGER.addHandler(logging.StreamHandler())
    weasyprint.LOGGER.addFilter(lambda record: warned.append(record) or True)
    with zipfile.ZipFile(epub) as book:
        def fetch(url: str) -> dict:
            path = unquote(url.removeprefix("book:/"))
            return {"string": book.read(path), "mime_type": "image/svg+xml" if path.endswith(".svg") else None}
        document = weasyprint.HTML(string=whole(book).decode(), base_url="book:/", url_fetcher=fetch)
        document.write_pdf(pdf, stylesheets=[str(HERE / "book.css"), str(HERE / "print.css")])
    return 1 if warned else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
