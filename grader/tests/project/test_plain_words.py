"""Plain English, as far as a program can count it: no sentence begins with Who or What, none is long."""
import pytest
import wording
from conftest import ROOT
from pages import ORIGINALS
from trees import project_files

HEADS = [name for name in sorted(project_files())
         if name.endswith(".c") and name.startswith(("kernel/", "labs/"))]


@pytest.mark.parametrize("page", ORIGINALS, ids=lambda page: page.name)
def test_a_page_has_plain_sentences(page):
    assert [flaw for each in wording.of_page(page) for flaw in wording.flaws(each)] == []


@pytest.mark.parametrize("name", HEADS)
def test_the_head_of_a_c_file_has_plain_sentences(name):
    assert [flaw for each in wording.of_head(ROOT / name) for flaw in wording.flaws(each)] == []


def test_a_paragraph_is_split_into_its_sentences():
    assert wording.split("It is so. `f` may be\nnull: see (b). What then? xv6 is not: It is.") == [
        "It is so.", "`f` may be null: see (b).", "What then?", "xv6 is not:", "It is."]


@pytest.mark.parametrize("sentence, flaw", [
    ("Who waits must spin.", "begins with"), ('"What is free" is a list.', "begins with"),
    ("What is free?", ""), ("Whole pages are free.", ""),
    ("so " * wording.MAX_WORDS, ""), ("so " * (wording.MAX_WORDS + 1), "31 words, more than 30")])
def test_a_flaw_is_named(sentence, flaw):
    assert all(flaw in found for found in wording.flaws(sentence))
    assert bool(wording.flaws(sentence)) == bool(flaw)


def test_code_is_one_word_and_a_table_has_no_sentences(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# What a title is\n\nRun `make a. B`, or\nsee [b.md](b.md). [c](c.md) too.\n\n"
                    "| what |\n| --- |\n| who |\n\n```\nWhat\n```\n")
    assert list(wording.of_page(wording.Page(page))) == ["Run `make·a··B`, or see [b.md].", "[c] too."]


def test_a_head_is_read_without_its_drawings(tmp_path):
    file = tmp_path / "a.c"
    file.write_text("/* SPDX */\n/*\n * a.c: an a.\n *\n *     What | who |\n *\n * It is\n * so.\n */\n"
                    "/*\n * What?\n */\n")
    assert list(wording.of_head(file)) == ["a.c: an a.", "It is so."]
