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


@pytest.mark.parametrize("record, doubtful", [
    (finished(ALL_PASS, 33), []),
    (finished("ok 1 heap.a\nnot ok 2 heap.b\nok 3 heap.c\n", 35), []),
    (finished("not ok 1 heap.a\nok 2 heap.b # SKIP no memory\nnot ok 3 heap.c\n", 35),
     ["heap.b", "heap.c"]),
    (finished("not ok 1 heap.a # TODO 2.1 in kmalloc\nnot ok 2 heap.b\nok 3 heap.c\n", 35),
     ["heap.b"]),
    (finished("not ok 1 heap.c\nnot ok 2 heap.a\nok 3 heap.b\n", 35), ["heap.a"]),
    (finished("ok 1 heap.a\n", 33), ["heap.b", "heap.c"]),              # these did not run
    (finished(ALL_PASS, 35), TESTS),
])
def test_wrong_perhaps_because_of_another(record, doubtful):
    assert judge.in_doubt(judge.judge_ktests(TESTS, record), record) == doubtful


def test_a_test_that_was_alone_is_not_in_doubt():
    for lines in ("not ok 1 heap.a\n", "ok 1 heap.a\n", ""):
        record = finished(lines, 35)
        assert judge.in_doubt(judge.judge_ktests(["heap.a"], record), record) == []


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


def test_a_cpu_that_relaxes_in_spin_lock_still_waits_there():
    left = Autopsy(frames=places("kmain", "kmalloc", "spin_lock", "cpu_relax"),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)))
    assert judge.judge_crash(ended(Cause.LOCKUP, autopsy=left)).detail.endswith(
        "that call has left it held; now along kmalloc")


def test_why_a_test_did_not_run():
    def detail(plan):
        record = ended(Cause.EXIT, f"KTAP version 1\n1..{plan}\nok 1 heap.a\n", 33)
        return judge.judge_ktests(["heap.a", "heap.b"], record)["heap.b"].detail

    assert "no test of this name" in detail(1) and "switched itself off" in detail(2)


def test_an_endless_recursion_is_folded():
    recursion = Autopsy(frames=places("kmain", *("kmalloc", "heap_rescue", "log_record") * 50))
    detail = judge.judge_crash(panicked(PanicKind.STACK_OVERFLOW, autopsy=recursion)).detail
    assert "(kmalloc → heap_rescue → log_record) × 50" in detail


# ---- what is the same failure

def hang_in(*functions):
    return judge.judge_crash(ended(Cause.LOCKUP, autopsy=Autopsy(frames=tuple(
        Place(function, "string.c" if function == "memset" else "heap.c", 10)
        for function in functions))))


def test_failures_with_one_cause_are_alike():
    assert hang_in("test_a", "kmalloc").like(hang_in("test_b", "kzalloc", "kmalloc"))
    assert hang_in("kmalloc", "memset").like(hang_in("kmalloc"))
    assert not hang_in("test_a", "kmalloc").like(hang_in("test_a", "kfree"))


def test_wrong_results_are_alike_but_for_the_addresses_in_them():
    first, second, third = judge.judge_ktests(TESTS, finished(
        "# seed 1\n# a.c:9: 0x12 is lost\nnot ok 1 heap.a\n# a.c:9: 0xff is lost\nnot ok 2 heap.b\n"
        "# a.c:8: 0x12 is lost\nnot ok 3 heap.c\n", 35)).values()
    assert first.like(second) and not first.like(third)


def test_deadlocks_are_alike_with_the_same_lock_and_cycle():
    def deadlock(*frames, **lock):
        return judge.judge_crash(ended(Cause.LOCKUP, autopsy=Autopsy(
            frames=places(*frames), waits_for=Lock(**{**vars(DEADLOCK.waits_for), **lock}))))

    one = deadlock("test_a", "kmalloc", "heap_rescue", "kmalloc", "spin_lock")
    assert one.like(deadlock("test_b", "f", "kmalloc", "heap_rescue", "kmalloc", "spin_lock"))
    assert not one.like(deadlock("test_a", "kmalloc", "log_record", "kmalloc", "spin_lock"))
    assert not one.like(deadlock("test_a", "kmalloc", "heap_rescue", "kmalloc", "spin_lock",
                                 name="log_lock"))
    left = deadlock("test_a", "kfree", "spin_lock")
    assert left.like(deadlock("test_b", "krealloc", "kfree", "spin_lock")) and not left.like(one)


def test_overflows_are_alike_with_the_same_recursion():
    def overflow(*tail):
        recursion = ("kmain", *("kmalloc", "heap_rescue") * 50, *tail)
        return judge.judge_crash(panicked(PanicKind.STACK_OVERFLOW,
                                          autopsy=Autopsy(frames=places(*recursion))))

    assert overflow().like(overflow("kmalloc")) and overflow().like(overflow("memset"))


def test_build_failures_are_alike_wherever_a_patch_has_put_the_file():
    def failure(text):
        return judge.judge_build(f"{text}\nmore")

    one = failure("labs/02-heap/heap.c:7:2: error: 'x' undeclared")
    assert one.like(failure("build/patched/3-muted/heap.c:9:2: error: 'x' undeclared"))
    assert not one.like(failure("labs/02-heap/heap.c:7:2: error: 'y' undeclared"))


def test_an_answer_without_a_fact_is_like_the_boot_that_failed():
    for measured in (judge.Finding(Verdict.PANIC, "x", cause="y"), judge.Finding(Verdict.WRONG, "x")):
        assert judge.judge_answer(QUESTION, "a", measured).like(measured)


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


def test_one_name_of_a_chain_is_asked_for_as_a_name():
    question = lab.Question("answers.first", 10, "", "first", "deadlock.cycle", ("table_grow",))
    assert "is a name," in judge.judge_answer(question, "kfree", ["table_grow", "kmalloc"]).detail
    assert "is not a name" in judge.judge_answer(question, 5, ["table_grow", "kmalloc"]).detail


def test_a_wrong_answer_does_not_give_the_right_one_away():
    assert "heap_lock" not in judge.judge_answer(QUESTION, "log_lock", "heap_lock").detail
