"""What a student's file must not do is named, and what an honest one does is not."""
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import GRADER, ROOT
from counting import Steps
from elftools.elf.elffile import ELFFile

from course import lab
from judging import conduct
from machine.host import MachineError

THEIR_FILES = [path / file for path in lab.available().values()
               for file in lab.load(path).files if file.endswith(".c")]

HONEST = [*THEIR_FILES, *sorted(GRADER.glob("tests/designs/**/*.c"))]
MUTANTS = sorted(GRADER.glob("mutants/[0-9][0-9]/*.patch"))

# Mutants whose only verdict is the one on an offence. Of all others test_mutants.py sees it.
WRONG = [patch for patch in MUTANTS if patch.parent.name != "03"
         and all(name.endswith(".c") for name in re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M))
         and set(re.findall(r"^Expect: \S+ (.*)", patch.read_text(), re.M)) == {"WRONG"}]

# Lines of a mutant that does what conduct.py is there to find.
BRAZEN = re.compile(r"^\+.*\b(machine_\w+|cpu_stop|hlt|lidt|outb)\b", re.MULTILINE)


def make(*words):
    return subprocess.run(["make", "-s", *words], cwd=ROOT, text=True, capture_output=True,
                          check=True).stdout


@pytest.fixture(scope="module")
def compiler():
    """The Makefile's compiler with its flags, and the one that makes a dependency file."""
    program, flags, dependencies = make("print-CC", "print-CFLAGS",
                                        "print-dependencies").splitlines()
    return [program, *shlex.split(flags), dependencies.split()[0]]


@pytest.fixture
def build(compiler, tmp_path):
    """A function that compiles a file, or a heap.c of this text. Return: its object."""
    def build_it(source):
        if isinstance(source, str):
            (tmp_path / "heap.c").write_text(source)
            source = tmp_path / "heap.c"
        made = tmp_path / f"{source.name}.o"
        done = subprocess.run([*compiler, "-MF", f"{made}.d", "-c", "-o", made, source],
                              cwd=ROOT, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return made
    return build_it


def in_function(statement):
    """A heap.c of one function, with this statement in its line 5."""
    return f"""#include "heap.h"
#include "cpu.h"
void heap_init(void)
{{
	{statement};
}}
"""


def assembly(text):
    return in_function(f'__asm__ volatile("{text}")')


# ---- honest files


@pytest.mark.parametrize("file", HONEST,
                         ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_solution_does_nothing_wrong(file, build):
    made = build(file)
    assert conduct.offences(made, file.name) == []
    assert conduct.foreign_includes(Path(f"{made}.d"), file.name) == []


@pytest.mark.parametrize("file", THEIR_FILES, ids=lambda file: file.parent.name)
def test_a_skeleton_does_nothing_wrong(file, build, tmp_path):
    copy = tmp_path / file.name
    with copy.open("w") as text:
        subprocess.run([ROOT / "labs/skeleton", file], check=True, stdout=text)
    assert copy.read_text() != file.read_text()
    assert conduct.offences(build(copy), file.name) == []


@pytest.mark.parametrize("patch", WRONG, ids=lambda patch: f"{patch.parent.name}-{patch.stem}")
def test_a_mistake_is_no_offence(patch, build, tmp_path):
    files = [str(file.relative_to(ROOT)) for file in THEIR_FILES]
    subprocess.run([ROOT / "labs/patch-layer", patch, tmp_path / "layer", *files], cwd=ROOT,
                   check=True)
    offences = [offence for source in (tmp_path / "layer").glob("*.c")
                for offence in conduct.offences(build(source), source.name)]
    assert bool(offences) == bool(BRAZEN.search(patch.read_text())), offences


def test_helpers_debugging_and_locks_are_fine(build):
    made = build("""
#include "heap.h"
#include "backtrace.h"
#include "console.h"
#include "clock.h"
#include "cpu.h"
#include "image.h"
#include "log.h"
#include "panic.h"
#include "random.h"
#include "string.h"

DEFINE_SPINLOCK(heap_lock);
DEFINE_SPINLOCK(another_lock);
struct page_info { int order; };
struct page_info *infos;                /* not static: careless, not dishonest */
static char storage[8192] __attribute__((aligned(4096)));
static const int sizes[] = { 16, 32, 64 };
static int helper(int n) { return n < 2 ? n : helper(n - 1) + helper(n - 2); }
int (*const table[])(int) = { helper };
uint64_t (*const now)(void) = rdtsc;    /* makes a function of what is inline in a header */

void heap_init(void)
{
	static int nr_calls;
	struct backtrace here = { 0, (uint64_t)__builtin_frame_address(0), 0 };
	uint64_t flags = irq_save(), before = rdtsc();

	spin_lock(&another_lock);
	switch (nr_calls++) {
	case 0: console_printf("%d\\n", sizes[helper(nr_calls) % 3]); break;
	case 1: log_debug("%llu", (unsigned long long)clock_ms()); break;
	case 2: memset(storage, 1, sizeof(storage)); break;
	case 3: backtrace_print(here); break;
	case 4: todo("2.1", __func__);
	default: panic("%llu", (unsigned long long)(rdtsc() - before));
	}
	spin_unlock(&another_lock);
	cpu_relax();
	irq_restore(flags);
	__asm__ volatile("int3; ud2; pushfq; popfq; rep movsb; mov %ds, %eax");
	if ((const char *)infos > image_end)
		__builtin_unreachable();
}
""")
    assert conduct.offences(made, "heap.c") == []


def test_it_is_quick(build, monkeypatch):
    """Starting a tool takes longest; then every line of an object's code is looked at."""
    made = build(ROOT / "labs/02-heap/heap.c")
    started, run = [], conduct._run
    monkeypatch.setattr(conduct, "_run", lambda *words: started.append(words) or run(*words))
    with Steps(200_000):                                    # they are 93,000
        assert conduct.offences(made, "heap.c") == []
    nr_sections = subprocess.run(["objdump", "-h", made], text=True, capture_output=True,
                                 check=True).stdout.count("CODE")
    assert len(started) == 2 + nr_sections


# ---- other files' names


@pytest.mark.parametrize("name, whose", [
    ("ktests_start", "belongs to the test harness"),
    ("ktest_run", "belongs to the test harness"),
    ("ktest_outcome_heap_alignment", "belongs to the test harness"),
    ("trace_begin", "belongs to the test harness"),
    ("heap_trace", "belongs to the test harness"),
    ("options", "belongs to the test harness"),
    ("bootinfo", "kernel/bootinfo.h does not offer to the labs"),
    ("machine_exit", "belongs to the test harness"),
    ("watchdog_pet", "belongs to the test harness"),
    ("panic_record", "kernel/panic.h does not offer to the labs"),
    ("panic_stop", "kernel/panic.h does not offer to the labs"),
    ("this_cpu", "kernel/cpu.h does not offer to the labs"),
    ("irq_install", "kernel/trap.h does not offer to the labs"),
    ("symbol_find", "kernel/backtrace.h does not offer to the labs"),
    ("console_copy_to", "kernel/console.h does not offer to the labs"),
    ("nmi_stack", "kernel/image.h does not offer to the labs"),
    ("symbols_start", "boot/kernel.ld.in does not offer to the labs"),
    ("__start_ktests", "no header in kernel/ declares"),
    ("kmain", "no header in kernel/ declares"),
])
@pytest.mark.parametrize("how", ["plain", "weak", "renamed"])
def test_a_name_that_is_not_offered_is_named(name, whose, how, build):
    declaration = {"plain": f"extern char {name}[]",
                   "weak": f"extern char {name}[] __attribute__((weak))",
                   "renamed": f'extern char harmless[] __asm__("{name}")'}[how]
    made = build(f"""{declaration};
void f(void);
void f(void)
{{
	{"harmless" if how == "renamed" else name}[0] = 1;
}}
""")
    assert conduct.offences(made, "heap.c") == [f"heap.c uses {name} in f (heap.c:5), which {whose}"]


def test_a_name_used_through_a_pointer_or_an_alias_is_named(build):
    sentence = "heap.c uses ktests_end, which belongs to the test harness"
    made = build('extern char ktests_end[]; char *harmless = ktests_end;')
    assert conduct.offences(made, "heap.c") == [sentence]
    made = build('__asm__(".globl harmless; .set harmless, ktests_end");')
    assert sentence in conduct.offences(made, "heap.c")


@pytest.mark.parametrize("definition, sentence", [
    ("int ktest_outcome_heap_alignment;",
     "ktest_outcome_heap_alignment, a name that belongs to the test harness"),
    ("static int ktest_entry_heap_x __attribute__((used));",
     "ktest_entry_heap_x, a name that belongs to the test harness"),
    ("static char heap_trace[4096] __attribute__((used));",
     "heap_trace, a name that belongs to the test harness"),
    ("static int panic_record __attribute__((used));",
     "panic_record, a name that belongs to kernel/panic.h"),
    ("char spinlocks_start[8];",
     "spinlocks_start, a name that belongs to kernel/spinlock.h"),
    ("static __attribute__((noinline, used)) void log_record(void) { }",
     "log_record, a name that belongs to kernel/log.h"),
    ('static int harmless __asm__("this_cpu") __attribute__((used));',
     "this_cpu, a name that belongs to kernel/cpu.h"),
    ("int mine __attribute__((common));",
     "mine so that another file's mine takes its place"),
    ("int mine __attribute__((weak)) = 1;",
     "mine so that another file's mine takes its place"),
])
def test_a_definition_of_somebody_elses_name_is_named(definition, sentence, build):
    assert conduct.offences(build(definition), "heap.c") == [f"heap.c defines {sentence}"]


def test_the_page_on_verdicts_lists_what_is_offered():
    page = (ROOT / "docs/verdicts.md").read_text().partition("## What is graded of a tree")[2]
    for header, names in conduct._OFFERED.items():
        assert f"`{header}`" in page or all(f"`{name}`" in page for name in names.split()), header
    of_macros = re.compile(r"ktest_(fail|skip|calls|catch_\w+)|__cyg_\w+")
    for name in conduct._OFFERED_TO_TESTS:
        assert of_macros.fullmatch(name) or f"`{name}`" in page, name


# ---- sections


@pytest.mark.parametrize("source, sentence", [
    ('static const int mine __attribute__((section(".ktests"), used)) = 1;',
     "heap.c puts data into section .ktests, where the kernel keeps its tests"),
    ('static int mine __attribute__((section(".init_array"), used)) = 1;',
     "heap.c puts data into section .init_array, which a lab's file has no use for"),
    ('static const int mine __attribute__((section(".multiboot2"), used)) = 1;',
     "heap.c puts data into section .multiboot2, which a lab's file has no use for"),
    (r'__asm__(".section .ktests; .quad 0; .text");',
     "heap.c puts data into section .ktests, where the kernel keeps its tests"),
    (r'__asm__(".section .data.hidden,\"awx\"; nop; .text");',
     "heap.c gives section .data.hidden the flags 'WAX', not those of its name"),
    (r'__asm__(".section .debug_types,\"ax\"; nop; .text");',
     "heap.c gives section .debug_types the flags 'AX', not those of its name"),
    (r'__asm__(".section .debug_gdb_scripts,\"\"; .byte 0; .text");',
     "heap.c puts data into section .debug_gdb_scripts, which a lab's file has no use for"),
    (r'__asm__(".section .rodata.\377x,\"a\"; .byte 0; .text");',
     "heap.c puts data into section .rodata.\ufffdx, which a lab's file has no use for"),
])
def test_a_section_that_is_out_of_the_ordinary_is_named(source, sentence, build):
    assert conduct.offences(build(source), "heap.c") == [sentence]


def test_a_kernel_test_of_the_students_own_is_named(build):
    made = build('#include "ktest.h"\nKTEST(heap, alignment) { }')
    assert "heap.c puts data into section .ktests, where the kernel keeps its tests" \
        in conduct.offences(made, "heap.c")


# ---- instructions


@pytest.mark.parametrize("source, does, instruction", [
    (in_function("outb(0xf4, 1)"), "does port I/O", "out %al,$0xf4"),
    (in_function("outb(0x3f8, 1)"), "does port I/O", "out %al,(%dx)"),
    (in_function("outsb(0x3f8, \"ok 1\", 4)"), "does port I/O", "rep outsb (%rsi),(%dx)"),
    (assembly("data16; in (%dx), %al"), "does port I/O", "data16 in (%dx),%al"),
    (assembly("insl"), "does port I/O", "insl (%dx),(%rdi)"),
    (assembly(".byte 0xee"), "does port I/O", "out %al,(%dx)"),
    (in_function("cpu_stop()"), "stops the CPU", "hlt"),
    (assembly("lidt (%rax)"), "reaches for the CPU's own state", "lidt (%rax)"),
    (assembly("sgdt (%rax)"), "reaches for the CPU's own state", "sgdt (%rax)"),
    (assembly("ltr %ax"), "reaches for the CPU's own state", "ltr %ax"),
    (assembly("wrmsr"), "reaches for the CPU's own state", "wrmsr"),
    (assembly("invlpg (%rax)"), "reaches for the CPU's own state", "invlpg (%rax)"),
    (assembly("wbinvd"), "reaches for the CPU's own state", "wbinvd"),
    (assembly("swapgs"), "reaches for the CPU's own state", "swapgs"),
    (in_function("write_cr3(0)"), "moves a control, debug or segment register", "mov %rax,%cr3"),
    (in_function("read_cr2()"), "moves a control, debug or segment register", "mov %cr2,%rax"),
    (assembly("mov %rax, %db7"), "moves a control, debug or segment register", "mov %rax,%db7"),
    (assembly("mov %eax, %ds"), "moves a control, debug or segment register", "mov %eax,%ds"),
    (assembly("pop %fs"), "moves a control, debug or segment register", "pop %fs"),
    (assembly("int $2"), "leaves the kernel's ordinary flow of control", "int $0x2"),
    (assembly("iretq"), "leaves the kernel's ordinary flow of control", "iretq"),
    (assembly("lretq"), "leaves the kernel's ordinary flow of control", "lretq"),
    (assembly("syscall"), "leaves the kernel's ordinary flow of control", "syscall"),
    (assembly("vmcall"), "talks to the machine beneath the kernel", "vmcall"),
    (assembly("mov %rax, %rbp"), "moves the frame or the stack pointer", "mov %rax,%rbp"),
    (assembly("mov 8(%rax), %rsp"), "moves the frame or the stack pointer", "mov 0x8(%rax),%rsp"),
    (assembly("lea 8(%rsp), %rbp"), "moves the frame or the stack pointer", "lea 0x8(%rsp),%rbp"),
    (assembly("lea 0x40(%rbp), %rsp"), "moves the frame or the stack pointer", "lea 0x40(%rbp),%rsp"),
    (assembly("xchg %rbp, %rax"), "moves the frame or the stack pointer", "xchg %rax,%rbp"),
    (assembly("pop %rsp"), "moves the frame or the stack pointer", "pop %rsp"),
    (assembly("enter $8, $0"), "moves the frame or the stack pointer", "enter $0x8,$0x0"),
    (assembly(".byte 0x06"), "has bytes in its code that are no instruction", "(bad)"),
])
def test_an_instruction_without_business_is_named(source, does, instruction, build):
    found = conduct.offences(build(source), "heap.c")
    assert len(found) == 1
    assert found[0].startswith(f"heap.c {does} ({instruction}) in heap_init (heap.c:5): ")


def test_a_jump_out_of_a_call_is_named(build):
    found = conduct.offences(build(in_function("static void *there[5]; __builtin_longjmp(there, 1)")),
                             "heap.c")
    assert len(found) == 1 and found[0].startswith("heap.c moves the frame or the stack pointer (mov ")


def test_a_function_may_align_its_stack_or_make_room_on_it(build):
    assert conduct.offences(build(in_function(
        "char aligned[64] __attribute__((aligned(64))), *room = __builtin_alloca(rdtsc() & 255);"
        ' __asm__ volatile("" : : "r"(aligned), "r"(room) : "memory")')), "heap.c") == []


# ---- what the assembler would be made to do


def made_of(text, compiler, tmp_path):
    """What inspect() says of the assembly language that a heap.c of this text becomes."""
    (tmp_path / "heap.c").write_text(text)
    made = tmp_path / "heap.c.s"
    subprocess.run([*compiler, "-MF", f"{made}.d", "-S", "-o", made, tmp_path / "heap.c"], cwd=ROOT,
                   check=True)
    return conduct.inspect(made, "labs/02-heap/heap.c")


@pytest.mark.parametrize("text, sentence", [
    (r'.incbin \"/etc/passwd\"', "makes the assembler read a file (.incbin)"),
    (r'nop; .INCBIN \"/etc/passwd\"', "makes the assembler read a file (.incbin)"),
    (r'# \"\n.incbin \"/etc/passwd\"', "makes the assembler read a file (.incbin)"),
    (r'/* \" */ ; .incbin \"/etc/passwd\" /* \" */', "makes the assembler read a file (.incbin)"),
    (r'x: .include \"/etc/passwd\"', "makes the assembler read a file (.include)"),
    (r'.macro m a b\n.\\a\\b \"/etc/passwd\"\n.endm\nm inc bin', "uses .macro, which a lab's file"),
    (r'.irp word,inc\n.\\word\\()bin \"/etc/passwd\"\n.endr', "uses .irp, which a lab's file"),
    (r'.altmacro', "uses .altmacro, which a lab's file"),
    (r'.cfi_escape 0x0f, 3, 0x2f, 0xfd, 0xff', "writes call frame information of its own (.cfi_escape)"),
    (r'.pushsection .debug_frame; .long 1; .popsection',
     "writes call frame information of its own (.debug_frame)"),
    (r'.pushsection \".debug\\137frame\"; .long 1; .popsection', "writes a section's name with a backslash"),
    (r'.print \"PASS\"', "uses .print, which a lab's file"),
])
def test_what_the_assembler_has_no_business_to_do_is_named(text, sentence, compiler, tmp_path):
    found = made_of(f'__asm__("{text}");', compiler, tmp_path)
    assert any(each.startswith(f"heap.c {sentence}") for each in found), found


def test_a_text_or_a_comment_is_no_directive(compiler, tmp_path):
    assert made_of(r"""
const char *const text = "\t.incbin \"/etc/passwd\"\n.macro\0.include";
__asm__(".pushsection .rodata; .balign 8; mine: .quad 1, 2; .asciz \"a.b\"; .popsection\n\t1: nop # see heap.c");
""", compiler, tmp_path) == []


@pytest.mark.parametrize("file", HONEST,
                         ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_an_honest_file_makes_honest_assembly(file, compiler, tmp_path):
    assert made_of(file.read_text(), compiler, tmp_path) == []


def test_what_went_into_a_file_that_does_not_compile_is_named(tmp_path):
    listed = tmp_path / "heap.c.includes"
    listed.write_text(". kernel/heap.h\n.. kernel/memory.h\n. labs/02-heap/../02-heap/heap.c\n")
    assert conduct.inspect(listed, "heap.c") == [
        "heap.c includes labs/02-heap/heap.c: only the headers in kernel/ are for the labs' files"]


def test_the_students_own_line_is_named_however_much_is_inlined(build):
    made = build("""#include "heap.h"
#include "cpu.h"
static inline void say(char byte)
{
	outb(0x3f8, byte);
}
void heap_init(void)
{
	say(1);
}
""")
    assert " in say (heap.c:5): " in conduct.offences(made, "heap.c")[0]


@pytest.mark.parametrize("source", [
    r'__asm__(".text; .type data,@object; data: out %al,%dx; .size data,1");',
    r'__asm__(".section .text.elsewhere,\"ax\"; out %al,%dx; .text");',
    r'__asm__(".section .text.as_data,\"a\"; out %al,%dx; .text");',
])
def test_an_instruction_is_found_wherever_there_is_code(source, build):
    assert conduct.offences(build(source), "heap.c") == [
        "heap.c does port I/O (out %al,(%dx)): only the drivers in kernel/ talk to ports"]


# ---- false names, and too much


F = "void f(void);\nvoid f(void) { }"


@pytest.mark.parametrize("source, claimed", [
    ('#line 7 "ktest.c"\n' + F, "ktest.c"),
    ('# 1 "kernel/ktest.c" 1\n' + F, "ktest.c"),
    (r'__asm__(".file \"ktest.c\"");', "ktest.c"),
    ('#line 5 "x frame.c"\n' + F, "x frame.c"),
    ('#line 5 "x heap.c"\n' + F, "x heap.c"),
    (r'#line 5 "x\ty: heap.c"' + "\n" + F, "x\\ty: heap.c"),
    ('#line 5 "harmless.h"\n' + F, "harmless.h"),
    ('#line 5 "elsewhere/heap.h"\n' + F, "heap.h"),
    ('#include "heap.h"\n#line 87 "kernel/heap.h"\n' + F, "heap.h, where line 88 makes no code"),
    ('#include "cpu.h"\n#line 1 "kernel/cpu.h"\n' + F, "cpu.h, where line 2 makes no code"),
])
def test_code_that_claims_to_be_from_another_file_is_named(source, claimed, build):
    found = conduct.offences(build(source), "heap.c")
    assert f"heap.c claims that its code is from {claimed}" in found


def test_there_is_an_end_to_what_is_named(build):
    uses = "".join(f"extern int mine{n}; int *p{n} = &mine{n};\n" for n in range(50))
    assert len(conduct.offences(build(uses), "heap.c")) == conduct.MAX_OFFENCES
    made = build('__asm__(".data; .fill 5 << 20, 1, 0x90");')
    assert conduct.offences(made, "heap.c") == [
        "heap.c makes an object of 5 MiB, too much to be looked into"]


@pytest.mark.parametrize("text, sentence", [
    (".fill 4000000, 1, 0x90", "3906 KiB of code and line numbers, too much to be looked into"),
    (".rept 300000; .loc 1 1; .loc 1 2; .endr; nop",
     "KiB of code and line numbers, too much to be looked into"),
    (r'.altmacro; .macro code n; .section .text.s\\n,\"ax\"; nop; .endm; .set i, 0; '
     ".rept 200; code %i; .set i, i + 1; .endr; .text",
     "201 sections of code, too many to be looked into"),
], ids=["code", "lines", "sections"])
def test_too_much_code_is_not_looked_into(text, sentence, build, monkeypatch):
    made = build(assembly(text))
    monkeypatch.setattr(conduct, "_run", lambda *_: pytest.fail("a tool was started"))
    found = conduct.offences(made, "heap.c")
    assert len(found) == 1 and found[0].endswith(sentence)


@pytest.mark.parametrize("how, why", [
    ("echo no such section >&2; exit 1", "no such section"),
    ("kill -XCPU $$", "exit status -24"),
    ("sleep 1000", "no end within 60 s"),
])
def test_an_object_that_no_tool_can_read_is_an_offence(how, why, build, tmp_path, monkeypatch):
    tool = tmp_path / "objdump"
    tool.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && exit\n{how}\n")
    tool.chmod(0o755)
    made = build(in_function("hidden()").replace("void", "extern int hidden(void);\nvoid", 1))
    really_run = subprocess.run

    def run(command, **options):
        """As if the time had passed already."""
        if how.startswith("sleep") and command[0] == str(tool):
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return really_run(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(conduct, "_tool", lambda name: {"objdump": str(tool)}.get(
        name, shutil.which(name)))
    assert conduct.offences(made, "heap.c") == [
        "heap.c uses hidden in heap_init (heap.c:6), which no header in kernel/ declares",
        f"heap.c makes an object that objdump cannot read: {why}"]


def test_a_tool_that_is_not_installed_is_nobodys_offence(build, monkeypatch):
    conduct._tool.cache_clear()
    made = build("int x;")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MachineError, match="objdump is not installed"):
        conduct.offences(made, "heap.c")


def test_an_object_that_is_not_well_formed_is_an_offence(build):
    made = build(r'__asm__(".section .data.x,\"aw\",@2; .quad 1; .text");')
    assert conduct.offences(made, "heap.c")[0].startswith("heap.c makes an object that ")


@pytest.mark.parametrize("flags", ["aM", "M"])
def test_a_second_table_of_symbols_hides_nothing(flags, build):
    name = ".rodata.x" if "a" in flags else ".symtab"
    made = build(rf'__asm__(".section {name},\"{flags}\",@2,24; .quad 1, 2, 3; .text; call kmain");')
    found, = conduct.offences(made, "heap.c")
    assert found == "heap.c uses kmain, which no header in kernel/ declares" \
        or found.startswith("heap.c makes an object that is not well-formed: ")     # pyelftools 0.32


def test_a_name_cannot_write_to_the_terminal(build):
    found = conduct.offences(build(r'__asm__(".data; .quad \"\x1b[31mx\"; .text");'), "heap.c")
    assert found == ["heap.c uses \\x1b[31mx, which no header in kernel/ declares"]


# ---- includes


def test_headers_of_the_kernel_and_of_the_compiler_are_fine(build):
    made = build('#include <stddef.h>\n#include <stdint.h>\n#include "heap.h"\n#include "ktest.h"\n')
    assert "kernel/heap.h" in Path(f"{made}.d").read_text()
    assert conduct.foreign_includes(Path(f"{made}.d"), "heap.c") == []


@pytest.mark.parametrize("line", [
    '#include "../labs/02-heap/heap.c"',
    f'#include "{ROOT}/labs/02-heap/heap.c"',
    '# 1 "x.h" 1 3\n#include "../labs/02-heap/heap.c"',
], ids=["relative", "absolute", "as-a-system-header"])
def test_a_solution_from_elsewhere_is_named(line, build):
    found = conduct.foreign_includes(Path(f"{build(line)}.d"), "heap.c")
    assert len(found) == 1 and found[0].startswith("heap.c includes ")
    assert "labs/02-heap/heap.c: only the headers in kernel/ are for the labs' files" in found[0]


@pytest.mark.parametrize("name", ["hidden solution.h", "solution.c", "/usr/include/../x.h"])
def test_a_dependency_file_is_read_as_make_reads_it(name, tmp_path):
    escaped = name.replace(" ", "\\ ")
    file = tmp_path / "x.d"
    file.write_text(f"x.o: labs/02-heap/heap.c \\\n kernel/heap.h \\\n  {escaped} kernel/./log.h\n\n"
                    f"kernel/heap.h:\n\nother.h:\n")
    assert len(conduct.foreign_includes(file, "heap.c")) == 1


# ---- the table


def test_every_name_of_the_kernel_is_known():
    last = f"LAB={max(lab.available())}"
    with (ROOT / make("elf", "print-ELF", last).splitlines()[-1]).open("rb") as elf:
        symbols = list(ELFFile(elf).get_section_by_name(".symtab").iter_symbols())
    names = {symbol.name for symbol in symbols if symbol["st_info"]["bind"] == "STB_GLOBAL"}
    offered = {name for name in conduct.declared() if conduct.is_offered(name)}
    assert offered <= names
    assert {name for name in names - set(conduct.declared())
            if not conduct.is_offered(name) and not name.startswith("ktest")} \
        <= {"kmain", "start", "trap_vectors"}
    open_headers = {conduct.declared()[name] for name in offered} - {"kernel/image.h"}
    assert {name for name in set(conduct.declared()) - offered
            if conduct.declared()[name] in open_headers} == {
        "clock_init", "clock_is_known", "console_announce", "console_copy_to", "console_divert_to",
        "console_enable_input", "console_init", "console_listen", "console_read", "console_show_last_words",
        "lockup_report", "memmap_init", "paging_init", "panic_record", "panic_stop",
        "spinlocks_end", "spinlocks_start", "stack_guard_name", "stack_has_frame", "symbol_find",
        "watchdog_allow", "watchdog_doubt", "watchdog_has_bitten", "watchdog_init", "watchdog_pet", "watchdog_stop"}
