"""judge.py on canned records: every verdict, and above all what must not be a PASS."""
import pytest

import facts
import judge
import lab
from findings import Autopsy, Lock, Place
from judge import Panic, Record, Verdict
from machine import Cause, Ending, PanicKind

TESTS = ["heap.a", "heap.b", "heap.c"]
HEADER = "Ouroboros\nKTAP version 1\n1..3\n"


def places(*functions):
    return tuple(Place(function, "heap.c", 10 + index) for index, function in enumerate(functions))


CYCLE = ("start_high", "kmain", "table_grow", "kmalloc", "heap_rescue", "log_debug", "log_record",
         "kmalloc", "spin_lock")
DEADLOCK = Autopsy(frames=places(*CYCLE),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)),
                   waits_at=Place("kmalloc", "heap.c", 88))


def ended(cause, console="Ouroboros\n", status=0, **found):
    return Record(Ending(cause, status), console, **found)


def panicked(kind, message="said so", console="Ouroboros\n", **found):
    return ended(Cause.PANIC, console, panic=Panic(kind, message), **found)


# ---- crashes

@pytest.mark.parametrize("record, verdict", [
    (panicked(PanicKind.BUG), Verdict.PANIC),
    (panicked(PanicKind.FAULT), Verdict.FAULT),
    (panicked(PanicKind.STACK_OVERFLOW), Verdict.STACK_OVERFLOW),
    (panicked(PanicKind.TODO), Verdict.NOT_IMPLEMENTED),
    (panicked(PanicKind.NONE), Verdict.PANIC),
    (ended(Cause.TRIPLE_FAULT), Verdict.TRIPLE_FAULT),
    (ended(Cause.TRIPLE_FAULT, console=""), Verdict.TRIPLE_FAULT),
    (ended(Cause.LOCKUP, autopsy=DEADLOCK), Verdict.DEADLOCK),
    (ended(Cause.LOCKUP, autopsy=Autopsy()), Verdict.HANG),
    (ended(Cause.DEAD_HALT, autopsy=Autopsy()), Verdict.HANG),
    (ended(Cause.SILENCE), Verdict.HANG),
    (ended(Cause.FLOOD), Verdict.HANG),
    (ended(Cause.DEAD_HALT, console=""), Verdict.BOOT_FAIL),
    (ended(Cause.STUCK), Verdict.INFRA),
    (ended(Cause.DIED), Verdict.INFRA),
])
def test_how_a_boot_died(record, verdict):
    assert judge.judge_crash(record).verdict is verdict


def test_a_lock_that_nobody_holds_is_no_deadlock():
    free = Autopsy(waits_for=Lock("heap_lock", False, 0, None))
    other = Autopsy(waits_for=Lock("heap_lock", True, 1, None))
    for autopsy in (free, other):
        assert judge.judge_crash(ended(Cause.LOCKUP, autopsy=autopsy)).verdict is Verdict.HANG


def test_a_printed_deadlock_is_no_deadlock():
    record = ended(Cause.LOCKUP, "LOCKUP: cpu0 waits for heap_lock, which cpu0 itself holds\n",
                   autopsy=Autopsy(frames=places("kmain", "hang")))
    assert judge.judge_crash(record).verdict is Verdict.HANG


# ---- in-kernel tests

def verdicts(record, names=TESTS):
    return {name: finding.verdict for name, finding in judge.judge_ktests(names, record).items()}


def finished(lines, status):
    return ended(Cause.EXIT, HEADER + lines, status)


ALL_PASS = "ok 1 heap.a\nok 2 heap.b\nok 3 heap.c\n"


def test_all_pass():
    assert set(verdicts(finished(ALL_PASS, 33)).values()) == {Verdict.PASS}


def test_one_fails_and_its_diagnostics_are_the_reason():
    record = finished("ok 1 heap.a\n# heap_test.c:9: expected 1: 2\nnot ok 2 heap.b\n"
                      "ok 3 heap.c\n", 35)
    found = judge.judge_ktests(TESTS, record)
    assert found["heap.b"].verdict is Verdict.WRONG
    assert found["heap.b"].detail == "heap_test.c:9: expected 1: 2"
    assert found["heap.a"].verdict is found["heap.c"].verdict is Verdict.PASS


def test_a_missing_exercise_and_a_skipped_test():
    record = finished("not ok 1 heap.a # TODO 2.1 in kmalloc\nok 2 heap.b # SKIP why\n"
                      "ok 3 heap.c\n", 35)
    assert verdicts(record) == {"heap.a": Verdict.NOT_IMPLEMENTED, "heap.b": Verdict.WRONG,
                                "heap.c": Verdict.PASS}


@pytest.mark.parametrize("record", [
    finished("ok 1 heap.a\nok 2 heap.b\n", 33),                        # one never reported
    ended(Cause.PROMPT, HEADER + "ok 1 heap.a\nok 2 heap.b\n"),
])
def test_a_test_that_did_not_report_has_not_passed(record):
    assert verdicts(record)["heap.c"] is Verdict.WRONG


@pytest.mark.parametrize("record", [
    finished(ALL_PASS, 35),                                             # the machine says: failed
    finished(ALL_PASS, 1),                                              # a status that is not ours
    ended(Cause.REBOOT, HEADER + ALL_PASS),
    ended(Cause.PROMPT, HEADER + ALL_PASS),
    ended(Cause.EXIT, ALL_PASS, 33),                                    # no header
    ended(Cause.EXIT, "", 33),
])
def test_the_console_alone_passes_nothing(record):
    assert Verdict.PASS not in verdicts(record).values()


def test_an_exit_before_the_tests_is_a_failed_boot():
    assert set(verdicts(ended(Cause.EXIT, "Ouroboros\n", 33)).values()) == {Verdict.BOOT_FAIL}


def test_a_crash_belongs_to_the_test_that_was_running():
    record = panicked(PanicKind.FAULT, console=HEADER + "ok 1 heap.a\n",
                      autopsy=Autopsy(test="heap.c"))
    assert verdicts(record) == {"heap.a": Verdict.PASS, "heap.c": Verdict.FAULT}


def test_a_crash_before_the_first_test_belongs_to_all():
    record = panicked(PanicKind.TODO, "TODO 2.1 in heap_init", autopsy=Autopsy())
    assert set(verdicts(record).values()) == {Verdict.NOT_IMPLEMENTED}
    assert len(verdicts(record)) == 3


def test_a_test_that_passed_before_the_crash_keeps_its_verdict_but_not_the_running_one():
    record = ended(Cause.LOCKUP, HEADER + ALL_PASS, autopsy=Autopsy(test="heap.b"))
    assert verdicts(record)["heap.b"] is Verdict.HANG


# ---- ends

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
    (ended(Cause.EXIT, status=33), Verdict.BOOT_FAIL),
    (ended(Cause.REBOOT), Verdict.BOOT_FAIL),
    (ended(Cause.LOCKUP, autopsy=Autopsy()), Verdict.HANG),
])
def test_what_is_there_instead_of_a_deadlock(record, verdict):
    assert judge.judge_end(demand("deadlock"), record).verdict is verdict


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


# ---- sentences

def test_a_deadlock_in_one_sentence():
    assert judge.judge_crash(ended(Cause.LOCKUP, autopsy=DEADLOCK)).detail == (
        "cpu0 waits in spin_lock for heap_lock, which cpu0 itself holds since kmalloc (heap.c:88), "
        "along kmalloc → heap_rescue → log_debug → log_record → kmalloc")


def test_a_lock_that_an_earlier_call_left_held():
    left = Autopsy(frames=places("kmain", "kfree", "spin_lock"),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)))
    assert "that call has left it held" in judge.judge_crash(
        ended(Cause.LOCKUP, autopsy=left)).detail


def test_an_endless_recursion_is_folded():
    recursion = Autopsy(frames=places("kmain", *("kmalloc", "heap_rescue", "log_record") * 50))
    detail = judge.judge_crash(panicked(PanicKind.STACK_OVERFLOW, autopsy=recursion)).detail
    assert "(kmalloc → heap_rescue → log_record) × 50" in detail


# ---- answers

QUESTION = lab.Question("answers.lock", 10, "", "lock", "deadlock.lock")


@pytest.mark.parametrize("answer, measured, verdict", [
    ("heap_lock", "heap_lock", Verdict.PASS),
    ("log_lock", "heap_lock", Verdict.WRONG),
    ("", "heap_lock", Verdict.NOT_IMPLEMENTED),
    (None, "heap_lock", Verdict.NOT_IMPLEMENTED),
    ("heap_lock", facts.NoSuchThing("no lock"), Verdict.INFRA),
    ("heap_lock", judge.Finding(Verdict.PANIC, "x"), Verdict.PANIC),
])
def test_answers(answer, measured, verdict):
    assert judge.judge_answer(QUESTION, answer, measured).verdict is verdict


def test_a_wrong_answer_does_not_give_the_right_one_away():
    assert "heap_lock" not in judge.judge_answer(QUESTION, "log_lock", "heap_lock").detail
