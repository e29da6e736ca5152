"""lab.toml: what is accepted, and that each mistake is named with its place."""
import pytest

from course import lab
from course.table import LabError

GOOD = '''
title = "The heap"
files = ["heap.c"]
boots_to = "heap"

[[boot]]
id = "large"
mem = "6G"
  [[boot.test]]
  name = "heap.alignment"
  points = 40
  about = "objects are aligned"

[[boot]]
variant = "muted"
cmdline = "log=debug"
input = ["dmesg"]
  [[boot.test]]
  name = "boot.monitor"
  points = 50
  expect = "monitor"
  console = ["rescue \\\\d+"]

[answers]
file = "answers.toml"
  [[answers.question]]
  name = "answers.entry"
  points = 10
  key = "entry"
  fact = "elf.entry"
'''


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "02-heap"
        (path / "variants").mkdir(parents=True, exist_ok=True)
        (path / "variants" / "muted.patch").touch()
        (path / "lab.toml").write_text(text)
        return lab.load(path)
    return load


def test_a_good_file(load):
    heap = load(GOOD)
    assert (heap.number, heap.name, heap.title) == (2, "02-heap", "The heap")
    large, muted = heap.boots
    assert (large.mem, large.expect, large.tests[0].ktest) == ("6G", None, "heap.alignment")
    assert (muted.mem, muted.expect, muted.input) == ("64M", "monitor", ("dmesg",))
    assert [test.name for test in heap.tests] == \
        ["heap.alignment@large", "boot.monitor", "answers.entry"]


@pytest.mark.parametrize("old, new, message", [
    ('title = "The heap"', '', "title is missing"),
    ('title = "The heap"', 'title = 2', "title must be of type str"),
    ('title = "The heap"', 'titel = "x"\ntitle = "The heap"', "unknown key 'titel'"),
    ('title = "The heap"', 'title = "The heap', "lab.toml: "),
    ('files = ["heap.c"]', 'files = [1]', "files must be a list of strings"),
    ('points = 40', 'points = 41', "add up to 101"),
    ('points = 40', 'points = -40', "must not be negative"),
    ('points = 40', 'points = 40.0', "points must be of type int"),
    ('mem = "6G"', 'mem = "lots"', "boot 1: mem = 'lots'"),
    ('mem = "6G"', 'memory = "6G"', "boot 1: unknown key 'memory'"),
    ('variant = "muted"', 'variant = "mooted"', "no variants/mooted.patch"),
    ('expect = "monitor"', 'expect = "success"', "(boot.monitor): expect = 'success'"),
    ('expect = "monitor"', 'expect = "monitor"\nlock = "x"', 'lock needs expect = "deadlock"'),
    ('expect = "monitor"', 'expect = "monitor"\nconsole_never = ["("]', "regular expression"),
    ('points = 40', 'points = 40\nframes = ["f"]', "need expect"),
    ('points = 40', 'points = 40\nmemory = ["f"]', "need expect"),
    ('mem = "6G"', 'mem = "6G"\ninput = ["ls"]', "takes no input"),
    ('input = ["dmesg"]', 'nmis = true', "has NMIs sent"),
    ('fact = "elf.entry"', 'fact = "elf.exit"', "no fact 'elf.exit'"),
    ('fact = "elf.entry"', 'fact = "deadlock.lock"', "needs a boot that expects 'deadlock'"),
    ('points = 40', 'points = 40\nsealed = "QQ=="', "heap.alignment: its seal is broken"),
    ('points = 40', 'points = 40\nheaps = ["broken-1"]', "need sound heaps of its boot"),
    ('mem = "6G"', 'mem = "6G"\nsound = ["sound-1"]', "need tests with heaps"),
    ('file = "answers.toml"', '', "answers: file is missing"),
    ('name = "answers.entry"', 'name = "boot.monitor"', "two tests are named boot.monitor"),
    ('  [[boot.test]]\n  name = "boot.monitor"',
     '  [[boot.test]]\n  name = "x.y"\n  points = 0\n  [[boot.test]]\n  name = "boot.monitor"',
     "must expect the same end"),
])
def test_a_mistake_is_named(load, old, new, message):
    assert old in GOOD
    with pytest.raises(LabError) as caught:
        load(GOOD.replace(old, new, 1))
    assert message in str(caught.value)
    assert "02-heap/lab.toml" in str(caught.value)


def test_labs_are_selected_by_number_or_name():
    for word in ("0", "00", "00-boot"):
        assert [chosen.name for chosen in lab.select([word])] == ["00-boot"]
    assert [chosen.number for chosen in lab.select([])] == sorted(lab.available())


def test_a_lab_that_does_not_exist():
    with pytest.raises(lab.NoSuchLab, match="00-boot"):
        lab.select(["99"])


MODEL = '''
title = "The proof"
files = ["rescue.pml"]
boots_to = "the same"

[model]
file = "rescue.pml"
  [[model.protocol]]
  name = "loud"
  about = "lab 3"
  switches = ["log_allocates", "PAGES=2"]
  [[model.protocol]]
  name = "quiet"
  [[model.test]]
  name = "model.finds_it"
  points = 100
  finds = "deadlock"
  within = ["loud/1"]
  right = ["quiet/2"]
'''


def test_a_model(load):
    model = load(MODEL).model
    assert [case.settings for test in model.tests for case in (*test.within, *test.right)] == \
        [{"CPUS": 1, "log_allocates": 1, "PAGES": 2}, {"CPUS": 2}]
    assert [protocol.name for protocol in model.shown] == ["loud"]


@pytest.mark.parametrize("old, new, message", [
    ('file = "rescue.pml"', '', "model: file is missing"),
    ('"PAGES=2"', '"PAGES=two"', "model, protocol 1: a switch is written as"),
    ('name = "quiet"', 'name = "loud"', "two protocols have the same name"),
    ('finds = "deadlock"', 'finds = "bugs"', "finds = 'bugs' is none of: deadlock"),
    ('"loud/1"', '"loud"', "within: 'loud' is not PROTOCOL/CPUS"),
    ('"loud/1"', '"loud/9"', "within: 'loud/9' is not PROTOCOL/CPUS"),
    ('"quiet/2"', '"silent/2"', "a protocol of: loud, quiet"),
    ('right = ["quiet/2"]', '', "a model that always says the same must fail"),
    ('within = ["loud/1"]', '', "a model that always says the same must fail"),
    ('points = 100', 'points = 40', "add up to 40"),
    ('points = 100', 'points = -1', "must not be negative"),
    ('name = "quiet"', 'name = "quiet"\n  sealed = "QQ=="', "quiet: its seal is broken"),
])
def test_a_mistake_in_a_model_is_named(load, old, new, message):
    assert old in MODEL
    with pytest.raises(LabError, match=message):
        load(MODEL.replace(old, new, 1))
