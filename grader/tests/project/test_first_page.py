"""What the first page shows: that its pictures are of this tree's runs, and its figures true."""
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import ROOT
from trees import LABS

from classroom import mutants

PICTURES = ROOT / "docs/pictures"
MAX_BYTES = 200_000
SVG = "{http://www.w3.org/2000/svg}"

# What another compiler, and a change elsewhere in a file, makes different.
VARIES = r"(?<=\.c:)\d+|\d+\.\d{3}(?=\])|\d+(?= KiB free)|(?<=up to )0x[0-9a-f]+|^[\d,]+$"


def shown(picture):
    """The words of a picture in their order, without what varies."""
    texts = ElementTree.fromstring(picture).iter(f"{SVG}text")
    words = [re.sub(VARIES, "…", text.text) for text in texts]
    return [word for word in words if word != "…"]         # of an axis there are as many as have room


def make(*words):
    done = subprocess.run(["make", "-s", *words], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """The pictures as a run makes them now."""
    place = tmp_path_factory.mktemp("film")
    make("film", f"PICTURES={place}")
    return {path.name: path.read_text() for path in place.iterdir()}


def test_the_pictures_are_of_runs_like_those_of_today(filmed):
    assert filmed.keys() == {path.name for path in PICTURES.iterdir()}
    for name, text in filmed.items():
        assert shown(text) == shown((PICTURES / name).read_text()), f"{name}: try make film"


def test_two_films_are_the_same(filmed, tmp_path):
    make("film", f"PICTURES={tmp_path}")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == filmed


def test_the_film_tells_the_story_and_not_the_answer(filmed):
    words = shown(filmed["film.svg"])
    hang, cure = words.index("LOCKUP: cpu0 makes no progress"), words.index("$ make run LAB=4 LOG=debug")
    assert "directory grows to 2048 slots" in words[hang - 2] and words[hang - 1] == "nothing more comes"
    assert hang < cure and "heap: rescue 1" in " ".join(words[cure:]) and words[-2] == "ouroboros> "
    for answer in ("heap_lock", "the cycle", "backtrace", "rescue"):
        assert not any(answer in word for word in words[1:cure])


def test_a_kernel_that_does_not_hang_makes_no_film(tmp_path):
    image = tmp_path / "cured.iso"
    make("iso", "LAB=4", "LOG=debug", f"ISO={image}")
    python = make("print-PYTHON").strip()
    done = subprocess.run([python, "grader/film.py", image, image, tmp_path / "film.svg"], cwd=ROOT,
                          text=True, capture_output=True, check=False)
    assert done.returncode == 1 and "ended otherwise than the film shows it" in done.stderr
    assert not (tmp_path / "film.svg").exists()


@pytest.mark.parametrize("name", ["film.svg", "log-lock.svg"])
def test_a_picture_is_small_and_for_both_colour_schemes(name):
    text = (PICTURES / name).read_text()
    assert len(text.encode()) <= MAX_BYTES and "prefers-color-scheme: dark" in text
    assert "<title" in text and "<desc" in text and not re.search(r"<script|<image|href=", text)


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_figures_are_true(page):
    figures = re.findall(r"\*\*([\d,]+)\*\*", (ROOT / page).read_text())
    lines, labs, _, caught = (int(figure.replace(",", "")) for figure in figures)
    counted = int(make("lines", f"LAB={LABS[-1].number}").split()[0])
    assert abs(counted - lines) <= 100, f"{counted} lines"
    assert labs == len(LABS)
    assert caught == len(mutants.patches()) // 50 * 50
    assert f"make lines LAB={LABS[-1].number}" in (ROOT / page).read_text()
