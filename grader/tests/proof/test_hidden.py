"""A function behind a pointer, a cast, a table or a jump: none gets past."""
import re

import pytest
from programs import HEAP, ROOT_FAIL, program, said


def fail(body, outside=""):
    return f"{outside}\nvoid fail(void)\n{{\n\t{body}\n}}\n"


def call(pointer, *targets, key="pointer"):
    return f'[[call]]\n{key} = "{pointer}"\ntargets = {list(targets)}\n'.replace("'", '"')


def in_fail(tmp_path, source, text=ROOT_FAIL, **more):
    return said(program(tmp_path, {"heap.c": HEAP, "fail.c": source, **more}), text)


def test_a_function_without_a_way_is_proved(tmp_path):
    found = in_fail(tmp_path, fail("choice++;"))
    assert re.search(r"^fail reaches no kmalloc, kfree: proved, 1 function, \d+ bytes of stack of 1,000$", found, re.M)
    assert found.endswith("\nholds")


def test_a_call_is_found_with_its_line(tmp_path):
    found = in_fail(tmp_path, fail("middle();", "static __attribute__((noinline)) void middle(void) { kmalloc(1); }"))
    assert "fail reaches kmalloc:\n    fail calls middle at fail.c:12\n    middle calls kmalloc at fail.c:9\n" in found
    assert found.endswith("does not hold")


def test_what_has_become_part_of_it_is_found(tmp_path):
    """The compiler has put kmalloc() into the function, and nothing calls it any more."""
    heap = HEAP.replace("unsigned choice;", "unsigned choice;\nstatic volatile uintptr_t pool;") \
        .replace("(void *)(bytes", "(void *)(pool += bytes")
    found = said(program(tmp_path, {"heap.c": heap + fail("kfree(kmalloc(choice));")}))
    assert re.search(r"fail reaches k\w+, and k\w+:\n    fail calls k\w+ at heap.c:\d+\n", found), found


@pytest.mark.parametrize("body, outside, message", [
    # a pointer, of which the policy says nothing
    ("ask(1);", "static void *(*volatile ask)(size_t) = kmalloc;",
     r'fail.c:12: fail calls through a pointer, and no \[\[call\]\] has pointer = "ask"'),
    # a cast, of a function and of something that holds one
    ("((void (*)(void *))(uintptr_t)kfree)(0);", "", r"fail reaches kfree"),
    ("((void (*)(int))any)(1);", "static void *volatile any;", r"fail.c:12: fail calls what is not the name of a pointer"),
    ("void (*f)(int) = (void (*)(int))any; f(1);", "static void *volatile any;",
     r"fail.c:\d+: fail makes a pointer to a function out of something else"),
    ("void (*f)(int) = any; f(1);", "static void *volatile any;",
     r"fail.c:\d+: fail makes a pointer to a function out of something else"),
    ("void (*f)(int) = (void (*)(int))number; f(1);", "static volatile uintptr_t number;",
     r"fail.c:\d+: fail makes a pointer to a function out of something else"),
    ("function f = (function)any; f(1);", "typedef void (*function)(int);\nstatic void *volatile any;",
     r"fail.c:\d+: fail makes a pointer to a function out of something else"),
    # a macro
    ("CALL(any);", "#define CALL(it) ((void (*)(int))it)(1)\nstatic void *volatile any;",
     r"fail.c:13: fail calls what is not the name of a pointer"),
    # a table, of the right type and of none
    ("table[choice % 2](1);", "static void *(*volatile table[2])(size_t) = { 0, kmalloc };",
     r'no \[\[call\]\] has pointer = "table"'),
    ("choice++;", "void *table[] = { kfree };", r"fail.c: table has the address of kfree, and not as a pointer"),
    ("choice++;", "uintptr_t table[] = { (uintptr_t)kfree };", r"fail.c: table has the address of kfree, and not as a"),
    # an address that goes somewhere
    ("any = kfree;", "static void *volatile any;", r"fail.c:12: fail converts the address of kfree"),
    ("number = (uintptr_t)(choice ? kfree : 0);", "static volatile uintptr_t number;",
     r"fail.c:12: .*address of kfree"),
    # assembly language
    ('__asm__ volatile("jmp kfree");', "", r"fail reaches kfree"),
    ('__asm__ volatile("call kmalloc" : : : "memory");', "", r"fail reaches kmalloc"),
    ('__asm__ volatile("movq $kfree, %%rax; jmp *%%rax" : : : "rax");', "", r"fail.c:12: fail calls what is not the name"),
    ('__asm__ volatile("push $kfree; ret");', "", r"fail.c:12: the address of kfree is taken, and no \[\[call\]\]"),
    ('__asm__ volatile(".byte 0xe8; .long kfree - . - 4");', "", r"fail reaches kfree"),
    ('__asm__ volatile("jmp kfree + 3");', "", r"fail.c:12: fail calls kfree\+0x3, which is no function"),
    ('__asm__ volatile("jmp 0x1000");', "", r"jumps to a number|which is no function"),
    ("elsewhere();", "void elsewhere(void);", r"fail.c:12: fail calls elsewhere, which is no function of this kernel"),
])
def test_none_gets_past(body, outside, message, tmp_path):
    found = in_fail(tmp_path, fail(body, outside))
    assert re.search(message, found), found
    assert found.endswith("does not hold")


TELLERS = """static void quiet(int number) { choice = (unsigned)number; }
static void loud(int number) { kmalloc((size_t)number); }
void (*volatile tell)(int) = quiet;
void set(void);
void set(void) { tell = loud; }
void other(int number);
void other(int number) { choice--; }
"""


@pytest.mark.parametrize("targets, message", [
    (["quiet"], r"fail.c:\d+: fail calls through a pointer that can be loud: its address is taken at fail.c:13. "
                r'Add it to the \[\[call\]\] with pointer = "tell"'),
    (["quiet", "loud"], r"fail reaches kmalloc:\n    fail calls loud at fail.c:\d+\n    loud calls kmalloc at fail.c:10"),
    (["quiet", "loud", "kfree"], r'pointer = "tell": fail.c:\d+ cannot come to kfree, which is void \(void\*\): it calls '),
    (["quiet", "loud", "other"], r'pointer = "tell": fail.c:\d+ cannot come to other, .*: nobody takes its address'),
    (["quiet", "louder"], r'pointer = "tell": no function of the kernel is called louder'),
])
def test_targets_must_be_those_that_can_be(targets, message, tmp_path):
    found = in_fail(tmp_path, fail("tell(1);", TELLERS), ROOT_FAIL + call("tell", *targets))
    assert re.search(message, found), found
    assert found.endswith("does not hold")


def test_two_types_of_one_name_are_told_apart(tmp_path):
    source = fail("tell(1);", TELLERS) + """
struct speaker { void (*tell)(const char *); };
void speak(struct speaker *speaker);
void speak(struct speaker *speaker) { speaker->tell("x"); }
"""
    found = in_fail(tmp_path, source, ROOT_FAIL.replace('"kmalloc", ', "") + call("tell", "quiet", "loud")
                    + '[[call]]\npointer = "tell"\nin = "speak"\ntargets = []\n')
    assert found.endswith("\nholds"), found


def test_an_address_that_is_only_compared_is_said_to_be(tmp_path):
    source = fail("choice = choice == (uintptr_t)kfree;")
    assert "converts the address of kfree" in in_fail(tmp_path, source)
    assert in_fail(tmp_path, source, 'compared = ["kfree"]\n' + ROOT_FAIL).endswith("\nholds")


def test_to_be_compared_helps_nobody_who_is_called(tmp_path):
    """A function that the policy calls compared can be called through a pointer of its type all the same."""
    source = fail("give(0);", "void (*volatile give)(void *) = 0;\nvoid set(void);\nvoid set(void) { give = kfree; }")
    found = in_fail(tmp_path, source, 'compared = ["kfree"]\n' + ROOT_FAIL + call("give"))
    assert "fail calls through a pointer that can be kfree" in found


def test_where_the_cpu_comes_to_by_itself_must_be_a_root(tmp_path):
    source = fail("choice = (unsigned)(uintptr_t)stub;", "extern const char stub[];")
    stub = "\t.text\n\t.globl stub\n\t.type stub, @function\nstub:\n\tcall kmalloc\n\tiretq\n\t.size stub, . - stub\n"
    found = in_fail(tmp_path, source, 'entered = ["stub"]\n' + ROOT_FAIL, **{"stub.S": stub})
    assert "entered: stub is where the CPU comes to: say in a [[root]] what it may reach" in found
    found = in_fail(tmp_path, source, 'entered = ["stub"]\n' + ROOT_FAIL + ROOT_FAIL.replace("fail", "stub"),
                    **{"stub.S": stub})
    assert "stub reaches kmalloc:\n    stub calls kmalloc at stub.S:5\n" in found


@pytest.mark.parametrize("lines, message", [
    ("call kmalloc\n\tret", r"fail reaches kmalloc:\n    fail calls away at fail.c:12\n    away calls kmalloc at away.S:5"),
    ("jmp kfree", r"fail reaches kfree"),
    ("je kfree\n\tret", r"fail reaches kfree"),
    ("nop", r"fail reaches kfree"),                             # it runs on into what comes next
    ("movq $kfree, %rax\n\tjmp *%rax", r'away.S:6: away calls through a pointer, and no \[\[call\]\] has in = "away"'),
    ("jmp *%rdi", r'no \[\[call\]\] has in = "away"'),
])
def test_assembly_files_are_in_the_graph(lines, message, tmp_path):
    text = f"\t.text\n\t.globl away\n\t.type away, @function\naway:\n\t{lines}\nnext:\n\tjmp kfree\n"
    found = in_fail(tmp_path, fail("away();", "void away(void);"), **{"away.S": text})
    assert re.search(message, found), found


@pytest.mark.parametrize("lines, targets, message", [
    ("movq $kfree, %rax\n\tjmp *%rax", ["kfree"], r"fail reaches kfree"),
    ("movq $kfree, %rax\n\tjmp *%rax", [], r"that can be kfree: its address is taken at away.S:5"),
    ("jmp *%rdi", [], r"away jumps to what a register says, and no address stands there"),
])
def test_a_jump_in_an_assembly_file_has_targets(lines, targets, message, tmp_path):
    text = f"\t.text\n\t.globl away\n\t.type away, @function\naway:\n\t{lines}\n"
    found = in_fail(tmp_path, fail("away();", "void away(void);"), ROOT_FAIL + call("away", *targets, key="in"),
                    **{"away.S": text})
    assert re.search(message, found), found


def test_a_switch_statement_is_no_call(tmp_path):
    cases = "".join(f"case {n}: choice = (unsigned)argument * {n * n + 3}; break;\n" for n in range(12))
    found = in_fail(tmp_path, f"void fail(void) {{}}\nvoid take(unsigned which, int argument);\n"
                              f"void take(unsigned which, int argument) {{ switch (which) {{ {cases} }} }}")
    assert found.endswith("\nholds"), found
