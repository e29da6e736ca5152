"""make trace: what it sees of a run, and that its picture is whole, legible and the same again."""
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import ROOT
from processes import qemus_of

from debugger.inside.calls import follow, is_call, is_return
from debugger.outline import Box, Mark, outline, path
from debugger.picture import LETTER, Caption, Picture, lay_out, text_width

SVG = "{http://www.w3.org/2000/svg}"
CYCLE = ["directory_add", "table_grow", "kzalloc", "kmalloc", "slab_for", "slab_get", "heap_rescue",
         "log_debug", "write_numbered", "log_record", "record_new", "kmalloc", "spin_lock: waits for heap_lock"]
CALL, CALL_REGISTER, CALL_R11 = b"\xe8\0\0", b"\xff\xd0\0", b"\x41\xff\xd3"
RETURN, PUSH_MEMORY, OTHER = b"\xc3\0\0", b"\xff\x30\0", b"\x90\x90\x90"


class Drawn:
    """An SVG, taken apart."""

    def __init__(self, text):
        self.text = text
        self.root = ElementTree.fromstring(text)
        self.size = [float(word) for word in self.root.get("viewBox").split()[2:]]
        self.about = self.root.find(f"{SVG}desc").text
        self.title = self.root.find(f"{SVG}title").text
        self.calls = self.about.partition("Calls: ")[2].partition(". ")[0].split(", ")
        self.words = [element.text for element in self.root.iter(f"{SVG}text")]

    @property
    def bites(self):
        return any(element.get("class") == "snake" for element in self.root.iter())

    def extents(self):
        """Of every text: left, right, top, bottom, the text; as wide as any font makes it."""
        for element in self.root.iter(f"{SVG}text"):
            size, x, y = (float(element.get(name)) for name in ("font-size", "x", "y"))
            width = len(element.text) * size * LETTER
            left = x - width * {"end": 1, "middle": 0.5}.get(element.get("text-anchor"), 0)
            yield left, left + width, y - 0.75 * size, y + 0.2 * size, element.text

    def assert_legible(self):
        texts = list(self.extents())
        for left, right, top, bottom, text in texts:
            assert 0 <= left and right <= self.size[0] and 0 <= top and bottom <= self.size[1], text
        for number, (left, right, top, bottom, text) in enumerate(texts):
            for other_left, other_right, other_top, other_bottom, other in texts[:number]:
                assert left >= other_right or right <= other_left \
                    or top >= other_bottom or bottom <= other_top, (text, other)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """A function that runs make trace. Return: its exit status, what it says, and the picture."""
    def run(*words):
        place = tmp_path_factory.mktemp("trace")
        svg = place / "trace.svg"
        done = subprocess.run(
            ["make", "-s", "trace", *words, f"OUT={svg}", f"ISO={place}/boot.iso"], cwd=ROOT,
            text=True, capture_output=True, check=False)
        assert not qemus_of(place)
        assert "Traceback" not in done.stderr, done.stderr
        return (done.returncode, done.stdout + done.stderr,
                Drawn(svg.read_text()) if svg.exists() else None)
    return run


@pytest.fixture(scope="module")
def hang(trace):
    status, said, drawn = trace("LAB=3")
    assert status == 0, said
    return said, drawn


def in_order(wanted, found):
    """Are these all there, in this order?"""
    rest = iter(found)
    return all(one in rest for one in wanted)


# ---- on machines


def test_the_deadlock(hang):
    said, drawn = hang
    assert "trace.svg: heap_lock is waited for in kmalloc (heap.c:" in said
    assert re.fullmatch(r"(heap_lock) is waited for in (kmalloc \(heap.c:\d+\)), and is held since \2",
                        drawn.title)
    assert drawn.calls[-len(CYCLE) + 2:] == CYCLE[2:] and in_order(CYCLE, drawn.calls)
    held = [words for words in drawn.about.split(". ") if "never released" in words]
    assert len(held) == 1 and held[0].startswith("heap_lock is taken at kmalloc (heap.c:")
    assert "log_lock is taken at record_keep (log.c:" in drawn.about
    assert drawn.bites
    assert {"make trace LAB=3 LOG=debug", "lab 3, log=debug", "for ever"} <= set(drawn.words)
    drawn.assert_legible()


def test_two_recordings_give_the_same_picture(hang, trace):
    assert trace("LAB=3")[2].text == hang[1].text


def test_the_cure(trace):
    status, said, drawn = trace("LAB=4")
    assert status == 0 and "heap_rescue returns true" in drawn.title, said
    assert "never released" not in drawn.about and not drawn.bites
    assert in_order(["table_grow", "kmalloc", "heap_rescue", "log_debug", "log_record",
                     "frame_alloc", "kfree"], drawn.calls)
    assert {"heap_lock", "log_lock", "frame_lock"} <= set(drawn.words)
    drawn.assert_legible()


def test_the_cure_without_a_lock_of_the_logs(trace):
    status, said, drawn = trace("LAB=5")
    assert status == 0 and "heap_rescue returns true" in drawn.title, said
    assert in_order(["kmalloc", "heap_rescue", "log_debug", "frame_alloc"], drawn.calls), drawn.calls
    assert "heap_lock" in drawn.words and "log_lock" not in drawn.words
    drawn.assert_legible()


def test_a_stack_overflow_typed_at_the_monitor(trace):
    status, said, drawn = trace("LAB=3", "VARIANT=unlocked", "LOG=error", "TYPE=fill")
    assert status == 0 and "stack overflowed" in drawn.title, said
    assert drawn.calls[0] == "kmalloc" and drawn.calls.count("heap_rescue") == 2
    assert any("more turns" in word for word in drawn.words) and not drawn.bites
    assert "make trace LAB=3 VARIANT=unlocked LOG=error TYPE=fill" in drawn.words
    drawn.assert_legible()


def test_nothing_to_draw(trace):
    status, said, drawn = trace("LAB=1")
    assert status == 2 and "Error 1" in said            # make's, and trace.py's
    assert "heap_rescue was not called in this boot" in said and drawn is None


# ---- calls, from instructions


def test_what_is_a_call():
    assert all(map(is_call, (CALL, CALL_REGISTER, CALL_R11)))
    assert not any(map(is_call, (RETURN, PUSH_MEMORY, OTHER)))
    assert is_return(RETURN) and not is_return(CALL)


def test_calls_from_instructions():
    code = {10: CALL, 11: OTHER, 12: RETURN, 20: CALL_REGISTER, 21: RETURN, 30: RETURN}
    calls = follow([10, 20, 30, 21, 11, 12, 99], lambda address: code[address])
    assert [(call.address, call.caller, call.entered, call.left) for call in calls] == [
        (10, None, 0, 6), (20, 0, 1, 4), (30, 1, 2, 3)]


def test_a_call_that_does_not_return():
    calls = follow([10, 20], {10: CALL}.__getitem__)
    assert [call.left for call in calls] == [None, None]


# ---- what is drawn of it


def a_story(nr_turns=1, ending="waits"):
    """f takes a lock, asks for memory under it, and in every turn of rescue and log anew."""
    calls = [{"function": "f", "caller": None, "entered": 0, "left": None},
             {"function": "spin_lock", "caller": 0, "entered": 2, "left": 4},
             {"function": "memset", "caller": 0, "entered": 5, "left": 900}]
    frames = [[["new", "f.c", 3], ["f", "f.c", 2]]]
    events = [{"at": 2, "what": "takes", "lock": "l", "place": "f (f.c:1)",
               "groups": [[["spin_lock", "s.c", 1]], [["f", "f.c", 1]]]}]
    caller, at = 0, 1000
    for _ in range(nr_turns):
        calls += [{"function": "heap_rescue", "caller": caller, "entered": at, "left": None},
                  {"function": "log", "caller": len(calls), "entered": at + 10, "left": None}]
        events.append({"at": at, "what": "rescues", "lock": "", "place": "",
                       "groups": [[["heap_rescue", "r.c", 1]], *frames]})
        frames = [[["log", "l.c", 7]], [["heap_rescue", "r.c", 2]], *frames]
        caller, at = len(calls) - 1, at + 20
    calls.append({"function": "spin_lock", "caller": caller, "entered": at, "left": None})
    events.append({"at": at, "what": "waits for", "lock": "l", "place": "f (f.c:1)",
                   "groups": [[["spin_lock", "s.c", 1]], *frames]})
    return {"calls": calls, "events": events, "ending": ending, "rescued": None, "above": [],
            "nr_instructions": at, "report": ""}


def picture(story, **words):
    caption = Caption(**{"title": "t", "run": "r", "above": [], "command": "c", "waits_for": "l",
                         "ends_badly": True, **words})
    return Drawn(Picture([outline(story)], story["nr_instructions"], caption).svg())


def test_inlined_functions_have_a_box():
    root = outline(a_story())
    assert [box.function for box in path(root)] == [
        "f", "new", "heap_rescue", "log", "spin_lock: waits for l"]
    assert [box.place for box in path(root)][1:4] == ["f.c:2", "f.c:3", "r.c:2"]


def test_what_takes_long_is_shown_and_nothing_else():
    story = a_story()
    assert [part.function for part in outline(story).parts if isinstance(part, Box)] == [
        "memset", "new"]
    story["calls"][2]["left"] = 6
    assert [part.function for part in outline(story).parts if isinstance(part, Box)] == ["new"]


def test_a_lock_is_held_from_the_return_of_spin_lock():
    assert outline(a_story()).parts[0] == Mark(4, "takes", "l", "f (f.c:1)")


@pytest.mark.parametrize("nr_turns, shown", [(3, 3), (4, 2), (50, 2)])
def test_a_long_recursion_is_cut_short(nr_turns, shown):
    calls = [box.function for box in path(outline(a_story(nr_turns)))]
    assert calls.count("heap_rescue") == shown
    assert (f"… {nr_turns - shown} more turns …" in calls) == (nr_turns > shown)
    assert calls[-1] == "spin_lock: waits for l"


@pytest.mark.parametrize("width", [0, 3000])
def test_every_label_has_room(width):
    root = outline(a_story(3))
    layout = lay_out([root], 1060, width)
    assert layout.x == sorted(layout.x) and layout.x[-1] >= width
    for span in layout.spans:
        assert layout.x[span.last] - layout.x[span.first] > text_width(span.box.function, 13)


def test_the_snake_goes_from_who_waits_to_who_holds():
    assert picture(a_story()).bites
    assert not picture(a_story(), waits_for="").bites


def test_any_name_and_any_length_is_drawn():
    story = a_story(3)
    story["calls"][0]["function"] = "<f&\"'\1>" * 9
    drawn = picture(story, title="a title that is long " * 20, run="<run> " * 90,
                    above=["caller"] * 99, command="make trace & " * 40)
    drawn.assert_legible()
    assert picture(story).text == picture(story).text


def test_objects_in_the_place_of_the_heap_are_part_of_the_picture(trace, hang):
    """GDB knows neither their files nor their lines."""
    status, said, drawn = trace("LAB=3", "HEAP=given")
    assert status == 0, said
    assert drawn.bites and drawn.calls == [call for call in hang[1].calls if call in drawn.calls]
    assert in_order(["directory_add", "kmalloc", "heap_rescue", "log_record", "spin_lock: waits for heap_lock"],
                    drawn.calls)
    drawn.assert_legible()
