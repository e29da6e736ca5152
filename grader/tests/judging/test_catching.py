"""Lab 2's exercise 2.6: a student's tests earn what they catch, and no more."""
import re
import subprocess

import pytest
from conftest import ROOT, grade
from elftools.elf.elffile import ELFFile
from trees import Student, patch_for

from course import lab

LAB_2 = lab.load(lab.available()[2])
FILE = f"labs/{LAB_2.name}/catch_test.c"
ROWS = {test.name: test for test in LAB_2.tests if getattr(test, "heaps", ())}
HEAPS = {heap.name for test in ROWS.values() for heap in test.heaps}
SHOWN = {heap.name for row in ROWS.values() for heap in row.heaps if not heap.breaks}
SOUND = [name for boot in LAB_2.boots for name in boot.sound]

HEAD = """#include "heap.h"
#include "ktest.h"
#include "panic.h"
#include "string.h"
static inline struct heap_stats now(void) { struct heap_stats s; heap_stats(&s); return s; }
"""

# A test that counts, and catches what counts live bytes wrong when krealloc leaves an object in place.
HONEST = """KTEST(catch, in_place)
{
	size_t before = now().live_bytes;
	void *object = krealloc(kmalloc(100), 104);
	CHECK(now().live_bytes == before + 104, "%zu", now().live_bytes - before);
	kfree(object);
}
"""


def graded(tests, directory, names="catch.counts"):
    """Grades these tests by the rows of such names, with our frames and heap. Return: what is in the JSON."""
    for name in lab.students_sources(2):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes((ROOT / name).read_bytes())
    if tests is None:
        (directory / FILE).unlink()
    else:
        (directory / FILE).write_text(HEAD + tests)
    status, labs, output = grade("--tree", str(directory), "2", "--test", names, directory=directory)
    assert labs and "INFRA" not in output, output
    return {test["name"]: test for test in labs[0]["tests"]}


def test_a_test_that_never_fails_catches_nothing(tmp_path):
    """So each of the heaps gets as far as its tests."""
    rows = graded("KTEST(catch, nothing) { kfree(kmalloc(1)); }", tmp_path, "catch.*")
    assert rows.keys() == ROWS.keys()
    for name, row in rows.items():
        assert (row["verdict"], row["points"]) == ("WRONG", 0)
        assert row["detail"].startswith(f"0 of {len(ROWS[name].heaps)} heaps caught. Not caught: broken-")


def test_the_given_tests_under_other_names_earn_little(tmp_path):
    """Most heaps break a sentence in a corner where they do not look."""
    given = (ROOT / "labs/02-heap/heap_test.c").read_text().replace("KTEST(heap, ", "KTEST(catch, ")
    rows = graded(given, tmp_path, "catch.*")
    caught = [re.match(r"(\d+) of (\d+) heaps caught", row["detail"]) for row in rows.values()]
    assert all(caught) and sum(int(found[1]) for found in caught) <= len(ROWS) + 5, rows
    assert sum(row["points"] for row in rows.values()) <= 4, rows


def test_a_heap_is_worth_its_part_of_the_points(tmp_path):
    row = graded(HONEST, tmp_path)["catch.counts"]
    assert (row["verdict"], row["points"], row["max"]) == ("WRONG", 1, 2), row
    assert row["detail"] == "2 of 4 heaps caught. Not caught: nr_calls (2 times)"
    assert row["run"].startswith("make run LAB=2 TEST='catch.*' HEAP=broken-6 OPTIONS='initramfs=off seed=")


def test_what_is_missed_is_named_by_the_sentence_and_not_by_the_patch(tmp_path):
    row = graded(HONEST, tmp_path)["catch.counts"]
    hidden = [heap for heap in ROWS["catch.counts"].heaps if heap.breaks]
    assert hidden and not [heap for heap in hidden if heap.name in str(row)]


# Tests that fail on a sound heap, each in its own way.
BAD = ('CHECK(false, "always")', "kfree((void *)8)", "*(volatile int *)8 = 1", 'panic("on purpose")',
       "while (true) kfree(NULL)", '__asm__ volatile("cli; 1: jmp 1b")', 'SKIP("always")', "spin_lock(&heap_lock)")


def test_a_test_that_fails_on_a_sound_heap_does_not_count(tmp_path):
    """However it fails, and whatever it does to those after it, the others count."""
    rows = graded("".join(f"KTEST(catch, bad_{number}) {{ {statement}; }}\n"
                          for number, statement in enumerate(BAD)) + HONEST, tmp_path)
    assert rows["catch.counts"]["points"] == 1, rows
    assert "catch.bad_0 fails on sound-" in rows["catch.counts"]["detail"]


# What tells sound-1 from other heaps and is no sentence of heap.h.
FINGERPRINTS = (
    "({ uint64_t sum = 0; for (int i = 0; i < 512; i++) sum += ((uint8_t *)kfree)[i]; sum; })",
    "(uint64_t)((char *)krealloc - (char *)kmalloc)",
    "({ uint64_t start = clock_instructions(); kfree(kmalloc(10)); clock_instructions() - start; })",
)


def test_a_fingerprint_is_no_test(tmp_path):
    """A first test tells the numbers, a second one insists on them."""
    texts = "#include \"clock.h\"\n", " ".join(["%lu"] * len(FINGERPRINTS)), ", ".join(FINGERPRINTS)
    rows = graded('{}KTEST(catch, ask) {{ CHECK(false, "they are {}.", {}); }}'.format(*texts), tmp_path / "ask")
    numbers = re.search(r"they are ([\d ]+)\.", rows["catch.counts"]["detail"])[1].split()
    tests = "".join(f"""KTEST(catch, finger_{index}) {{
	uint64_t found = {value};

	CHECK(found == {number}, "%lu", found);
}}
""" for index, (value, number) in enumerate(zip(FINGERPRINTS, numbers, strict=True)))
    rows = graded(texts[0] + tests, tmp_path / "insist")
    assert rows["catch.counts"]["points"] == 0, rows
    assert "no test counts: catch.finger_" in rows["catch.counts"]["detail"]


def test_the_size_of_a_kernel_is_no_test(tmp_path):
    """Those with broken heaps are linked without the names of functions: so are some with sound ones."""
    tests = "".join(f"""KTEST(catch, above_{page}) {{
	CHECK((uint64_t)image_end > 0xffffffff80200000u + {page}u * 4096, "%p", image_end);
}}
""" for page in range(240, 290))
    rows = graded('#include "image.h"\n' + tests, tmp_path, "catch.*")
    assert sum(row["points"] for row in rows.values()) == 0, rows


PIECE = 80          # bytes


def pieces_of(heap):
    """The code of a heap as the grader links it, in pieces: each as an offset from kmalloc, and the bytes that
    the linker leaves as they are, by their offset."""
    subprocess.run(["make", "--silent", "objects", "LAB=2", f"HEAP={heap}"], cwd=ROOT, check=True)
    with (ROOT / f"build/objects/{heap}/heap.c.o").open("rb") as opened:
        elf = ELFFile(opened)
        code = elf.get_section_by_name(".text").data()
        kmalloc, = elf.get_section_by_name(".symtab").get_symbol_by_name("kmalloc")
        linked = {relocation["r_offset"] + index for relocation
                  in elf.get_section_by_name(".rela.text").iter_relocations() for index in range(8)}
    for start in range(0, len(code) - PIECE, PIECE):
        yield start - kmalloc["st_value"], [(index, code[start + index]) for index in range(PIECE)
                                            if start + index not in linked]


def test_a_test_that_reads_machine_code_catches_nothing(tmp_path):
    """Neither if it insists on the code of a sound heap, nor if it does so only where most of the rest is the same."""
    pieces = list(pieces_of("sound-1"))
    tables = ",".join("{%d,(const short[]){%s,-1}}" % (at, ",".join(f"{index},{byte}" for index, byte in known))
                      for at, known in pieces)
    rows = graded(f"""static const struct {{ int at; const short *known; }} pieces[] = {{ {tables} }};
static bool is_same(unsigned i)
{{
	const uint8_t *code = (const uint8_t *)(uintptr_t)kmalloc + pieces[i].at;

	for (const short *known = pieces[i].known; *known >= 0; known += 2)
		if (code[known[0]] != known[1])
			return false;
	return true;
}}
static bool is_near(void)
{{
	unsigned nr_same = 0;

	for (unsigned i = 0; i < {len(pieces)}; i++)
		nr_same += is_same(i);
	return nr_same > {len(pieces)} / 4;
}}
""" + "".join(f"""KTEST(catch, s{i}) {{ CHECK(is_same({i}), "other code"); }}
KTEST(catch, n{i}) {{ CHECK(!is_near() || is_same({i}), "other code"); }}
""" for i in range(len(pieces))), tmp_path, "catch.*")
    assert all(" heaps caught" in row["detail"] or " fails on sound-" in row["detail"] for row in rows.values()
               if row["verdict"] != "PASS"), rows
    assert sum(row["points"] for row in rows.values()) <= 2, rows


# What a test may look at that heap.h promises nothing about: where code and objects lie, what was counted
# before, how long something takes.
PROBES = {
    "code": {
        **{name: f"(uint64_t){name} - (uint64_t)kmalloc" for name in ("kfree", "krealloc", "kzalloc", "heap_stats")},
        "from": "(kfree(NULL), (uint64_t)heap_lock.taken_from - (uint64_t)kmalloc)",
        "line": "(kfree(NULL), heap_lock.taken_at->line)", "image": "(uint64_t)image_end"},
    "memory": {f"object_{nr_bytes}": f"place_of({nr_bytes})" for nr_bytes in (0, 1, 16, 100, 200, 1000, 5000, 20000)},
    "counts": {"calls": "now().nr_calls", "pages": "now().nr_free_pages", "frames": "free_frames()"},
    "time": {
        **{f"cost_{nr_bytes}": f"cost_of({nr_bytes})" for nr_bytes in (1, 100, 1000, 5000)},
        "cost_null": "({ uint64_t start = clock_instructions(); kfree(NULL); clock_instructions() - start; })",
        "tsc": "rdtsc()", "start": "clock_instructions()"},
}
LOOKING = """#include "clock.h"
#include "cpu.h"
#include "frame.h"
#include "image.h"
static inline uint64_t free_frames(void) { struct frame_stats s; frame_stats(&s); return s.nr_free; }
static inline uint64_t place_of(size_t nr_bytes)
{
	void *object = kmalloc(nr_bytes);

	kfree(object);
	return (uint64_t)object;
}
static inline uint64_t cost_of(size_t nr_bytes)
{
	uint64_t start = clock_instructions();

	kfree(kmalloc(nr_bytes));
	return clock_instructions() - start;
}
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the probes see on each sound heap, and on each broken one that is shown, by the heap."""
    directory = tmp_path_factory.mktemp("seen")
    asks = "".join(f'KTEST(catch, ask_{name}) {{ ktest_note("{name} = %lu", (uint64_t){probe}); }}\n'
                   for kind in PROBES.values() for name, probe in kind.items())
    (directory / "asks.patch").write_text(patch_for(FILE, HEAD + LOOKING + asks))
    found = {}
    for heap in [*SOUND, *sorted(SHOWN)]:
        done = subprocess.run(["make", "-s", "run", f"ISO={directory}/x.iso", f"PATCH={directory}/asks.patch", "LAB=2",
                               f"HEAP={heap}", "TEST=catch.*", "OPTIONS=initramfs=off"], cwd=ROOT, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=True)
        found[heap] = {name: int(value) for name, value in re.findall(r"# (\w+) = (\d+)", done.stdout)}
    return found


@pytest.mark.parametrize("kind", PROBES)
def test_what_a_heap_does_not_promise_does_not_tell_broken_ones(kind, seen, tmp_path):
    """
    Neither a bound that all sound heaps keep, as one might find out by handing in again and again, nor the
    very values of those that are shown, nor those of the broken ones.
    """
    tests = ""
    for name, probe in PROBES[kind].items():
        values = sorted(seen[heap][name] for heap in SOUND)
        known = {seen[heap][name] for heap in SOUND[:2]}
        others = {seen[heap][name] for heap in SHOWN} - set(values)
        for rule, condition in {
                "least": f"found >= {values[0]}u", "most": f"found <= {values[-1]}u",
                "one_of": " || ".join(f"found == {value}u" for value in known),
                "none_of": " && ".join(f"found != {value}u" for value in others) or "true"}.items():
            tests += f"KTEST(catch, {name}_{rule}) {{ uint64_t found = {probe}; CHECK({condition}, \"%lu\", found); }}\n"
    rows = graded(LOOKING + tests, tmp_path, "catch.*")
    points = {name: row["points"] for name, row in rows.items()}
    assert sum(points.values()) <= 3, points


def test_a_test_does_not_see_whether_it_is_the_first_time(tmp_path):
    rows = graded('KTEST(catch, once) { static int times; CHECK(++times == 1, "again"); }', tmp_path)
    assert rows["catch.counts"]["detail"].startswith("0 of ")


def test_a_test_cannot_lean_on_one_that_does_not_count(tmp_path):
    """What counts has passed on the sound heaps without the others, as it runs on the broken ones."""
    rows = graded("""static bool been_there;
KTEST(catch, first) { been_there = true; CHECK(false, "always"); }
KTEST(catch, second) { CHECK(been_there, "without the first"); }
""", tmp_path)
    assert rows["catch.counts"]["points"] == 0 and "no test counts" in rows["catch.counts"]["detail"]


def test_a_test_that_fails_sometimes_does_so_on_all_heaps(tmp_path):
    """Its random numbers are the same on each."""
    rows = graded("".join(f"""KTEST(catch, luck_{bit}) {{
	CHECK(random_next(&ktest_random) >> {bit} & 1, "bad luck");
}}
""" for bit in range(8)), tmp_path)
    assert rows["catch.counts"]["points"] == 0, rows


def test_without_a_test_there_is_nothing_to_judge(tmp_path):
    for name, tests in {"no file": None, "no test": "", "a stub": 'KTEST(catch, x) { TODO("2.6"); }'}.items():
        rows = graded(tests, tmp_path / name.replace(" ", "-"))
        assert (rows["catch.counts"]["verdict"], rows["catch.counts"]["points"]) == ("NOT_IMPLEMENTED", 0), name


# Plays the rescue, as lab 2's own tests do: so it knows the heap that never asks it.
PLAYED = """static unsigned nr_asked;
static bool play(size_t bytes) { nr_asked++; return false; }
KTEST(catch, rescue)
{
	ktest_rescue = play;
	CHECK(!kmalloc(HEAP_MAX_BYTES) && nr_asked == 1, "asked %u times", nr_asked);
	ktest_rescue = NULL;
}
"""


def test_a_test_may_play_the_rescue(tmp_path):
    row = graded(PLAYED, tmp_path, "catch.exhaustion")["catch.exhaustion"]
    assert row["points"] > 0 and re.match(r"[1-9] of \d heaps caught", row["detail"]), row


@pytest.mark.parametrize("tests, verdict, detail", [
    ("extern const char text_start[]; KTEST(catch, x) { kfree((void *)text_start); }", "WRONG",
     "catch_test.c uses text_start in ktest_catch_x (catch_test.c:6), which "),
    ("KTEST(catch, x) { nonsense }", "BUILD_FAIL", "catch_test.c:6"),
])
def test_a_fault_in_the_tests_costs_their_points_alone(tests, verdict, detail, tmp_path):
    rows = graded(tests, tmp_path, "heap.alignment,catch.counts")
    assert rows["heap.alignment"]["verdict"] == "PASS", rows
    assert rows["catch.counts"]["verdict"] == verdict and detail in rows["catch.counts"]["detail"], rows


def test_a_missing_file_costs_nothing_else(tmp_path):
    rows = graded(None, tmp_path, "heap.alignment,catch.counts")
    assert [row["verdict"] for row in rows.values()] == ["PASS", "NOT_IMPLEMENTED"]


def test_a_test_under_another_tests_name_is_an_offence(tmp_path):
    rows = graded('KTEST(heap, mine) { kfree(NULL); }', tmp_path)
    assert rows["catch.counts"]["verdict"] == "WRONG"
    assert "catch_test.c defines ktest_" in rows["catch.counts"]["detail"]


def test_a_student_sees_each_heap_with_a_command(tmp_path):
    tree = Student(tmp_path).at(2)
    said = {}
    for heap in ("sound-1", "sound-2", *(f"broken-{number}" for number in range(1, 7))):
        done = subprocess.run(["make", "run", "LAB=2", f"HEAP={heap}", "TEST=catch.*", "OPTIONS=initramfs=off"],
                              cwd=tree, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        said[heap] = done.returncode
    assert said.pop("sound-1") == said.pop("sound-2") == 0
    assert all(said.values()), said
    done = subprocess.run(["make", "run", "LAB=2", "HEAP=broken-7"], cwd=tree, text=True, capture_output=True,
                          check=False)
    assert 'no heap "broken-7"; there are: broken-1' in done.stderr


def test_there_are_many_more_heaps_than_a_handout_shows():
    assert SHOWN == {f"broken-{number}" for number in range(1, 7)} and len(ROWS) == len(SHOWN)
    assert len(HEAPS - SHOWN) >= 20
    assert len(LAB_2.heaps) == len(HEAPS) + len(SOUND)
