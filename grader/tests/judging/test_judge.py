"""judge.py on canned records: boots that must end in a certain way, and answers."""
import pytest
from records import DEADLOCK, alike, ended, panicked

from course import lab
from judging import crash, facts, judge
from judging.findings import Autopsy
from judging.verdict import Finding, Verdict
from machine.abi import PanicKind
from machine.ending import Cause


def demand(expect, **demands):
    return lab.Test("boot.x", 10, "", expect=expect, **demands)


@pytest.mark.parametrize("expect, record", [
    ("monitor", ended(Cause.PROMPT)), ("reboot", ended(Cause.REBOOT)),
    ("deadlock", ended(Cause.LOCKUP, autopsy=DEADLOCK)),
    ("hang", ended(Cause.LOCKUP, autopsy=Autopsy())), ("panic", panicked(PanicKind.BUG)),
    ("fault", panicked(PanicKind.FAULT)), ("stack_overflow", panicked(PanicKind.STACK_OVERFLOW)),
    ("triple_fault", ended(Cause.TRIPLE_FAULT)),
])
def test_an_end_as_expected_passes_and_no_other(expect, record):
    assert judge.judge_end(demand(expect), record).verdict is Verdict.PASS
    for other in {"monitor", "reboot", "deadlock", "hang", "panic", "fault", "stack_overflow",
                  "triple_fault"} - {expect}:
        assert judge.judge_end(demand(other), record).verdict is not Verdict.PASS


@pytest.mark.parametrize("record, verdict", [
    (ended(Cause.PROMPT), Verdict.WRONG),
    (ended(Cause.OFF), Verdict.BOOT_FAIL),
    (ended(Cause.REBOOT), Verdict.BOOT_FAIL),
    (ended(Cause.LOCKUP, autopsy=Autopsy()), Verdict.HANG),
])
def test_what_is_there_instead_of_a_deadlock(record, verdict):
    assert judge.judge_end(demand("deadlock"), record).verdict is verdict


@pytest.mark.parametrize("expect", sorted(crash._EXPECTED.keys() | {"monitor", "reboot"}))
def test_a_false_prompt_passes_nothing(expect):
    record = ended(Cause.FALSE_PROMPT, "\nouroboros> ", autopsy=DEADLOCK)
    finding = judge.judge_end(demand(expect), record)
    assert finding.verdict is Verdict.WRONG
    assert finding.detail.startswith(
        f"no {expect}, but something other than the monitor printed its prompt, in ")


def test_only_the_deadlock_passes():
    record = ended(Cause.LOCKUP, autopsy=DEADLOCK)
    right = demand("deadlock", lock="heap_lock",
                    frames=("table_grow", "kmalloc", "heap_rescue", "log_record", "kmalloc"))
    other_lock = demand("deadlock", lock="log_lock")
    other_way = demand("deadlock", lock="heap_lock", frames=("heap_rescue", "frame_alloc"))
    other_order = demand("deadlock", frames=("log_record", "heap_rescue"))
    assert judge.judge_end(right, record).verdict is Verdict.PASS
    for test in (other_lock, other_way, other_order):
        assert judge.judge_end(test, record).verdict is Verdict.DEADLOCK


def test_the_console_is_read_in_order():
    record = ended(Cause.PROMPT, "one\ntwo\nthree\n")
    assert judge.judge_end(demand("monitor", console=("^one", "t.ree$")), record).verdict \
        is Verdict.PASS
    for demands in ({"console": ("two", "one")}, {"console": ("four",)},
                    {"console_never": ("^two",)}):
        assert judge.judge_end(demand("monitor", **demands), record).verdict is Verdict.WRONG


def test_what_the_kernels_variables_hold():
    record = ended(Cause.PROMPT, "one\n")
    record.memory = "\0\0[    1] text\0"
    assert judge.judge_end(demand("monitor", memory=("t[a-e]xt", "1")), record).verdict is Verdict.PASS
    finding = judge.judge_end(demand("monitor", memory=("text", "two")), record)
    assert finding.verdict is Verdict.WRONG and finding.detail == "/two/ is nowhere in the kernel's variables"


QUESTION = lab.Question("answers.lock", 10, "", "lock", "deadlock.lock")


@pytest.mark.parametrize("answer, measured, verdict", [
    ("heap_lock", "heap_lock", Verdict.PASS),
    ("log_lock", "heap_lock", Verdict.WRONG),
    ("", "heap_lock", Verdict.NOT_IMPLEMENTED),
    (None, "heap_lock", Verdict.NOT_IMPLEMENTED),
    ("heap_lock", facts.NoSuchThing("no lock"), Verdict.INFRA),
    ("heap_lock", Finding(Verdict.PANIC, "x"), Verdict.PANIC),
])
def test_answers(answer, measured, verdict):
    assert judge.judge_answer(QUESTION, answer, measured).verdict is verdict


@pytest.mark.parametrize("answer, measured, words", [
    ("set", 1234, "is not a number"), ([1], 1234, "is not a number"),
    (99, 1234, "is a number, decimal or 0x…, as it should be, but not the one"),
    (99, "heap_lock", "is not a name"), (["a"], "heap_lock", "is not a name"),
    ("a", "heap_lock", "is a name"), (1.5, ["heap_lock"], "is not a list of names"),
    ({"a": 1}, ["heap_lock"], "is not a list of names"), (["a"], ["heap_lock"], "is a list of names"),
    ("a, b", ["heap_lock"], "is a list of names"),
])
def test_a_wrong_answer_is_told_its_form_and_no_more(answer, measured, words):
    finding = judge.judge_answer(QUESTION, answer, measured)
    assert finding.verdict is Verdict.WRONG and words in finding.detail
    assert "1234" not in finding.detail and "heap_lock" not in finding.detail


def test_a_wrong_answer_does_not_give_the_right_one_away():
    assert "heap_lock" not in judge.judge_answer(QUESTION, "log_lock", "heap_lock").detail


def test_build_failures_are_alike_wherever_a_patch_has_put_the_file():
    def failure(text):
        return judge.judge_build(f"{text}\nmore")

    one = failure("labs/02-heap/heap.c:7:2: error: 'x' undeclared")
    assert alike(one, failure("build/patched/3-muted/heap.c:9:2: error: 'x' undeclared"))
    assert not alike(one, failure("labs/02-heap/heap.c:7:2: error: 'y' undeclared"))


def test_an_answer_without_a_fact_is_like_the_boot_that_failed():
    for measured in (Finding(Verdict.PANIC, "x", cause="y"), Finding(Verdict.WRONG, "x")):
        assert alike(judge.judge_answer(QUESTION, "a", measured), measured)


@pytest.mark.parametrize("first, second, cause", [
    ("labs/02-heap/heap.c:12:7: error: expected ';'", "elsewhere/heap.c:140:1: error: expected ';'", "error: expected ';'"),
    ("/usr/bin/ld: labs/02-heap/heap.c:12: undefined reference to `f'", "/opt/x/heap.c:9: undefined reference to `f'",
     "undefined reference to `f'"),
    ("x86_64-elf-ld: a/heap.c:(.text+0x12): undefined reference to `f'",
     "/usr/bin/ld.bfd: b/heap.c:(.text.kmalloc+0x3f): undefined reference to `f'", "undefined reference to `f'"),
])
def test_the_same_mistake_in_two_submissions_has_one_cause(first, second, cause):
    assert [judge.judge_build(f"{message}\nmore").cause for message in (first, second)] == [f"heap.c: {cause}"] * 2
