"""judge.py on canned records: every verdict, and above all what must not be a PASS."""
import pytest

from conftest import as_printed

from course import lab
from judging import crash, facts, judge, ktests, replay
from judging.findings import Autopsy, Lock, Place
from judging.record import Panic, Record, Results
from judging.verdict import Finding, Verdict
from machine.abi import Outcome, PanicKind
from machine.ending import Cause, CpuException, Ending

TESTS = ["heap.a", "heap.b", "heap.c"]
HEADER = "Ouroboros\nKTAP version 1\n1..3\n"


def places(*functions):
    return tuple(Place(function, "heap.c", 10 + index) for index, function in enumerate(functions))


CYCLE = ("start_high", "kmain", "table_grow", "kmalloc", "heap_rescue", "log_debug", "log_record",
         "kmalloc", "spin_lock")
DEADLOCK = Autopsy(frames=places(*CYCLE),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)),
                   waits_at=Place("kmalloc", "heap.c", 88))


def ended(cause, console="Ouroboros\n", **found):
    return Record(Ending(cause), console, **found)


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
    assert crash.judge_crash(record).verdict is verdict


def test_a_lock_that_nobody_holds_is_no_deadlock():
    free = Autopsy(waits_for=Lock("heap_lock", False, 0, None))
    other = Autopsy(waits_for=Lock("heap_lock", True, 1, None))
    for autopsy in (free, other):
        assert crash.judge_crash(ended(Cause.LOCKUP, autopsy=autopsy)).verdict is Verdict.HANG


def test_a_printed_deadlock_is_no_deadlock():
    record = ended(Cause.LOCKUP, "LOCKUP: cpu0 waits for heap_lock, which cpu0 itself holds\n",
                   autopsy=Autopsy(frames=places("kmain", "hang")))
    assert crash.judge_crash(record).verdict is Verdict.HANG


# ---- in-kernel tests

SEED = 1
NOT_RUN, RUNNING, PASSED, FAILED = Outcome.NOT_RUN, Outcome.RUNNING, Outcome.PASSED, Outcome.FAILED


def judged(record, names=TESTS):
    return ktests.judge_ktests(names, record, SEED)


def verdicts(record, names=TESTS):
    return {name: finding.verdict for name, finding in judged(record, names).items()}


def finished(lines):
    """A boot whose kernel ran the tests and printed just what became of them."""
    return ended(Cause.REBOOT, HEADER + lines, tests=as_printed(HEADER + lines))


def memory(*outcomes, whole=RUNNING, **more):
    """What memory says of TESTS."""
    return Results(whole, dict(zip(TESTS, outcomes)), **more)


ALL_PASS = "ok 1 heap.a\nok 2 heap.b\nok 3 heap.c\n"


def test_all_pass():
    assert set(verdicts(finished(ALL_PASS)).values()) == {Verdict.PASS}


def test_one_fails_and_its_diagnostics_are_the_reason():
    record = finished("ok 1 heap.a\n# heap_test.c:9: expected 1: 2\nnot ok 2 heap.b\n"
                      "ok 3 heap.c\n")
    found = judged(record)
    assert found["heap.b"].verdict is Verdict.WRONG
    assert found["heap.b"].detail == "heap_test.c:9: expected 1: 2"
    assert found["heap.a"].verdict is found["heap.c"].verdict is Verdict.PASS


def test_a_missing_exercise_and_a_skipped_test():
    record = finished("not ok 1 heap.a # TODO 2.1 in kmalloc\nok 2 heap.b # SKIP why\n"
                      "ok 3 heap.c\n")
    found = judged(record)
    assert [(finding.verdict, finding.detail) for finding in found.values()] == [
        (Verdict.NOT_IMPLEMENTED, "TODO 2.1 in kmalloc"), (Verdict.WRONG, "skipped: why"),
        (Verdict.PASS, "")]


def test_a_test_that_does_not_exist_has_not_passed():
    record = finished("ok 1 heap.a\nok 2 heap.b\n")
    assert "no test of this name" in judged(record)["heap.c"].detail
    assert verdicts(record)["heap.c"] is Verdict.WRONG


# ---- the console is no evidence

@pytest.mark.parametrize("tests, verdict", [
    (memory(FAILED, FAILED, FAILED, whole=FAILED), Verdict.WRONG),
    (memory(RUNNING, NOT_RUN, NOT_RUN), Verdict.WRONG),
    (memory(NOT_RUN, NOT_RUN, NOT_RUN), Verdict.WRONG),
    (memory(NOT_RUN, NOT_RUN, NOT_RUN, whole=NOT_RUN), Verdict.BOOT_FAIL),
    (Results(), Verdict.BOOT_FAIL),
])
@pytest.mark.parametrize("cause", [Cause.REBOOT, Cause.OFF, Cause.PROMPT, Cause.FALSE_PROMPT])
def test_the_console_alone_passes_nothing(tests, verdict, cause):
    record = ended(cause, HEADER + ALL_PASS, tests=tests)
    assert set(verdicts(record).values()) == {verdict}


def test_memory_alone_passes_whatever_the_console_says():
    for console in ("", HEADER + "not ok 1 heap.a\nnot ok 2 heap.b\nnot ok 3 heap.c\n"):
        record = ended(Cause.REBOOT, console, tests=memory(PASSED, PASSED, PASSED, whole=PASSED))
        assert set(verdicts(record).values()) == {Verdict.PASS}


@pytest.mark.parametrize("cause, words", [
    (Cause.OFF, "the machine switched itself off before its result"),
    (Cause.REBOOT, "the machine reset itself before its result"),
    (Cause.PROMPT, "the monitor came up before its result"),
    (Cause.FALSE_PROMPT, "something other than the monitor printed its prompt before its result"),
])
def test_an_end_before_the_result_is_named_and_those_not_run_may_run_again(cause, words):
    record = ended(cause, HEADER + ALL_PASS, tests=memory(PASSED, RUNNING, NOT_RUN))
    found = judged(record)
    assert {name: finding.verdict for name, finding in found.items()} == \
        {"heap.a": Verdict.PASS, "heap.b": Verdict.WRONG}
    assert found["heap.b"].detail == \
        f"{words}; that it passed is on the console, but the kernel did not print it"


def test_an_end_before_the_tests_is_a_failed_boot_and_says_where():
    record = ended(Cause.REBOOT, autopsy=Autopsy(frames=places("kmain", "frame_init")))
    for finding in judged(record).values():
        assert finding.verdict is Verdict.BOOT_FAIL
        assert finding.detail == ("the machine reset itself before the tests began, in frame_init "
                                  "(heap.c:11), along frame_init")


def test_a_result_out_of_turn_is_suspicious():
    record = ended(Cause.REBOOT, tests=memory(PASSED, RUNNING, PASSED))
    found = judged(record)
    assert [finding.verdict for finding in found.values()] == \
        [Verdict.PASS, Verdict.WRONG, Verdict.WRONG]
    assert "its turn had not come" in found["heap.c"].detail
    assert verdicts(ended(Cause.REBOOT, tests=memory(NOT_RUN, PASSED, PASSED))) == \
        dict.fromkeys(TESTS, Verdict.WRONG)


@pytest.mark.parametrize("tests", [
    memory(PASSED, PASSED, PASSED, whole=FAILED), memory(PASSED, FAILED, PASSED, whole=PASSED)])
def test_a_memory_that_contradicts_itself_passes_nothing(tests):
    assert Verdict.PASS not in verdicts(ended(Cause.REBOOT, tests=tests)).values()


def test_two_variables_of_one_name_pass_nothing():
    record = ended(Cause.REBOOT, tests=Results(impostor="ktest_outcome_heap_a"))
    for finding in judged(record).values():
        assert finding.verdict is Verdict.WRONG and "ktest_outcome_heap_a" in finding.detail


def test_a_passed_test_is_replayed():
    name = "heap.trace"
    record = ended(Cause.REBOOT, tests=Results(
        PASSED, {name: PASSED}, {name: replay.Trace(0, [])}, replay.Ram([range(0, 1 << 20)])))
    finding = judged(record, [name])[name]
    assert finding.verdict is Verdict.WRONG
    assert "when replayed: its trace ends after 0 calls" in finding.detail


def test_a_pass_that_was_printed_before_the_failure_is_named():
    finding = judged(finished("ok 1 heap.a\nok 2 heap.b\nok 3 heap.c\nnot ok 2 heap.b\n"))["heap.b"]
    assert finding.verdict is Verdict.WRONG and "the kernel did not print it" in finding.detail
    assert "console" not in finding.cause


# ---- crashes among tests

def test_a_crash_belongs_to_the_test_that_was_running():
    record = panicked(PanicKind.FAULT, console=HEADER + ALL_PASS,
                      tests=memory(PASSED, RUNNING, NOT_RUN))
    assert verdicts(record) == {"heap.a": Verdict.PASS, "heap.b": Verdict.FAULT}


def test_a_crash_before_the_first_test_belongs_to_all():
    record = panicked(PanicKind.TODO, "TODO 2.1 in heap_init", HEADER + ALL_PASS)
    assert verdicts(record) == dict.fromkeys(TESTS, Verdict.NOT_IMPLEMENTED)


@pytest.mark.parametrize("tests", [
    memory(PASSED, PASSED, NOT_RUN), memory(PASSED, PASSED, PASSED, whole=PASSED)])
def test_a_crash_with_no_test_running_belongs_to_all(tests):
    record = ended(Cause.LOCKUP, HEADER + ALL_PASS, tests=tests)
    assert verdicts(record) == dict.fromkeys(TESTS, Verdict.HANG)


# ---- failures that another may have caused

@pytest.mark.parametrize("lines, doubtful", [
    (ALL_PASS, []),
    ("ok 1 heap.a\nnot ok 2 heap.b\nok 3 heap.c\n", []),
    ("not ok 1 heap.a\nok 2 heap.b # SKIP no memory\nnot ok 3 heap.c\n", ["heap.b", "heap.c"]),
    ("not ok 1 heap.a # TODO 2.1 in kmalloc\nnot ok 2 heap.b\nok 3 heap.c\n", ["heap.b"]),
    ("not ok 1 heap.c\nnot ok 2 heap.a\nok 3 heap.b\n", ["heap.a"]),
    ("ok 1 heap.a\n", ["heap.b", "heap.c"]),                           # these do not exist
])
def test_wrong_perhaps_because_of_another(lines, doubtful):
    record = finished(lines)
    assert ktests.in_doubt(judged(record), record) == doubtful


def test_what_memory_contradicts_is_in_doubt():
    record = ended(Cause.REBOOT, tests=memory(PASSED, PASSED, PASSED, whole=FAILED))
    assert ktests.in_doubt(judged(record), record) == TESTS


def test_a_test_that_was_alone_is_not_in_doubt():
    for lines in ("not ok 1 heap.a\n", "ok 1 heap.a\n", ""):
        record = finished(lines)
        assert ktests.in_doubt(judged(record, ["heap.a"]), record) == []


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
    (ended(Cause.OFF), Verdict.BOOT_FAIL),
    (ended(Cause.REBOOT), Verdict.BOOT_FAIL),
    (ended(Cause.LOCKUP, autopsy=Autopsy()), Verdict.HANG),
])
def test_what_is_there_instead_of_a_deadlock(record, verdict):
    assert judge.judge_end(demand("deadlock"), record).verdict is verdict


@pytest.mark.parametrize("expect", crash._EXPECTED.keys() | {"monitor", "reboot"})
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


# ---- sentences

def test_a_deadlock_in_one_sentence():
    assert crash.judge_crash(ended(Cause.LOCKUP, autopsy=DEADLOCK)).detail == (
        "cpu0 waits in spin_lock for heap_lock, which cpu0 itself holds since kmalloc (heap.c:88), "
        "along kmalloc → heap_rescue → log_debug → log_record → kmalloc")


def test_a_lock_that_an_earlier_call_left_held():
    left = Autopsy(frames=places("kmain", "kfree", "spin_lock"),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)))
    assert "that call has left it held" in crash.judge_crash(
        ended(Cause.LOCKUP, autopsy=left)).detail


def test_a_cpu_that_relaxes_in_spin_lock_still_waits_there():
    left = Autopsy(frames=places("kmain", "kmalloc", "spin_lock", "cpu_relax"),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)))
    assert crash.judge_crash(ended(Cause.LOCKUP, autopsy=left)).detail.endswith(
        "that call has left it held; now along kmalloc")


def test_an_endless_recursion_is_folded():
    recursion = Autopsy(frames=places("kmain", *("kmalloc", "heap_rescue", "log_record") * 50))
    detail = crash.judge_crash(panicked(PanicKind.STACK_OVERFLOW, autopsy=recursion)).detail
    assert "; kmalloc → heap_rescue → log_record recurs without end; in " in detail
    assert "(kmalloc → heap_rescue → log_record) × 50" in detail


def test_an_overflow_without_a_recursion_is_not_called_one():
    deep = Autopsy(frames=places("kmain", "kmalloc", "kmalloc", "kmalloc", "memset"))
    assert "recurs" not in crash.judge_crash(panicked(PanicKind.STACK_OVERFLOW, autopsy=deep)).detail


@pytest.mark.parametrize("exception, words", [
    (CpuException(14, 0x18), "page fault at 0x18, which"), (CpuException(13), "general protection"),
    (CpuException(20), "exception 20, which"), (None, "an exception, which"),
])
def test_a_triple_fault_names_the_last_exception_and_its_place(exception, words):
    record = Record(Ending(Cause.TRIPLE_FAULT, exception=exception), "",
                    autopsy=Autopsy(frames=places("kmain", "frame_free")))
    detail = crash.judge_crash(record).detail
    assert detail.startswith(words)
    assert "the CPU could not even report, in frame_free (heap.c:11), along frame_free" in detail


# ---- what is the same failure

FILES = {"memset": "string.c", "pages_alloc": "pages.c", "heap_rescue": "rescue.c",
         "log_record": "log.c", "spin_lock": "spinlock.c", "test_a": "a_test.c", "test_b": "b_test.c"}


def frames(*functions, line=10):
    return tuple(Place(name, FILES.get(name, "heap.c"), line) for name in functions)


def hang_in(*functions, line=10):
    return crash.judge_crash(ended(Cause.LOCKUP, autopsy=Autopsy(frames=frames(*functions, line=line))))


def alike(one, other):
    return one.same == other.same


def test_failures_with_one_cause_are_alike():
    one = hang_in("test_a", "kmalloc")
    assert alike(one, hang_in("test_b", "kmalloc", line=20))
    assert alike(one, hang_in("test_a", "kmalloc", "memset"))
    assert alike(one, hang_in("test_a", "kmalloc", "my_own_function", "pages_alloc"))
    assert not alike(one, hang_in("test_a", "kfree"))


def test_panics_are_alike_with_the_same_message_but_for_its_numbers():
    def panic(message, *functions):
        return crash.judge_crash(panicked(PanicKind.BUG, message, autopsy=Autopsy(
            frames=frames(*functions))))

    one = panic("kfree: 0x120: overrun by 8 bytes", "test_a", "kfree")
    assert alike(one, panic("kfree: 0xffff0: overrun by 16 bytes", "test_b", "kfree", "my_check"))
    assert not alike(one, panic("kfree: 0x120: already free", "test_a", "kfree"))
    assert not alike(one, panic("kfree: 0x120: overrun by 8 bytes", "test_a", "krealloc"))


def test_wrong_results_are_alike_but_for_the_addresses_in_them():
    first, second, third = judged(finished(
        "# seed 1\n# a.c:9: 0x12 is lost\nnot ok 1 heap.a\n# a.c:9: 0xff is lost\nnot ok 2 heap.b\n"
        "# a.c:8: 0x12 is lost\nnot ok 3 heap.c\n")).values()
    assert alike(first, second) and not alike(first, third)


def test_deadlocks_are_alike_with_the_same_lock_and_cycle():
    def deadlock(*functions, **lock):
        return crash.judge_crash(ended(Cause.LOCKUP, autopsy=Autopsy(
            frames=frames(*functions), waits_for=Lock(**{**vars(DEADLOCK.waits_for), **lock}))))

    one = deadlock("test_a", "kmalloc", "heap_rescue", "kmalloc", "spin_lock")
    assert alike(one, deadlock("test_b", "kmalloc", "my_grow", "heap_rescue", "kmalloc", "spin_lock",
                             taken_at=Place("kmalloc", "heap.c", 101)))
    assert not alike(one, deadlock("test_a", "kmalloc", "log_record", "kmalloc", "spin_lock"))
    assert not alike(one, deadlock("test_a", "kmalloc", "heap_rescue", "kmalloc", "spin_lock",
                                 name="log_lock"))
    left = deadlock("test_a", "kfree", "spin_lock")
    assert alike(left, deadlock("test_b", "krealloc", "kfree", "spin_lock")) and not alike(left, one)


def test_overflows_are_alike_with_the_same_recursion():
    def overflow(*tail):
        recursion = ("kmain", *("kmalloc", "heap_rescue") * 50, *tail)
        return crash.judge_crash(panicked(PanicKind.STACK_OVERFLOW,
                                          autopsy=Autopsy(frames=places(*recursion))))

    assert alike(overflow(), overflow("kmalloc")) and alike(overflow(), overflow("memset"))


def test_build_failures_are_alike_wherever_a_patch_has_put_the_file():
    def failure(text):
        return judge.judge_build(f"{text}\nmore")

    one = failure("labs/02-heap/heap.c:7:2: error: 'x' undeclared")
    assert alike(one, failure("build/patched/3-muted/heap.c:9:2: error: 'x' undeclared"))
    assert not alike(one, failure("labs/02-heap/heap.c:7:2: error: 'y' undeclared"))


def test_an_answer_without_a_fact_is_like_the_boot_that_failed():
    for measured in (Finding(Verdict.PANIC, "x", cause="y"), Finding(Verdict.WRONG, "x")):
        assert alike(judge.judge_answer(QUESTION, "a", measured), measured)


# ---- answers

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


def test_one_name_of_a_chain_is_asked_for_as_a_name():
    question = lab.Question("answers.first", 10, "", "first", "deadlock.cycle", ("table_grow",))
    assert "is a name," in judge.judge_answer(question, "kfree", ["table_grow", "kmalloc"]).detail
    assert "is not a name" in judge.judge_answer(question, 5, ["table_grow", "kmalloc"]).detail


def test_a_wrong_answer_does_not_give_the_right_one_away():
    assert "heap_lock" not in judge.judge_answer(QUESTION, "log_lock", "heap_lock").detail
