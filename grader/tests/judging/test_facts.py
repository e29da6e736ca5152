"""Facts: what counts as the same answer, and the table's own rules."""
import pytest

from course import fact_names
from course.answers import is_answered
from judging import comparing, facts


@pytest.mark.parametrize("answer, value", [
    (4096, 4096), ("4096", 4096), ("0x1000", 4096), (" 0X1000 ", 4096), (0x1000, "0x1000"),
    ("heap_lock", "heap_lock"), ("`heap_lock`", "heap_lock"), ("kmalloc()", "kmalloc"),
    ("Heap.c", "heap.c"), ("labs/02-heap/heap.c", "heap.c"), ("A X", "A X"),
])
def test_the_same(answer, value):
    assert comparing.matches(answer, value)


@pytest.mark.parametrize("answer, value", [
    (4095, 4096), ("4096 bytes", 4096), ("", 0), (None, 0), ("heap", "heap_lock"),
    ("heap_lock or log_lock", "heap_lock"), (["heap_lock"], 4096), ("0x1000", "kmalloc"),
])
def test_not_the_same(answer, value):
    assert not comparing.matches(answer, value)


CHAIN = ["kmalloc", "slab_get", "heap_rescue", "log_debug", "log_record", "kmalloc"]
NEEDED = ("kmalloc", "heap_rescue", "log_record", "kmalloc")


@pytest.mark.parametrize("answer, right", [
    (["kmalloc", "heap_rescue", "log_debug", "log_record", "kmalloc"], True),
    (["kmalloc()", "heap_rescue()", "log_record()", "kmalloc()"], True),
    ("kmalloc → heap_rescue -> log_record, kmalloc", True),
    (["kmalloc", "heap_rescue", "log_record", "kmalloc", "spin_lock"], True),  # with the wait itself
    (["kmalloc", "log_record", "heap_rescue", "kmalloc"], False),      # innermost first
    (["heap_rescue", "log_record", "kmalloc"], False),                 # begins too late
    (["kmalloc", "kmalloc"], False), ("kmalloc", False),
    (["kmalloc", "heap_rescue", "log_record"], False),                 # does not close
    (["kmalloc", "heap_rescue", "frame_alloc", "log_record", "kmalloc"], False),
    (["log_record", "kmalloc", "kmalloc", "heap_rescue"], False),
    ([], False),
])
def test_chains(answer, right):
    assert comparing.matches(answer, CHAIN, NEEDED) is right


@pytest.mark.parametrize("answer, right", [
    (["kmalloc", "heap_rescue", "log_debug", "log_record", "kmalloc"], True),
    (["kmalloc", "heap_rescue", "log_record", "kmalloc"], False),       # too short
    (["kmalloc", "heap_rescue", "log_record", "log_debug", "kmalloc"], False),
])
def test_chains_where_it_is_not_said_what_they_contain(answer, right):
    """As in a handout."""
    assert comparing.matches(answer, CHAIN, at_least=5) is right


def test_what_is_no_answer():
    assert not any(map(is_answered, (None, "", [])))
    assert all(map(is_answered, (0, "x", ["x"], False)))


@pytest.mark.parametrize("name, needs", [
    ("elf.entry", ""), ("elf.symbol.kmain", ""), ("elf.section.text.flags", ""),
    ("constant:42", ""), ("deadlock.taken_file", "deadlock"), ("unpacking.entry", "deadlock"), ("machine.cr0.bit16", "monitor"),
    ("kernel.bootinfo.nr_ranges", "monitor"), ("memory.u32@0x200000", "monitor"),
])
def test_the_table_knows(name, needs):
    assert fact_names.find(name).needs == needs


@pytest.mark.parametrize("name", ["elf", "elf.symbol.", "elf.section.text.colour", "x.elf.entry"])
def test_the_table_does_not_know(name):
    with pytest.raises(fact_names.UnknownFact):
        fact_names.find(name)


def test_every_fact_that_has_a_name_is_measured_and_no_other():
    assert facts._MEASURES.keys() == fact_names.NEEDS.keys()
