"""What the pages say beside their commands: names, links, translations, diagrams, the site."""
import calendar
import fnmatch
import functools
import posixpath
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from xml.etree import ElementTree

import pytest
from conftest import ROOT
from processes import DEADLINE
from pages import ORIGINALS, PAGES, TRANSLATIONS, Page, slug
from trees import LABS, project_files, unpacked

from course import handout

by_name = {"ids": lambda page: page.name}

# Names that are in backticks, but not in this tree: by whose they are.
FOREIGN = {
    "FreeBSD": {"M_USE_RESERVE", "msgbuf"},
    "GitHub": {".github/workflows/grade.yml"}, "gh, GitHub's command": {"gh", "repo", "ORG"},
    "PrairieLearn": {"info.json"},
    "Gradescope": {"results.json"},
    "Linux": {"Documentation/dev-tools/ktap.rst", "mm/page_alloc.c", "mm/slub.c", "GFP_NOFS",
              "GFP_NOIO", "PF_MEMALLOC", "ZONE_DMA", "ZONE_DMA32", "ZONE_NORMAL", "__GFP_NOFAIL",
              "bust_spinlocks", "fs_reclaim", "kswapd", "memalloc_nofs_save", "memblock", "nbcon",
              "oops_in_progress", "printk", "printk_context", "qspinlock"},
    "Zephyr": {"CONFIG_SPIN_VALIDATE", "printk_panic"},
    "QEMU's monitor": {"screendump"},
    "a class's report": {"results/NAME.json", "logs/NAME.txt", "overrides.toml",
                         "report/overrides.toml", "report/attempts/"},
    "Canvas": {"lib/gradebook_importer.rb"}, "Moodle": {"mod/assign/feedback/offline/importgradeslib.php"},
}

ADDED = "9"                     # the lab that adding-a-lab.md adds


def foreign():
    return set().union(*FOREIGN.values())


def is_text(path):
    return b"\0" not in path.read_bytes()


@functools.cache
def sources():
    """All that names may come from: the text of the tree but for its pages and tests, by path."""
    return {name: (ROOT / name).read_text() for name in project_files()
            if not name.endswith((".md", ".svg")) and not name.startswith("grader/tests/")
            and is_text(ROOT / name)}


@functools.cache
def words():
    """Every identifier in the sources, and every word of the pages' commands and scripts."""
    commands = "\n".join(block.text for page in ORIGINALS for block in page.blocks
                         if block.is_run or block.info.startswith("sh"))
    return set(re.findall(r"\w+", "\n".join([*sources().values(), *sources(), commands])))


@functools.cache
def make_words():
    """make's targets and variables."""
    text = sources()["Makefile"] + sources()["grader/instructor.mk"]
    return set(re.findall(r"^([\w/.-]+):", text, re.M)), set(re.findall(r"\$\(([A-Z]+)\)", text))


@functools.cache
def known_tests():
    """The names of all tests by their suite."""
    found = {}
    for text in sources().values():
        for suite, name in re.findall(r"KTEST\w*\((\w+), (\w+)", text):
            found.setdefault(suite, set()).add(name)
    for each in LABS:
        for test in each.tests:
            suite, _, name = test.name.partition(".")
            found.setdefault(suite, set()).add(name)
    return found


def exists(path):
    """Whether the tree has such a path, or makes it; NN, NAME and … stand for anything."""
    path, _, line = path.partition(":")
    pattern = re.sub(r"NN|NAME|…|\bN\b", "*", path.strip("/"))
    places = [pattern, *(f"{top}/**/{pattern}" for top in (
        "boot", "kernel", "labs", "grader", "docs", ".vscode"))]
    found = [file for place in places for file in ROOT.glob(place)]
    if line.isdecimal():
        return any(int(line) <= len(file.read_text().splitlines()) for file in found)
    return path.startswith(("build/", "/")) or bool(found)


def is_make_word(word):
    """Whether make knows this target, or this variable and what is given it."""
    targets, variables = make_words()
    name, given, value = word.partition("=")
    if not given or name not in variables:
        return not given and word in targets
    if name in ("LAB", "FROM", "TO"):
        return value.strip("N M … *") == "" or value in [ADDED, *(str(each.number) for each in LABS)]
    return name != "VARIANT" or not re.fullmatch(r"[a-z-]+", value) or value == "name" or \
        any(ROOT.glob(f"labs/*/variants/{value}.patch"))


def unknown(span):
    """What there is not of that which a code span names."""
    first, *others = span.split() or [""]
    if first == "make":
        return [word for word in others if not is_make_word(word)]
    if re.fullmatch(r"[\w./…*-]*/[\w./…*-]+(:\d+)?|[\w*-]+\.(c|h|S|py|md|toml|patch|svg|mk|awk|json)",
                    span):
        return [] if exists(span) else [span]
    if re.fullmatch(r"[0-9a-f]{9}", span):              # a commit
        return []
    if (test := re.fullmatch(r"([a-z_]+)\.([a-z_*]+)", span)) and (
            test[1] in known_tests() or test[2] in set().union(*known_tests().values())):
        return [] if fnmatch.filter(known_tests().get(test[1], ()), test[2]) else [span]
    return [word for word in re.findall(r"[A-Za-z_]\w+", span) if word not in words()]


@pytest.mark.parametrize("page", PAGES, **by_name)
def test_every_name_in_a_page_exists(page):
    assert {word for span in page.spans for word in unknown(span)} <= foreign(), page.name


def test_foreign_names_are_named():
    said = {word for page in PAGES for span in page.spans for word in unknown(span)}
    assert foreign() <= said


def squeezed(text):
    return re.sub(r"\s+", " ", text)


@functools.cache
def all_squeezed():
    return squeezed("\n".join(sources().values()))


@pytest.mark.parametrize("page", PAGES, **by_name)
def test_quoted_code_is_in_the_sources(page):
    """A block of C has each of its lines in some file, blanks apart."""
    for block in page.blocks:
        if block.info == "c":
            for line in filter(str.strip, block.text.splitlines()):
                assert squeezed(line).strip() in all_squeezed() or line.strip() == "…", line


def missing_targets(page, root):
    """The links of a page in the tree `root` that lead nowhere there."""
    for link in page.links:
        path, _, anchor = link.partition("#")
        if re.match(r"https?://", link):
            continue
        target = (page.path.parent / path).resolve() if path else page.path
        inside = root / target.relative_to(ROOT)
        if not inside.exists():
            yield link
        elif anchor and anchor not in {slug(text) for _, text in Page(target).headings}:
            yield link


@pytest.mark.parametrize("page", [page for page in PAGES if page.path.parent.name != "handout"],
                         **by_name)
def test_every_link_leads_somewhere(page):
    assert not list(missing_targets(page, ROOT))


@pytest.mark.parametrize("last", [0, 2, LABS[-1].number])
def test_every_link_of_a_handout_leads_somewhere(last, tmp_path):
    tree = unpacked(tmp_path, "--labs", f"0-{last}")
    for path in tree.rglob("*.md"):
        page = Page(path)
        for link in page.links:
            file = link.partition("#")[0]
            assert re.match(r"https?://", link) or (path.parent / file).exists(), (path, link)
    for name in handout.PAGES:
        whole = (tree / name).read_text() == (ROOT / "labs/handout" / name).read_text()
        assert whole == (last == LABS[-1].number), "a line names what is in no handout"
    missing = {page.name for page in PAGES if page.path.parent == ROOT / "docs"
               and not (tree / page.name).exists()}
    assert missing - handout.LEFT_OUT == {
        name for name, first in handout.TELL_ANSWERS.items() if first > last}


@pytest.mark.parametrize("page", PAGES, **by_name)
def test_a_page_has_one_title_and_no_heading_is_skipped(page):
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:]))


@pytest.mark.parametrize("page", [page for page in PAGES if page.lab is not None], **by_name)
def test_a_handout_is_not_long(page):
    assert len(page.path.read_text().splitlines()) <= 170


def test_every_page_is_in_the_contents():
    listed = {(ROOT / "docs" / link).resolve() for link in Page(ROOT / "docs/index.md").links}
    assert {page.path for page in PAGES} - listed <= {
        ROOT / "docs/index.md", ROOT / "labs/handout/README.md", ROOT / "labs/handout/README.zh.md"}


# ---- translations

def without_comments(text):
    """A block's text without what stands behind "# ", and without blanks at ends of lines."""
    return re.sub(r"(^|[ \t]+)# .*$|[ \t]+$", "", text, flags=re.M)


# A Chinese character is two columns wide in a terminal, but not in a browser: whatever of a
# drawing stands behind one is out of line.
WIDE_BEFORE_LINE = r"[\u2e80-\uffef].*[│┌└├┐┘┤▲▼┬┴┼]"


def numbers(text):
    """The numbers in a text; a month's name is one where a day or a year stands beside it."""
    for month, name in enumerate(calendar.month_name[1:], 1):
        text = re.sub(rf"(?<=\d ){name}|{name}(?= \d)", str(month), text)
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", text))


@pytest.mark.parametrize("page", TRANSLATIONS, **by_name)
def test_a_translation_says_what_its_original_says(page):
    original = Page(page.path.with_name(page.path.name.replace(".zh.md", ".md")))
    assert page.outline == original.outline
    assert [block.info for block in page.blocks] == [block.info for block in original.blocks]
    for ours, theirs in zip(page.blocks, original.blocks):
        if theirs.info == "text":               # a drawing: its words are translated
            assert numbers(ours.text) == numbers(theirs.text), theirs.text
            assert len(ours.text.splitlines()) == len(theirs.text.splitlines())
            assert not re.search(WIDE_BEFORE_LINE, ours.text), ours.text
        else:
            assert without_comments(ours.text) == without_comments(theirs.text)
    assert Counter(page.spans) == Counter(original.spans)
    assert numbers(page.prose) == numbers(original.prose)
    assert Counter(link.replace(".zh.md", ".md") for link in page.links) == \
        Counter(link.replace(".zh.md", ".md") for link in original.links)
    assert page.path.name in original.links and original.path.name in page.links


def test_what_is_to_be_translated_is():
    named = {page.name for page in TRANSLATIONS}
    for page in ORIGINALS:
        if page.lab is not None or page.name in ("README.md", "docs/case-study.md",
                                                 "labs/handout/README.md"):
            assert page.name.replace(".md", ".zh.md") in named


# ---- diagrams and the site

DIAGRAMS = sorted(ROOT.glob("docs/diagrams/*.svg"))


def style(diagram):
    return re.search(r"<style>.*?</style>", diagram.read_text(), re.DOTALL)[0]


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda diagram: getattr(diagram, "stem", None))
def test_a_diagram_fits_a_phone_and_both_colour_schemes(diagram):
    text = diagram.read_text()
    ElementTree.fromstring(text)        # a browser shows what comes before the first mistake
    width = re.search(r'viewBox="0 0 (\d+) \d+"', text)
    assert int(width[1]) <= 440 and "<title>" in text and "<desc>" in text
    assert not re.search(r"<script|<image|href=", text)
    assert style(diagram) == style(DIAGRAMS[0]) and "prefers-color-scheme: dark" in style(diagram)
    assert any(link.endswith(f"diagrams/{diagram.name}") for page in ORIGINALS for link in page.links)


@pytest.mark.parametrize("page", [page for page in PAGES if page.lab is not None], **by_name)
def test_every_handout_has_a_picture(page):
    assert any("docs/diagrams/" in link for link in page.links)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The handbook, built as make docs does."""
    into = tmp_path_factory.mktemp("site")
    done = subprocess.run(["make", "-s", "docs", f"SITE={into}"], cwd=ROOT, text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return into


def test_the_site_is_made_without_warnings_and_finds_words(site):
    index = (site / "searchindex.js").read_text()
    assert "docs/index.html" in (site / "index.html").read_text()
    for word in ("buddi", "deadlock", "watchdog"):      # as Sphinx stems them
        assert re.search(rf'\b{word}"?: ?[\[\d]', index), word
    for page in ORIGINALS:
        if page.path.parent.name != "handout":
            assert (site / page.name).with_suffix(".html").exists()


# ---- the book


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The directory with the book, made as make book does."""
    into = tmp_path_factory.mktemp("book")
    done = subprocess.run(["make", "-s", "book", f"BOOK={into}"], cwd=ROOT, text=True,
                          capture_output=True, check=False)
    warned = "" if (into / "Ouroboros.pdf").exists() else "book: no PDF, as there is no weasyprint. Try: make setup\n"
    assert (done.returncode, done.stderr) == (0, warned), done.stdout + done.stderr
    return into


def test_the_epub_has_every_page_and_picture_and_no_link_that_leads_nowhere(book):
    with zipfile.ZipFile(book / "Ouroboros.epub") as epub:
        files = {name: epub.read(name) for name in epub.namelist()}
    package = ElementTree.fromstring(files["content.opf"])
    items = {item.get("id"): item.get("href") for item in package.findall(".//{*}item")}
    assert set(items.values()) <= files.keys()
    read = [items[item.get("idref")] for item in package.findall(".//{*}itemref")]
    pages = {page.name.replace(".md", ".xhtml") for page in PAGES if page.path.parent.name != "handout"}
    assert pages <= set(read) and len(read) == len(set(read))
    for name in [*pages, "nav.xhtml"]:
        for element in ElementTree.fromstring(files[name]).iter():
            link = element.get("src") or element.get("href") or "#"
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), link.partition("#")[0]))
            assert link.startswith(("#", "https:", "http:")) or path in files, (name, link)
    for name, content in files.items():
        assert not (name.endswith(".svg") and b"var(" in content), name


def test_the_pdf_has_every_page_and_its_links_lead_to_one_place(book):
    if not (book / "Ouroboros.pdf").exists():
        pytest.skip("no weasyprint here")
    done = subprocess.run([sys.executable, "-c", "import sys, zipfile, book; "
                           "sys.stdout.buffer.write(book.whole(zipfile.ZipFile(sys.argv[1])))",
                           book / "Ouroboros.epub"], cwd=ROOT / "docs", capture_output=True, check=True)
    whole = done.stdout.decode()
    names, links = re.findall(r' id="([^"]+)"', whole), re.findall(r' href="#([^"]+)"', whole)
    assert len(names) == len(set(names)) and set(links) <= set(names)
    for page in ORIGINALS:
        if page.path.parent.name != "handout" and page.name != "docs/index.md":
            assert re.sub(r"[^\w-]", "-", page.name.replace(".md", ".xhtml")) in names
    assert (book / "Ouroboros.pdf").read_bytes().startswith(b"%PDF-")


def test_pages_have_those_before_and_after_them_and_name_their_language(site):
    page = (site / "docs/memory.html").read_text()
    assert re.search(r'class="next-page" href="allocators.html"', page)
    assert re.search(r'class="prev-page" href="boot.html"', page) and '<html class="no-js" lang="en"' in page
    for translation in TRANSLATIONS:
        if translation.path.parent.name != "handout":
            page = (site / translation.name.replace(".md", ".html")).read_text()
            assert 'lang="zh-Hans"' in page and re.search(r'href="[^"]*"><span[^>]*>English</span>', page)


MEASURE = """<!DOCTYPE html><title>measuring</title><body><script>
const pages = %s;
async function measure() {
    for (const page of pages) for (const width of [375, 1280]) {
        const frame = document.createElement("iframe");
        frame.style.cssText = `border: 0; height: 800px; width: ${width}px`;
        frame.src = page;
        await new Promise(loaded => { frame.onload = loaded; document.body.append(frame); });
        const root = frame.contentDocument.scrollingElement;
        const wide = root.scrollWidth > width ? "OVERFLOW" : "fits";
        document.body.append(`\\n${wide} ${page} ${width} ${root.scrollWidth}`);
        frame.remove();
    }
    document.title = "measured";
}
measure();
</script>"""


def browse(address):
    """The page at this address as Chromium has it, when all its scripts are done."""
    return subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu",
                           "--allow-file-access-from-files", "--virtual-time-budget=60000",
                           "--dump-dom", address], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=DEADLINE, check=False).stdout


in_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here")


@in_chromium
def test_no_page_of_the_site_is_wider_than_a_phone(site):
    pages = [str(path.relative_to(site)) for path in sorted(site.glob("**/*.html"))
             if path.parent.name not in ("_static", "playground")]       # test_playground.py looks at that
    (site / "measure.html").write_text(MEASURE % pages)
    said = re.findall(r"^(fits|OVERFLOW) (.*)", browse(f"file://{site}/measure.html"), re.M)
    assert len(said) == 2 * len(pages)
    assert not [page for what, page in said if what == "OVERFLOW"]


@in_chromium
def test_the_search_finds_a_page(site):
    found = browse(f"file://{site}/search.html?q=watchdog")
    assert "Search finished" in found and 'href="docs/locks.html' in found


@in_chromium
def test_the_site_takes_the_colours_that_its_reader_prefers(site):
    assert '<body data-theme="light"' in browse(f"file://{site}/docs/boot.html")
