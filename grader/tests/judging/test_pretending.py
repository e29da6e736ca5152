"""Submissions that pretend: real boots of kernels that print results, end the machine or both.

The grader refuses most of them before they boot, for what is in their files (conduct.py). Most
tests here have them built by make alone, so that they do boot: the machine must be enough.
"""
import asyncio
import re

import pytest
from conftest import ROOT, grade
from trees import patch_for

from course import lab
from judging import judge, ktests
from judging.observe import observe
from judging.verdict import Verdict
from machine.ending import Cause
from machine.image import Image
from machine.qemu import Config

SEED = 77
COUNT = "frame.the_count_of_free_frames_is_exact"
TWICE = "frame.no_frame_is_handed_out_twice"
NAMES = "frame.a_panic_names_base_and_order"
TRACE = "frame.a_random_trace_agrees_with_the_model"
TESTS = [TRACE, TWICE, COUNT]           # in the order in which they run

FAKE = 'console_printf("KTAP version 1\\n1..3\\n# seed 77\\n' + "".join(
    f"ok {number} {name}\\n" for number, name in enumerate(TESTS, 1)) + '");'
PORT = '__asm__ volatile("outb %b0, %w1" : : "a"(0x10), "d"(0xf4));'
PRINTED = "that it passed is on the console, but the kernel did not print it"

# Writes to the harness's own variables that all tests have passed.
FORGE = """
	extern const struct ktest ktests_start[], ktests_end[];
	for (const struct ktest *test = ktests_start; test < ktests_end; test++)
		*test->outcome = KTEST_PASSED;
	ktests_outcome = KTEST_PASSED;
"""


def patch(tmp_path, source, *changes, lab_name="01-frames"):
    """A patch that replaces texts in a file of a lab."""
    name = f"labs/{lab_name}/{source}"
    new = (ROOT / name).read_text()
    for text, other in changes:
        assert new.count(text) == 1
        new = new.replace(text, other)
    file = tmp_path / "pretending.patch"
    file.write_text(patch_for(name, new))
    return file


def instead_of(function, statements):
    """The change that has a function of frame.c begin with these statements."""
    head = {"frame_init": "void frame_init(void)\n{\n",
            "frame_alloc": "paddr_t frame_alloc(unsigned order)\n{\n",
            "frame_free": "void frame_free(paddr_t base, unsigned order)\n{\n"}[function]
    return head, head + f"\t{statements}\n"


def one_of(words):
    """The words of which one is expected."""
    return (words,) if isinstance(words, str) else words


def boot(iso, patch_file, tests=TESTS):
    """Boots lab 1 with a patch, to run these tests. Return: what judge.py finds, and the record."""
    image, elf = iso(1, f"log=info seed={SEED} ktest={','.join(tests)}", f"PATCH={patch_file}")
    this_boot = lab.load(ROOT / "labs/01-frames").boots[0]
    record = asyncio.run(observe(Config(image), Image(elf), this_boot, []))
    return ktests.judge_ktests(tests, record, SEED), record


def frame_c(tmp_path, function, statements):
    return patch(tmp_path, "frame.c", ('#include "memmap.h"\n',
                 '#include "memmap.h"\n#include "console.h"\n#include "cpu.h"\n'
                 '#include "ktest.h"\n#include "machine.h"\n'), instead_of(function, statements))


@pytest.mark.parametrize("function, statements, found", [
    # prints it all, ends QEMU by a device that is not there, and has no memory to give
    ("frame_alloc", f"{FAKE} {PORT} return PADDR_NONE;", {
        TRACE: (Verdict.WRONG, "call 1: frame_alloc(2) gave nothing, but a block of that order is free"),
        TWICE: (Verdict.WRONG, "0 frames instead of "),
        COUNT: (Verdict.WRONG, "frames were free, 0 could be taken")}),
    ("frame_alloc", f"{FAKE} machine_reboot();", {
        TRACE: (Verdict.WRONG, "the machine reset itself before its result, in machine_reboot")}),
    ("frame_alloc", f"{FAKE} for (;;) __asm__ volatile(\"outw %w0, %w1\" : : \"a\"(0x2000), "
                    "\"d\"(0x604));", {
        TRACE: (Verdict.WRONG, "the machine switched itself off before its result, in frame_alloc")}),
    ("frame_alloc", f"{FAKE} machine_exit(MACHINE_TESTS_PASSED);", {
        TRACE: (Verdict.WRONG, "the machine reset itself before its result, in machine_reboot")}),
    ("frame_alloc", f"{FAKE} for (;;) cpu_relax();", {
        TRACE: (Verdict.HANG, "no progress for 2 s, in ")}),
    ("frame_alloc", f"{FAKE} cpu_stop();", {            # which may be inlined
        TRACE: (Verdict.HANG, ("no progress for 2 s, in cpu_stop",
                               "no progress for 2 s, in frame_alloc"))}),
    ("frame_alloc", f"{FAKE} panic(\"all is well\");", {
        TRACE: (Verdict.PANIC, "all is well; in frame_alloc")}),
    ("frame_init", f"{FAKE} machine_exit(MACHINE_TESTS_PASSED);", dict.fromkeys(TESTS, (
        Verdict.BOOT_FAIL, "the machine reset itself before the tests began, in machine_reboot"))),
    ("frame_init", f"{FAKE} panic(\"all is well\");", dict.fromkeys(TESTS, (
        Verdict.PANIC, "all is well; in frame_init"))),
    ("frame_init", f"{FORGE} {FAKE} machine_exit(MACHINE_TESTS_PASSED);", {
        TRACE: (Verdict.WRONG, "not when replayed: its trace ends after 0 calls"),
        TWICE: (Verdict.PASS, ""), COUNT: (Verdict.PASS, "")}),         # but see conduct.py
], ids=["port", "reset", "power-off", "exit", "hang", "halt", "panic", "exit-at-once",
        "panic-at-once", "forged-outcomes"])
def test_what_is_printed_is_worth_nothing(iso, tmp_path, function, statements, found):
    findings, record = boot(iso, frame_c(tmp_path, function, statements))
    for name in TESTS:
        assert f" {name}\n" in record.console
    assert {name: finding.verdict for name, finding in findings.items()} == \
        {name: verdict for name, (verdict, _) in found.items()}, findings
    for name, (verdict, words) in found.items():
        assert any(word in findings[name].detail for word in one_of(words))
        if verdict is not Verdict.PASS and name is not TRACE:
            assert PRINTED in findings[name].detail


def test_a_test_that_something_returns_past_is_worth_nothing(iso, tmp_path):
    """An allocator that does nothing goes back to whoever has called the test."""
    skip = """
static __attribute__((noinline)) void skip_the_test(void)
{
	void **chain[64] = { __builtin_frame_address(0) }, **test;
	unsigned n = 1;

	for (; n < 64 && (uintptr_t)*chain[n - 1] > 0xffffffff80000000; n++)
		chain[n] = *chain[n - 1];
	if (n < 5)
		return;
	test = chain[n - 4];            /* run_one(), ktest_run() and kmain() are outside it */
	__asm__ volatile("movq %0, %%rbp; leave; ret" : : "r"(test) : "memory");
}
"""
    head, begun = instead_of("frame_alloc", "skip_the_test();\n\treturn PADDR_NONE;")
    changed = patch(tmp_path, "frame.c", ("\nvoid frame_init(void)\n", f"{skip}\nvoid frame_init(void)\n"),
                    (head, begun))
    findings, record = boot(iso, changed, [COUNT, TWICE])
    for finding in findings.values():
        assert finding.verdict is not Verdict.PASS
    assert "it was left before its end: something has returned past it" in record.console


def test_a_test_in_which_something_returns_past_a_function_is_worth_nothing(iso, tmp_path):
    """
    The functions of the allocator end in a "leave; ret" of another one, with their caller's frame: no
    register is written, and the test goes on behind the helper that has its checks.
    """
    skip = """
static __attribute__((noinline)) void skip_the_caller(void **frame)
{
	const unsigned char *at = (const unsigned char *)(uintptr_t)skip_the_caller;

	while (!(at[0] == 0xc9 && at[1] == 0xc3))
		at++;
	frame[1] = (void *)(uintptr_t)at;
}
"""
    head, begun = instead_of("frame_free", "skip_the_caller(__builtin_frame_address(0));\n\treturn;")
    changed = patch(tmp_path, "frame.c", ("\nvoid frame_init(void)\n", f"{skip}\nvoid frame_init(void)\n"),
                    (head, begun))
    findings, record = boot(iso, changed, [NAMES])
    assert findings[NAMES].verdict is Verdict.WRONG
    assert "it was left before its end: something has returned past it" in record.console


def test_a_result_before_its_turn_is_worth_nothing(iso, tmp_path):
    """The last test's variable is written to, and the machine reset in the first."""
    findings, _ = boot(iso, frame_c(
        tmp_path, "frame_alloc", FORGE.replace("*test->", "if (test->name[6] != 'a') *test->").replace(
            "ktests_outcome = KTEST_PASSED;", "machine_reboot();")))
    assert findings[TRACE].verdict is Verdict.WRONG
    for name in (TWICE, COUNT):
        assert findings[name].verdict is Verdict.WRONG
        assert "its turn had not come" in findings[name].detail


def test_a_variable_of_the_same_name_is_worth_nothing(iso, tmp_path):
    name = "ktest_outcome_" + COUNT.replace(".", "_")
    findings, _ = boot(iso, patch(tmp_path, "frame.c", (
        '#include "memmap.h"\n', '#include "memmap.h"\n'
        f"static __attribute__((used)) unsigned {name} = 2;\n")))
    for finding in findings.values():
        assert finding.verdict is Verdict.WRONG
        assert f"there are two variables {name}" in finding.detail


def test_variables_that_only_look_like_the_kernels_are_not_taken_for_them(iso, tmp_path):
    names = ("ktests_outcome", "panic_record", "data_start", "nr_ranges", "ranges",
             "monitor_prompts")
    findings, _ = boot(iso, patch(tmp_path, "frame.c", (
        '#include "frame.h"\n', "".join(
            f"static __attribute__((used)) unsigned {name}_ __asm__(\"{name}\") = 9;\n"
            for name in names) + '#include "frame.h"\n')))
    assert {finding.verdict for finding in findings.values()} == {Verdict.PASS}, findings


def test_a_trace_from_another_seed_is_refused(iso, tmp_path):
    canned = patch(tmp_path, "frame_misuse_test.c", (
        "\ttrace_begin(&frame_trace);\n", "\ttrace_begin(&frame_trace);\n\tktest_random.state = 1;\n"))
    findings, record = boot(iso, canned, [TRACE])
    assert f"ok 1 {TRACE}\n" in record.console
    assert findings[TRACE].verdict is Verdict.WRONG
    assert "but from this seed follows frame_alloc(" in findings[TRACE].detail


@pytest.mark.parametrize("old, new, words", [
    ("TRACE_FRAME_ALLOC, { live[i].order }, live[i].base });",
     "TRACE_FRAME_ALLOC, { live[i].order }, 4096ul << live[i].order });",
     "which is not free RAM by the memory map"),
    ("TRACE_FRAME_ALLOC, { live[i].order }, live[i].base });",
     "TRACE_FRAME_ALLOC, { live[i].order }, MIB(32) });",
     "which overlaps the block of call "),
    ("\ttrace_add(&frame_trace, (struct trace_call){\n"
     "\t\tTRACE_FRAME_FREE, { live[i].base, live[i].order }, 0 });\n", "",
     "but from this seed follows frame_free(0x"),
    ("\tCHECK(live[i].base % (", "\tframe_trace.nr_calls = 3;\n\tCHECK(live[i].base % (",
     "but from this seed follows frame_"),
], ids=["no-ram", "overlap", "no-frees", "overwritten"])
def test_a_trace_that_cannot_be_is_refused(iso, tmp_path, old, new, words):
    findings, record = boot(iso, patch(tmp_path, "frame_misuse_test.c", (old, new)), [TRACE])
    assert f"ok 1 {TRACE}\n" in record.console
    assert findings[TRACE].verdict is Verdict.WRONG and words in findings[TRACE].detail


def test_an_allocator_that_keeps_all_memory_for_itself_is_refused(iso, tmp_path):
    """It takes what the map has, and then rightly has nothing to give."""
    findings, record = boot(iso, patch(
        tmp_path, "frame.c",
        ("\ttables_init();\n", "\ttables_init();\n\tkeep_all();\n"),
        ("void frame_init(void)\n", """static void keep_all(void)
{
	size_t nr_ranges;
	const struct memmap_range *ranges = memmap_ranges(&nr_ranges);

	for (size_t i = 0; i < nr_ranges; i++) {
		if (ranges[i].owner == MEM_FREE) {
			memmap_alloc(ranges[i].end - ranges[i].base);
			i = 0;
		}
	}
}

void frame_init(void)
"""), instead_of("frame_alloc", "return PADDR_NONE;")), [TRACE])
    assert f"ok 1 {TRACE}\n" in record.console
    assert findings[TRACE].verdict is Verdict.WRONG
    assert re.search(r"frame_init has taken (\d+\.\d) of \1 MiB for itself", findings[TRACE].detail)


# ---- prompts

RESCUED = "[    2  0.061] debug heap: rescue 1: no room for 640 bytes, taking 4 KiB\\n" \
          "[    3  0.062] info  initramfs: 4000 entries\\n"
EXHAUSTED = "initramfs: the heap is exhausted\\n"
SPIN = "for (;;) ;"
# so slowly that a line is typed at each, if one is
AGAIN_AND_AGAIN = 'for (;;) { console_printf("\\nouroboros> dmesg\\n' + RESCUED + \
    'ouroboros> "); for (volatile unsigned i = 0; i < 2000000; i++) ; }'
RECORD = "void log_record(enum log_level level, const char *message, va_list arguments)\n{\n"
DUMP = "void log_dump(void)\n{\n"
KMALLOC = "void *kmalloc(size_t bytes)\n{\n"


def prompts(lines, then):
    return f'console_printf("{lines}ouroboros> "); {then}'


@pytest.mark.parametrize("lab_name, source, head, statements, place", [
    ("04-static-log", "log.c", RECORD, f'console_printf("{RESCUED}"); {AGAIN_AND_AGAIN}',
     ", in log_record "),
    ("04-static-log", "log.c", DUMP, prompts(RESCUED, SPIN), ", in log_dump "),
    ("04-static-log", "log.c", DUMP, prompts(RESCUED, "for (;;) console_read();"),
     ", in console_read "),
    ("04-static-log", "log.c", DUMP, prompts(RESCUED, ""), ", in console_read "),
    ("02-heap", "heap.c", KMALLOC, prompts(EXHAUSTED, SPIN), ", in kmalloc "),
    ("02-heap", "heap.c", KMALLOC, prompts(EXHAUSTED, "cpu_stop();"),
     (", in cpu_stop ", ", in kmalloc ")),
    ("02-heap", "heap.c", KMALLOC, prompts(EXHAUSTED, "return NULL;"), ", in console_read "),
], ids=["log-again", "dump-spins", "dump-reads", "dump-goes-on", "heap-spins", "heap-halts",
        "heap-goes-on"])
def test_a_prompt_that_the_monitor_did_not_print_is_worth_nothing(
        iso, tmp_path, lab_name, source, head, statements, place):
    name = {"log.c": "boot.debug_boots", "heap.c": "boot.out_of_memory"}[source]
    include = f'#include "{source[:-2]}.h"\n'
    file = patch(tmp_path, source, (include, include + '#include "console.h"\n#include "cpu.h"\n'),
                 (head, head + f"\t{statements}\n"), lab_name=lab_name)
    this_boot, test = next((this_boot, test)
                           for this_boot in lab.load(ROOT / "labs" / lab_name).boots
                           for test in this_boot.tests if test.name == name)
    image, elf = iso(int(lab_name[:2]), this_boot.cmdline or "log=info", f"PATCH={file}")
    record = asyncio.run(observe(Config(image), Image(elf), this_boot, []))
    assert "\nouroboros> " in record.console
    assert record.ending.cause is Cause.FALSE_PROMPT
    finding = judge.judge_end(test, record)
    assert finding.verdict is Verdict.WRONG
    assert any("no monitor, but something other than the monitor printed its prompt" + where
               in finding.detail for where in one_of(place))


@pytest.mark.parametrize("function, statements, words", [
    ("frame_alloc", f"{FAKE} {PORT} return PADDR_NONE;", "frame.c does port I/O (out"),
    ("frame_init", f"{FAKE} machine_exit(MACHINE_TESTS_PASSED);", "frame.c uses machine_exit in "),
    ("frame_init", f"{FORGE} machine_exit(MACHINE_TESTS_PASSED);", "frame.c uses ktests_start in "),
], ids=["port", "exit-at-once", "forged-outcomes"])
def test_the_grader_gives_no_point_and_names_it(tmp_path, function, statements, words):
    file = frame_c(tmp_path, function, statements)
    status, labs, output = grade("1", "--patch", str(file), "--test", ",".join(TESTS),
                                 directory=tmp_path)
    assert status == 1 and labs[0]["points"] == 0, output
    assert {test["verdict"] for test in labs[0]["tests"]} == {"WRONG"}
    assert all(words in test["detail"] for test in labs[0]["tests"]), output


NOTHING = """#include "frame.h"
%s
void frame_init(void) { }
paddr_t frame_alloc(unsigned order) { skip(); return PADDR_NONE; }
void frame_free(paddr_t base, unsigned order) { skip(); }
void frame_stats(struct frame_stats *stats) { *stats = (struct frame_stats){ 0 }; skip(); }
void frame_check(void) { skip(); }
"""

# Has each function on the stack, up to the test's own, go on where it ends: mov 8(%rbp), %rsi
# comes before the call that says so.
JUMP = """
static __attribute__((noinline)) void skip(void)
{
	void **chain[64], **frame = __builtin_frame_address(0);
	unsigned n = 0;

	for (; n < 64 && (uintptr_t)frame >= 0xffffffff80000000; frame = frame[0])
		chain[n++] = frame;
	for (unsigned i = 1; i + 4 < n; i++) {          /* run_one(), ktest_run() and kmain() are outside */
		const unsigned char *at = chain[i][1], *last = at + 4000;

		while (at < last && !(at[0] == 0x48 && at[1] == 0x8b && at[2] == 0x75 && at[3] == 8))
			at++;
		if (at < last)
			chain[i][1] = (void *)(uintptr_t)at;
	}
}
"""


@pytest.mark.parametrize("skip", ["static void skip(void) { }", JUMP], ids=["at-once", "past-the-checks"])
def test_an_allocator_that_only_returns_is_worth_nothing(tmp_path, skip):
    file = tmp_path / "nothing.patch"
    file.write_text(patch_for("labs/01-frames/frame.c", NOTHING % skip))
    _, labs, output = grade("1", "--patch", str(file), directory=tmp_path)
    assert labs[0]["points"] == 0, output
    assert "PASS" not in {test["verdict"] for test in labs[0]["tests"]}


# What marks all tests as passed and ends the machine, if the numbers are right.
BY_NUMBER = """#include "frame.h"
struct entry { const char *name; void (*run)(void); unsigned *outcome; };
static volatile unsigned long at[] = { %#xul, %#xul, %#xul, %#xul };
void frame_init(void)
{
	for (struct entry *entry = (struct entry *)at[0]; entry < (struct entry *)at[1]; entry++)
		*entry->outcome = 2;
	*(unsigned *)at[2] = 2;
	((void (*)(int))at[3])(0x10);
}
paddr_t frame_alloc(unsigned order) { return PADDR_NONE; }
void frame_free(paddr_t base, unsigned order) { }
void frame_stats(struct frame_stats *stats) { *stats = (struct frame_stats){ 0 }; }
void frame_check(void) { }
"""


def test_an_address_written_as_a_number_leads_nowhere(iso, tmp_path):
    """It is right in what make builds, also at a student's, but not in what the grader builds of it."""
    def patched(file):
        file.write_text(patch_for(name, BY_NUMBER % tuple(numbers)))
        return file

    name, numbers = "labs/01-frames/frame.c", [0xffffffff80100000] * 4
    symbols = Image(iso(1, "log=info", f"PATCH={patched(tmp_path / 'any.patch')}")[1]).symbols
    numbers = [symbols[each] for each in ("ktests_start", "ktests_end", "ktests_outcome", "machine_exit")]
    findings, _ = boot(iso, patched(tmp_path / "right.patch"), [TWICE, COUNT])
    assert {finding.verdict for finding in findings.values()} == {Verdict.PASS}, findings

    file = tmp_path / "submission" / name
    file.parent.mkdir(parents=True)
    file.write_text(BY_NUMBER % tuple(numbers))
    status, labs, output = grade("--tree", str(tmp_path / "submission"), "1", directory=tmp_path)
    assert status == 1 and labs[0]["points"] == 0, output


def test_the_grader_gives_no_point_for_a_hang_behind_printed_passes(tmp_path):
    file = patch(tmp_path, "frame.c",
                 ('#include "memmap.h"\n', '#include "console.h"\n#include "memmap.h"\n'),
                 instead_of("frame_alloc", f"{FAKE} for (;;) ;"))
    status, labs, output = grade("1", "--patch", str(file), "--test", ",".join(TESTS),
                                 directory=tmp_path)
    assert status == 1 and labs[0]["points"] == 0, output
    assert {test["verdict"] for test in labs[0]["tests"]} == {"HANG"}
    assert all(PRINTED in test["detail"] for test in labs[0]["tests"]), output


def test_a_variable_that_is_too_large_to_look_at(iso, tmp_path):
    """GDB would die of reading it; what the CPU waits for is in the kernel's this_cpu alone."""
    found, record = boot(iso, patch(tmp_path, "frame.c", instead_of("frame_init", """
	struct huge { char bytes[1ul << 36]; };
	static volatile struct { unsigned id; struct huge *waits_for; void *waits_at; } this_cpu;
	this_cpu.waits_for = (struct huge *)0xffff800000100000;
	__asm__ volatile("lidt %0; ud2" : : "m"(*(const struct { char bytes[10]; } *)0xffff800000100000));
""")))
    assert {finding.verdict for finding in found.values()} == {Verdict.TRIPLE_FAULT}
    assert record.autopsy.waits_for is None
