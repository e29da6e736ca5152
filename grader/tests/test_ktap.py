"""ktap.py on canned consoles, friendly and not, and on choosing tests."""
import ktap
from ktap import Status

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
    return {name: result.status for name, result in ktap.parse(console).results.items()}


def test_results_their_reasons_and_their_output():
    report = ktap.parse(GOOD)
    assert report.planned == 3
    assert report.results["frame.alignment"].status is Status.PASSED
    assert report.results["frame.count"].status is Status.FAILED
    assert report.results["frame.count"].output == ["# frame_test.c:12: expected a == b: 1 and 2"]
    assert report.results["frame.late"].status is Status.SKIPPED
    assert report.results["frame.late"].reason == "no instruction counter"


def test_a_missing_exercise():
    report = ktap.parse("KTAP version 1\n1..1\nnot ok 1 a.b # TODO 1.2 in frame_alloc\n")
    assert report.results["a.b"].status is Status.TODO
    assert report.results["a.b"].reason == "1.2 in frame_alloc"


def test_nothing_counts_before_the_header():
    assert statuses("ok 1 frame.alignment\n1..1\n") == {}
    assert not ktap.parse("").started


def test_a_cut_console_gives_what_it_holds():
    for length in range(len(GOOD)):
        found = statuses(GOOD[:length])
        whole = statuses(GOOD)
        assert all(whole[name] is status for name, status in found.items())


def test_a_line_without_its_end_is_no_result():
    assert statuses("KTAP version 1\n1..2\nok 1 a.b\nok 2 a.c") == {"a.b": Status.PASSED}


def test_prints_between_and_around_results_do_not_disturb():
    console = ("KTAP version 1\n1..2\nhello ok 1 a.b\nok\nok 1\nnot ok\n\x00\x1b[31mok 1 a.b\n"
               "ok 1 a.b trailing words\nok 2 a.c\n\ufffd\ufffd\n")
    assert statuses(console) == {"a.c": Status.PASSED}


def test_of_two_results_the_bad_one_counts_whatever_their_order():
    for lines in ("ok 1 a.b\nnot ok 1 a.b\n", "not ok 1 a.b\nok 1 a.b\n"):
        assert statuses("KTAP version 1\n1..1\n" + lines) == {"a.b": Status.FAILED}


def test_what_follows_the_last_result_is_kept():
    assert ktap.parse("KTAP version 1\n1..2\nok 1 a.b\n# working\nPANIC").rest == \
        ["# working", "PANIC"]


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
