"""ktests.py on canned records: verdicts on in-kernel tests, and what must not be a PASS."""
import pytest
from conftest import as_printed
from records import HEADER, TESTS, alike, ended, panicked, places

from judging import ktests, replay
from judging.findings import Autopsy
from judging.record import Results
from judging.verdict import Verdict
from machine.abi import Outcome, PanicKind
from machine.ending import Cause

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
    ("ok 1 heap.a\nnot ok 2 heap.b\nok 3 heap.c\n", ["heap.b"]),       # also the first that fails
    ("not ok 1 heap.a\nok 2 heap.b\nok 3 heap.c\n", []),               # nothing ran before it
    ("not ok 1 heap.a\nok 2 heap.b # SKIP no memory\nnot ok 3 heap.c\n", ["heap.b", "heap.c"]),
    ("not ok 1 heap.a # TODO 2.1 in kmalloc\nnot ok 2 heap.b\nok 3 heap.c\n", ["heap.b"]),
    ("not ok 1 heap.c\nnot ok 2 heap.a\nok 3 heap.b\n", ["heap.a"]),
    ("not ok 1 heap.a\nnot ok 2 heap.b # TODO 2.5 in krealloc\nok 3 heap.c\n", []),
    ("ok 1 heap.a\n", ["heap.b", "heap.c"]),                           # these do not exist
])
def test_wrong_perhaps_because_of_another(lines, doubtful):
    record = finished(lines)
    assert ktests.in_doubt(judged(record), record) == doubtful


@pytest.mark.parametrize("outcomes, doubtful", [
    ((PASSED, RUNNING, NOT_RUN), ["heap.b"]), ((RUNNING, NOT_RUN, NOT_RUN), []),
    ((NOT_RUN, NOT_RUN, NOT_RUN), [])])
def test_a_crash_after_other_tests_is_in_doubt(outcomes, doubtful):
    record = panicked(PanicKind.FAULT, console=HEADER, tests=memory(*outcomes))
    assert ktests.in_doubt(judged(record), record) == doubtful


def test_what_memory_contradicts_is_in_doubt():
    record = ended(Cause.REBOOT, tests=memory(PASSED, PASSED, PASSED, whole=FAILED))
    assert ktests.in_doubt(judged(record), record) == TESTS


def test_a_test_that_was_alone_is_not_in_doubt():
    for lines in ("not ok 1 heap.a\n", "ok 1 heap.a\n", ""):
        record = finished(lines)
        assert ktests.in_doubt(judged(record, ["heap.a"]), record) == []


def test_wrong_results_are_alike_but_for_the_addresses_in_them():
    first, second, third = judged(finished(
        "# seed 1\n# a.c:9: 0x12 is lost\nnot ok 1 heap.a\n# a.c:9: 0xff is lost\nnot ok 2 heap.b\n"
        "# a.c:8: 0x12 is lost\nnot ok 3 heap.c\n")).values()
    assert alike(first, second) and not alike(first, third)
