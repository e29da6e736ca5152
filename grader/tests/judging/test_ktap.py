"""ktap.py on canned consoles, friendly and not, and on choosing tests."""
from judging import ktap
from judging.ktap import Status

HEADER = "KTAP version 1\n1..2\n"
GOOD = """\
Ouroboros
KTAP version 1
1..3
# seed 1
ok 1 frame.alignment
# frame_test.c:12: expected a == b: 1 and 2
not ok 2 frame.count
ok 3 frame.late # SKIP no instruction counter
"""


def statuses(console):
    return [(result.name, result.status) for result in ktap.parse(console)]


def test_results_their_reasons_and_their_output():
    first, second, third = ktap.parse(GOOD)
    assert (first.name, first.status, first.notes) == ("frame.alignment", Status.PASSED, [])
    assert (second.name, second.status) == ("frame.count", Status.FAILED)
    assert second.output == ["# frame_test.c:12: expected a == b: 1 and 2"]
    assert second.notes == ["frame_test.c:12: expected a == b: 1 and 2"]
    assert (third.status, third.reason) == (Status.SKIPPED, "no instruction counter")


def test_a_missing_exercise():
    result, = ktap.parse(HEADER + "not ok 1 a.b # TODO 1.2 in frame_alloc\n")
    assert (result.status, result.reason) == (Status.TODO, "1.2 in frame_alloc")


def test_nothing_counts_before_the_header():
    assert statuses("ok 1 frame.alignment\n1..1\n") == []
    assert statuses("ok 1 a.b\n" + HEADER + "ok 2 a.c\n") == [("a.c", Status.PASSED)]
    assert statuses("") == statuses("KTAP version 1") == []


def test_a_console_cut_anywhere_gives_what_it_holds():
    whole = statuses(GOOD)
    for length in range(len(GOOD)):
        found = statuses(GOOD[:length])
        assert found == whole[:len(found)]


def test_a_line_without_its_end_is_no_result():
    assert statuses(HEADER + "ok 1 a.b\nok 2 a.c") == [("a.b", Status.PASSED)]


def test_a_students_prints_around_results_do_not_disturb():
    console = HEADER + ("hello ok 1 a.b\nok\nok 1\nnot ok\nok 1 a.b trailing words\n"
                        "KTAP version 1\n1..99\nheap: 7 left\nok 2 a.c\n")
    result, = ktap.parse(console)
    assert (result.name, result.status) == ("a.c", Status.PASSED)
    assert "heap: 7 left" in result.output and result.notes == []


def test_a_print_without_a_newline_spoils_the_line_that_it_shares_and_no_other():
    assert statuses(HEADER + "alloc...ok 1 a.b\nok 2 a.c\n") == [("a.c", Status.PASSED)]


def test_binary_rubbish_is_no_result():
    rubbish = bytes(range(256)).decode("utf-8", "replace")
    assert statuses(HEADER + rubbish + "\x00\x1b[31mok 1 a.b\n" + rubbish + "\nok 2 a.c\n") == \
        [("a.c", Status.PASSED)]
    assert statuses("\x00" * 4096) == []


def test_carriage_returns_do_not_matter():
    assert statuses(HEADER.replace("\n", "\r\n") + "ok 1 a.b\r\n") == [("a.b", Status.PASSED)]


def test_of_several_results_the_last_that_agrees_explains():
    results = ktap.parse(HEADER + "# a lie\nnot ok 1 a.b\n# a pass\nok 1 a.b\n"
                         "# the truth\nnot ok 1 a.b\nok 1 a.b\n")
    assert ktap.find(results, "a.b", Status.FAILED).notes == ["the truth"]
    assert ktap.find(results, "a.b", Status.TODO).notes == []
    assert ktap.find(results, "a.c", Status.FAILED).notes == []


def matches(globs, test):
    return any(test.startswith(glob[:-1]) if glob.endswith("*") else test == glob
               for glob in globs.split(","))


def test_chosen_patterns_match_the_wanted_tests_alone():
    kernel = {"heap_alignment", "heap_all", "heap_zero", "frame_count", "frame_cost"}
    wanted = ["heap.alignment", "heap.zero", "frame.count"]
    chosen, globs = ktap.choose(wanted, kernel)
    assert chosen == wanted
    for test in ("heap.alignment", "heap.zero", "frame.count"):
        assert matches(globs, test)
    for test in ("heap.all", "frame.cost"):
        assert not matches(globs, test)


def test_a_test_whose_name_begins_another_is_chosen_alone():
    assert ktap.choose(["heap.cost"], {"heap_cost", "heap_cost_when_full"}) == \
        (["heap.cost"], "heap.cost")


def test_no_more_tests_are_chosen_than_fit():
    wanted = [f"suite.{'x' * 40}{number}" for number in range(20)]
    kernel = {name.replace(".", "_") for name in wanted} | \
        {f"suite_{'x' * 40}{number}0" for number in range(20)}
    done = []
    while len(done) < len(wanted):
        chosen, globs = ktap.choose(wanted[len(done):], kernel)
        assert chosen and len(globs) <= ktap.MAX_GLOB_BYTES
        done += chosen
    assert done == wanted
