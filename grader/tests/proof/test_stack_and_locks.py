"""How much stack there is to be, and in which order locks are taken; beside what GCC says of the same files."""
import re
import subprocess

import graphs
import pytest
from conftest import ROOT
from programs import HEAP, LOCKS, ROOT_FAIL, compiler, program, said

from course.table import LabError
from proof import policy

RECURSION = """
static __attribute__((noinline)) unsigned odd(unsigned number);
static __attribute__((noinline)) unsigned even(unsigned number)
{
	return number == 0 ? 1 : odd(number - 1) + choice;
}
static __attribute__((noinline)) unsigned odd(unsigned number)
{
	return number == 0 ? 0 : even(number - 1) + choice;
}
void fail(void)
{
	choice = even(choice);
}
"""


def test_a_recursion_is_named_with_its_cycle(tmp_path):
    found = said(program(tmp_path, {"heap.c": HEAP, "fail.c": RECURSION}))
    assert re.search(r"fail has no bound on its stack: recursion: (even -> odd -> even|odd -> even -> odd) "
                     r"\(fail.c:\d+, fail.c:\d+\)\n", found), found


def test_without_a_bound_a_recursion_is_said_and_no_mistake(tmp_path):
    text = ROOT_FAIL.replace("stack_bytes = 1000\n", "")
    found = said(program(tmp_path, {"heap.c": HEAP, "fail.c": RECURSION}), text)
    assert "proved, 3 functions, no bound on the stack\nholds" in found


@pytest.mark.parametrize("body, message", [
    ("char *text = __builtin_alloca(choice % 64 + 1); text[0] = 1; choice = (unsigned)(uintptr_t)text; kfree(text);",
     r"fail has no bound on its stack: fail has a frame of variable size, at fail.c:\d+"),
    ("volatile char text[3000]; text[5] = (char)choice;", r"fail may take 3,\d\d\d bytes of stack, and has 1,000:\n    fail"),
    ('__asm__ volatile("1: push %rax; jmp 1b");', r"fail takes stack in a loop, at fail.c:\d+"),
    ('__asm__ volatile("push %rax; ret");', r"fail returns to what it has pushed, at fail.c:\d+"),
    ('__asm__ volatile("sub %rax, %rsp; add %rax, %rsp");', r"fail has a frame of variable size"),
])
def test_a_frame_has_a_size_or_is_named(body, message, tmp_path):
    source = "#pragma GCC diagnostic ignored \"-Wframe-larger-than=\"\n" * ("3000" in body) \
        + f"void fail(void)\n{{\n\t{body}\n}}\n"
    text = ROOT_FAIL.replace('never = ["kmalloc", "kfree"]\n', "")
    found = said(program(tmp_path, {"heap.c": HEAP, "fail.c": source}), text)
    assert re.search(message, found), found
    assert found.endswith("does not hold")


@pytest.mark.parametrize("file", ["kernel/format.c", "kernel/panic.c", "labs/02-heap/heap.c", "kernel/trap.c"])
def test_gcc_says_the_same(file, tmp_path):
    """Of each frame that it makes, and of each function that another calls."""
    subprocess.run([*compiler(), "-fcallgraph-info=su", "-S", "-o", tmp_path / "x.s", file], cwd=ROOT, check=True)
    text = (tmp_path / "x.ci").read_text()
    frames = {title.rpartition(":")[2]: int(number) for title, number in re.findall(
        r'node: \{ title: "([^"]+)" label: "[^"]*\\n(\d+) bytes \(static\)', text)}
    calls = {(caller.rpartition(":")[2], target.rpartition(":")[2]) for caller, target in re.findall(
        r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text) if target != "__indirect_call"}
    graph = graphs.stage(5).graph
    ours = {title: function for title, function in graph.functions.items() if function.source == file}
    assert len(frames) >= 4 and set(frames) <= {function.name for function in ours.values()}
    for title, function in ours.items():
        if function.name in frames:
            # GCC does not count what is pushed for a call that never returns.
            assert 0 <= graph.stack_bytes(title) - frames[function.name] <= 16, title
    found = {(function.name, graph.functions[call.target].name) for title, function in ours.items()
             for call in graph.calls[title]}
    assert found <= calls
    assert all(target.startswith("__") for _, target in calls - found)    # checks that never fail, as it saw later


def locks(tmp_path, *bodies):
    functions = "".join(f"void take{number}(void);\nvoid take{number}(void) {{ {body} }}\n"
                        for number, body in enumerate(bodies))
    declared = "extern struct spinlock first, second;\n"
    return said(program(tmp_path, {"heap.c": HEAP, "locks.c": LOCKS,
                                   "fail.c": declared + functions + "void fail(void) { choice++; }\n"}))


def test_an_order_is_shown(tmp_path):
    found = locks(tmp_path, "spin_lock(&first); spin_lock(&second); spin_unlock(&second); spin_unlock(&first);",
                  "spin_lock(&second); spin_unlock(&second); spin_lock(&first); spin_unlock(&first);")
    assert "lock order has no cycle: proved, 2 locks\n    first, then second\n" in found


def test_two_orders_are_a_cycle(tmp_path):
    found = locks(tmp_path, "spin_lock(&second); choice++; spin_unlock(&second);",
                  "spin_lock(&first); take0(); spin_unlock(&first);",
                  "spin_lock(&second); if (choice) { spin_lock(&first); spin_unlock(&first); } spin_unlock(&second);")
    assert re.search(r"lock order has a cycle: (first -> second -> first|second -> first -> second)\n", found), found
    assert "first is taken at fail.c:" in found and "second is taken at fail.c:" in found


def test_a_lock_that_is_taken_twice_is_a_cycle(tmp_path):
    found = locks(tmp_path, "spin_lock(&first); spin_unlock(&first);", "spin_lock(&first); take0(); spin_unlock(&first);")
    assert "lock order has a cycle: first -> first\n" in found


def test_which_lock_it_is_must_be_known(tmp_path):
    found = locks(tmp_path, "spin_lock(choice ? &first : &second);")
    assert re.search(r"fail.c:\d+: which lock take0 takes is not known: write spin_lock\(&its_name\) there", found)


@pytest.mark.parametrize("text, message", [
    ("[[root]]\nfunction = \"fail\"\n", "proof.toml, root 1: fail: nothing is said of it: never, holds, or stack_bytes"),
    ("[[root]]\nfunction = \"fail\"\nstack_bytes = -1\n", "stack_bytes must not be negative"),
    ("[[root]]\nfunctions = \"fail\"\n", "proof.toml, root 1: function is missing"),
    ("[[call]]\ntargets = []\n", "proof.toml, call 1: say the name of the pointer"),
    ("[[call]]\npointer = \"x\"\n", "proof.toml, call 1: targets is missing"),
    ("[[call]]\npointer = \"x\"\ntargets = []\n" * 2, "two [[call]] for x: make one of them"),
    ("[root\n", "proof.toml: "),
])
def test_a_policy_that_cannot_be_read_is_none(text, message):
    with pytest.raises(LabError, match=re.escape(message)):
        policy.parse(text.encode(), "proof.toml")
