# SPDX-License-Identifier: MIT
"""Names what a student's file does but must not: from its compiled object and its dependency file.

A lab's file needs memory, locks, strings, the log and panic(). It must not touch the test harness,
the command line, ports, or the CPU's tables. offences() allows the names that _OFFERED lists of each
header in kernel/, and reports all others. foreign_includes() reports files that were compiled in.
inspect() does all of it, for course/build.py.

This finds offences that are written in C or in assembly. It cannot find an address written as a
number, nor an instruction inside another one.

Relies on pyelftools, and on binutils' objdump and addr2line, those of the Makefile's compiler.
"""
from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from itertools import chain, islice
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import Section, StringTableSection, Symbol, SymbolTableSection

from course.archive import shown
from judging import assembly
from machine import sandbox
from machine.host import ROOT, MachineError
from machine.image import section_flags
from machine.tools import binutil

TOOL_LIMIT = 60             # seconds of the host's time; a tool has less of the processor's
MAX_OBJECT_BYTES = 4 << 20  # a lab's solution has about 60 KiB, most of it for the debugger
MAX_CODE_BYTES = 256 << 10  # with its line numbers, which are 7 KiB in a lab's solution
MAX_CODE_SECTIONS = 100
MAX_OFFENCES = 10           # named of one file
MAX_LETTERS = 200           # of one sentence: a name can be of any length

# What a lab's file may use: patterns of the names that each header in kernel/ declares.
_OFFERED = {
    "backtrace.h": "backtrace_print",
    "clock.h": "clock_ms clock_instructions",
    "console.h": "console_write console_printf console_vprintf console_fresh_line console_sink",
    "format.h": "*",
    "frame.h": "*",
    "heap.h": "*",
    "image.h": "image_start image_end",
    "log.h": "*",
    "memmap.h": "memmap_[!i]*",         # all but memmap_init
    "pages.h": "*",
    "paging.h": "paging_lookup",
    "panic.h": "panic todo",
    "random.h": "*",
    "rescue.h": "*",
    "slab.h": "*",
    "spinlock.h": "spin_* spinlock_*",
    "string.h": "*",
    "watchdog.h": "watchdog_progress",
}

# What a file of tests may use beside that, what KTEST(catch, …) defines in it, and where.
_OFFERED_TO_TESTS = {"ktest_fail", "ktest_skip", "ktest_note", "ktest_progress", "ktest_random",
                     "ktest_rescue", "ktest_interrupt",
                     "ktest_catch_begin", "ktest_catch_missed", "ktest_catch_end", "ktest_calls", "panic_record",
                     "__cyg_profile_func_enter", "__cyg_profile_func_exit"}
_OF_TESTS = re.compile(r"ktest_((entry|outcome)_)?catch_\w+(\.\w+)*", re.ASCII)
_SECTION_OF_TESTS = ".ktests"

# What one of them may use besides, as its contract asks for it.
_OFFERED_TO = {
    "lockup.c": "this_cpu spinlocks_start spinlocks_end stack_has_frame symbol_find rodata_start "
                "rodata_end",
}

# Whose contract stands in the header of another file.
_HEADER_OF = {"log_console.c": "log.h"}

# What the compiler itself calls.
_RUNTIME = re.compile(r"__ubsan_handle_\w+|__stack_chk_(fail|guard)")

# Headers that exist to test the kernel, to end it, or to tell it what to test; and the names of
# variables, file-private ones included, that the grader reads.
_HARNESS = {"ktest.h", "ktest_log.h", "ktest_step.h", "machine.h", "options.h", "trace.h", "watchdog.h"}
_HARNESS_NAMES = re.compile(r"ktests?_.*|(frame|heap)_trace|monitor_prompts")

# A section's name, and its flags (W, A, X as readelf prints them). boot/kernel.ld.in places all
# of these, or discards them; the linker keeps what is for the debugger.
_SECTIONS = tuple((re.compile(pattern, re.ASCII), flags) for pattern, flags in (
    (r"\.text(\.[\w.-]+)?", {"AX"}),
    (r"\.rodata(\.[\w.-]+)?", {"A"}),
    (r"\.(data|bss)(\.[\w.-]+)?|\.spinlocks", {"WA"}),
    (r"\.debug_(info|abbrev|types|line|str|line_str|aranges|ranges|rnglists|loc|loclists|frame|"
     r"macro)|\.(comment|symtab|strtab|shstrtab)|\.rela\.[\w.-]+", {""}),
    (r"\.note\.[\w.-]+|\.eh_frame", {"", "A", "X", "AX"}),
))

# A header in kernel/, or one that came with the compiler.
_HEADER = re.compile(r"kernel/\w+\.h|/.*/lib\w*/gcc[\w-]*/.*/include/.*\.h", re.ASCII)

# Of objdump's line table: a directory and a file, with numbers, and a line that made code.
_LINE_DIRECTORY = re.compile(r"  (\d+)\t(?:\([^()]*\): )?([^\t]*)")
_LINE_FILE = re.compile(r"  \d+\t(\d+)\t(?:\d+\t\d+\t)?(?:\([^()]*\): )?(.*)")
_LINE_OF_HEADER = re.compile(r"(\w+\.h) +(\d+) .*")

_PREFIX = r"(?:(?:lock|rep\w*|data16|addr32|bnd|notrack|x(?:acquire|release)|[c-gs]s|rex\S*)\s+)*"
_INSTRUCTION = re.compile(rf"\s*([0-9a-f]+):\t({_PREFIX}(\S+).*)")

# Mnemonics as objdump prints them, what they do, and why not here. cli, sti, pushf, popf, pause,
# rdtsc, int3 and ud2 are fine. Source: Intel SDM volume 2, AMD APM volume 3.
_FORBIDDEN = [(re.compile(pattern), does, why) for pattern, does, why in (
    (r"(in|out)[bwl]?|(ins|outs)[bwl]",
     "does port I/O", "only the drivers in kernel/ talk to ports"),
    (r"hlt|u?mwaitx?|u?monitorx?|tpause",
     "stops the CPU", "only kernel/ waits or ends"),
    (r"[ls](gdt|idt|ldt|msw)|ltr|str|(rd|wr)msr\w*|rdpmc|xsetbv|clts|swapgs|wr[fg]sbase|"
     r"inv\w+|wb(no)?invd|l[fgs]s",
     "reaches for the CPU's own state", "only kernel/ sets up the CPU"),
    (r"int|int1|into|iret\w?|syscall|sysret\w?|sysenter|sysexit\w?|l(call|jmp|ret)\w?|rsm|"
     r"uiret|eret[su]",
     "leaves the kernel's ordinary flow of control", "only kernel/ enters and leaves traps"),
    (r"vm(m?call|func|launch|resume|run|load|save|xon|xoff|clear|ptrld|ptrst|read|write)|"
     r"stgi|clgi|skinit|encl[suv]",
     "talks to the machine beneath the kernel", "only the grader does"),
    (r"\(bad\)",
     "has bytes in its code that are no instruction", "they could hide one"),
)]
_MOVE = re.compile(r"%(cr|db|dr|tr)\d|^mov\w?\s.*,%[c-gs]s$|^pop\w?\s+%[c-gs]s$")

# What changes the frame or the stack pointer, and how a function's start and its end do so. An
# address of anybody's frame in them leads past whoever has called.
_STACK = re.compile(r"(?!cmp|test|push|call|jmp|bt\w?\s)\S+\s(?:.*,\s*)?%(?:[re]?[sb]p|[sb]pl)"
                    r"|xchg\w?\s.*%[re]?[sb]pl?\b.*|enter\w?\b.*")
_START_OR_END = re.compile(r"(?:mov\s+%rsp,|pop\s+)%rbp|(?:sub|add|and)\s+(?:\$-?0x[0-9a-f]+|%r\w+),%rsp"
                           r"|lea\s+(?:-0x[0-9a-f]+\(%rbp\)|-0x8\(%r10\)),%rsp")
_STEERS = ("moves the frame or the stack pointer", "a function's start and its end do that alone")
_MOVES = ("moves a control, debug or segment register", "only kernel/ sets up the CPU")


class _Unreadable(Exception):
    """A tool of binutils cannot cope with the object. The message says which, and why."""


@cache
def _tool(name: str) -> str:
    """A program of binutils. Raises MachineError."""
    return binutil(name)


def _run(tool: str, *arguments: str) -> list[str]:
    """A tool's output by lines. Raises _Unreadable, or MachineError if the tool itself does not work."""
    try:
        return subprocess.run(
            [_tool(tool), *arguments], capture_output=True, encoding="utf-8", errors="replace",
            stdin=subprocess.DEVNULL, timeout=TOOL_LIMIT, check=True, env=sandbox.environment(),
            preexec_fn=sandbox.COMPILE.apply).stdout.splitlines()
    except subprocess.TimeoutExpired:
        raise _Unreadable(f"{tool} cannot read: no end within {TOOL_LIMIT} s") from None
    except OSError as error:
        raise MachineError(f"{tool} cannot be started: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip() or f"exit status {error.returncode}"
        if error.returncode == -signal.SIGKILL:         # for want of memory: our limits give other signals
            raise MachineError(f"the host has killed {tool}: it may lack memory") from None
        if arguments != ("--version",):
            try:
                _run(tool, "--version")                 # is it the object's fault, then?
            except _Unreadable as broken:
                raise MachineError(f"{tool} does not work: {broken}") from None
        raise _Unreadable(f"{tool} cannot read: {why}") from None


@cache
def declared() -> dict[str, str]:
    """Where each global name of the kernel is declared: a header in kernel/, or the linker script."""
    names = {name: "boot/kernel.ld.in" for name in re.findall(
        r"^\s*(\w+) = ", (ROOT / "boot/kernel.ld.in").read_text(), re.MULTILINE)}
    for header in ROOT.glob("kernel/*.h"):
        text = header.read_text()
        functions = re.findall(r"^(?!static )[A-Za-z_][\w *]*[ *](\w+)\(", text, re.MULTILINE)
        variables = [name for line in re.findall(r"^extern ([^(;]*);", text, re.MULTILINE)
                     for name in re.findall(r"(\w+)(?=\[|,|$)", line)]
        names |= dict.fromkeys(functions + variables, f"kernel/{header.name}")
    return names


@cache
def _inline_lines(header: str) -> set[int]:
    """Which lines of a header in kernel/ make code: those of its inline functions."""
    found, inside = set(), False
    for number, line in enumerate((ROOT / header).read_text().splitlines(), 1):
        inside = inside or line.startswith("static inline ")
        if inside:
            found.add(number)
        inside = inside and line != "}"
    return found


def _has_tests(source: str) -> bool:
    """Is it a file of the student's own tests?"""
    return source.endswith("_test.c")


def is_offered(name: str, source: str = "") -> bool:
    """May a lab's file use this name of another file? Any of them, or that one."""
    if _has_tests(source) and name in _OFFERED_TO_TESTS:
        return True
    patterns = _OFFERED.get(declared().get(name, "").removeprefix("kernel/"), "").split()
    return any(fnmatchcase(name, pattern) for pattern in patterns) \
        or name in _OFFERED_TO.get(source, "").split() or _RUNTIME.fullmatch(name) is not None


def _owner(name: str) -> str:
    """The owner of a name that a lab's file must not use."""
    header = declared().get(name)
    if (header or "").removeprefix("kernel/") in _HARNESS or _HARNESS_NAMES.fullmatch(name):
        return "the test harness"
    return header or ""


class _Object:
    """One object file that is being looked into."""

    def __init__(self, path: Path, elf: ELFFile, source: str):
        self.path = path
        self.source = source
        self.sections: list[Section] = list(elf.iter_sections())
        self.symbols: list[Symbol] = [      # of the table that has names: it is the assembler's
            symbol for section in self.sections if isinstance(section, SymbolTableSection)
            and isinstance(section.stringtable, StringTableSection)
            for symbol in section.iter_symbols() if symbol.name]

    @property
    def code(self) -> list[Section]:
        return [section for section in self.sections
                if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR and section["sh_size"]]

    def place(self, section: str, offset: int) -> str:
        """ in FUNCTION (FILE:LINE), for a byte of code: with a space before it, or empty."""
        lines = _run("addr2line", "-ifs", "-e", str(self.path), "-j", section, hex(offset))
        calls = [(function, line.partition(" ")[0])     # innermost first, what is inlined included
                 for function, line in zip(lines[::2], lines[1::2])
                 if function != "??" and "?" not in line]
        ours = [call for call in calls if call[1].startswith(f"{self.source}:")] or calls[-1:]
        return f" in {ours[0][0]} ({ours[0][1]})" if ours else ""

    def place_of_use(self, name: str) -> str:
        """The place of the first code that refers to a symbol."""
        for section in self.sections:
            if not isinstance(section, RelocationSection):
                continue
            code, table = self.sections[section["sh_info"]], self.sections[section["sh_link"]]
            if code not in self.code:
                continue
            for relocation in section.iter_relocations():
                if table.get_symbol(relocation["r_info_sym"]).name == name:
                    return self.place(code.name, relocation["r_offset"])
        return ""


def _of_size(obj: _Object) -> Iterator[str]:
    """More code than can be looked into."""
    nr_bytes = sum(section.data_size for section in obj.sections
                   if "X" in section_flags(section) or section.name == ".debug_line")
    if nr_bytes > MAX_CODE_BYTES:
        yield f"{obj.source} makes {nr_bytes >> 10} KiB of code and line numbers, too much to be " \
              "looked into"
    if len(obj.code) > MAX_CODE_SECTIONS:
        yield f"{obj.source} makes {len(obj.code)} sections of code, too many to be looked into"


def _of_symbols(obj: _Object) -> Iterator[str]:
    """Names that the file uses or defines and that are not its own."""
    own = "kernel/" + _HEADER_OF.get(obj.source, Path(obj.source).with_suffix(".h").name)
    for symbol in obj.symbols:
        name, owner, bind = symbol.name, _owner(symbol.name), symbol["st_info"]["bind"]
        if symbol["st_info"]["type"] == "STT_FILE":
            continue
        if symbol["st_shndx"] == "SHN_UNDEF":
            if not is_offered(name, obj.source):
                yield f"{obj.source} uses {name}{obj.place_of_use(name)}, which " + (
                    f"{owner} does not offer to the labs" if "/" in owner else
                    f"belongs to {owner}" if owner else "no header in kernel/ declares")
        elif owner not in ("", own) and not (_has_tests(obj.source) and name not in declared()
                                             and _OF_TESTS.fullmatch(name)):
            yield f"{obj.source} defines {name}, a name that belongs to {owner}"
        elif bind not in ("STB_LOCAL", "STB_GLOBAL") or symbol["st_shndx"] == "SHN_COMMON":
            yield f"{obj.source} defines {name} so that another file's {name} takes its place"


def _of_sections(obj: _Object) -> Iterator[str]:
    """Sections that an ordinary C file does not have."""
    for section in obj.sections[1:]:            # the first is always empty
        name, flags = section.name, section_flags(section)
        allowed = next((allowed for pattern, allowed in _SECTIONS if pattern.fullmatch(name)), None)
        if name == _SECTION_OF_TESTS and _has_tests(obj.source):
            allowed = {"A"}
        if allowed is None:
            yield f"{obj.source} puts data into section {name}, " + (
                "where the kernel keeps its tests" if name == ".ktests" else
                "which a lab's file has no use for")
        elif flags not in allowed:
            yield f"{obj.source} gives section {name} the flags {flags!r}, not those of its name"


def _of_lines(obj: _Object) -> Iterator[str]:
    """Source files that the code claims to be from: the debugger, and so the autopsy, believes it."""
    claimed = {symbol.name for symbol in obj.symbols if symbol["st_info"]["type"] == "STT_FILE"}
    directories: dict[str, str] = {}
    for line in _run("objdump", "--dwarf=rawline", str(obj.path)):
        if match := _LINE_FILE.fullmatch(line):
            path = os.path.normpath(f"{directories.get(match[1])}/{match[2]}")
            claimed |= set() if _HEADER.fullmatch(path) else {match[2]}
        elif match := _LINE_DIRECTORY.fullmatch(line):
            directories[match[1]] = match[2]
    for line in _run("objdump", "-w", "--dwarf=decodedline", str(obj.path)):
        if (match := _LINE_OF_HEADER.fullmatch(line)) and (ROOT / "kernel" / match[1]).exists() \
                and int(match[2]) not in _inline_lines(f"kernel/{match[1]}"):
            claimed.add(f"{match[1]}, where line {match[2]} makes no code")
    for name in sorted(claimed - {obj.source, "<built-in>"}):
        yield f"{obj.source} claims that its code is from {name}"


def _as_any_objdump(text: str) -> str:
    """
    An instruction as every version of objdump would print it: without the segment that is taken
    anyway, and with 16 bits of a register where the instruction takes no more.
    """
    text = re.sub(r"%[de]s:(?=\()", "", " ".join(text.split()))
    if re.match(r"(ltr|lldt|lmsw|str|sldt|smsw) ", text):
        text = re.sub(r"%[er]([a-d]x|[sd]i|[sb]p)\b", r"%\1", text)
    return text


def _steers(text: str) -> bool:
    """Does an instruction give the frame or the stack pointer what no function's start or end does?"""
    text = " ".join(text.partition("#")[0].split())
    return bool(_STACK.fullmatch(text)) and not _START_OR_END.fullmatch(text)


def _of_instructions(obj: _Object) -> Iterator[str]:
    """Instructions that only the base kernel has a use for; the first of each kind."""
    named = set()
    for section in obj.code:                    # -D: also what claims to be data
        for line in _run("objdump", "-D", "-w", "--no-show-raw-insn", "-j", section.name,
                         str(obj.path)):
            match = _INSTRUCTION.match(line)
            if not match:
                continue
            offset, text, mnemonic = match.groups()
            reason = next(((does, why) for pattern, does, why in _FORBIDDEN
                           if pattern.fullmatch(mnemonic)),
                          _MOVES if _MOVE.search(text) else _STEERS if _steers(text) else None)
            if reason and reason not in named:
                named.add(reason)
                yield f"{obj.source} {reason[0]} ({_as_any_objdump(text)})" \
                      f"{obj.place(section.name, int(offset, 16))}: {reason[1]}"


def offences(obj: Path, source: str) -> list[str]:
    """
    The offences of a student's compiled file: a sentence each, at most MAX_OFFENCES. `source` is the
    file's name, as "heap.c". Raises MachineError.
    """
    name = Path(source).name
    if (nr_bytes := obj.stat().st_size) > MAX_OBJECT_BYTES:
        return [f"{name} makes an object of {nr_bytes >> 20} MiB, too much to be looked into"]
    found: list[str] = []
    try:
        with obj.open("rb") as file:
            opened = _Object(obj, ELFFile(file), name)
            found += _of_size(opened)
            if not found:
                found.extend(islice(chain(_of_symbols(opened), _of_sections(opened), _of_lines(opened),
                                          _of_instructions(opened)), MAX_OFFENCES))
    except _Unreadable as error:
        found.append(f"{name} makes an object that {error}")
    except ELFError as error:
        found.append(f"{name} makes an object that is not well-formed: {error}")
    return [shown(sentence[:MAX_LETTERS]) for sentence in found]


# ---- what was compiled in

def _foreign(names: Iterable[str], source: str) -> list[str]:
    """A sentence for each of these files that is no header in kernel/ or of the compiler's."""
    paths = (os.path.normpath(name) for name in names)
    return [shown(f"{Path(source).name} includes {path}: only the headers in kernel/ are for the "
                  "labs' files"[:MAX_LETTERS])
            for path in islice((path for path in paths if not _HEADER.fullmatch(path)), MAX_OFFENCES)]


def foreign_includes(dependencies: Path, source: str) -> list[str]:
    """
    Files other than kernel/*.h that went into a student's file: a sentence each. `dependencies`
    is what the compiler wrote for make (-MD; -MMD leaves out what a line marker calls a system
    header).
    """
    rule = dependencies.read_text(errors="replace").replace("\\\n", " ").partition("\n")[0]
    names = re.split(r"(?<!\\)\s+", rule.partition(": ")[2].strip())
    return _foreign((name.replace("\\ ", " ") for name in names[1:]), source)   # after the file itself


def foreign_headers(listed: Path, source: str) -> list[str]:
    """The same for a file that does not compile, from what the compiler lists meanwhile (-H)."""
    return _foreign((line.lstrip(".").strip() for line in
                     listed.read_text(errors="replace").splitlines()), source)


def inspect(made: Path, source: str) -> list[str]:
    """
    All offences of a student's file, a sentence each, as far as `made` shows them. `made` is the object,
    or the assembly language that the compiler made of the file (OBJECT.s, with the compiler's
    dependency file beside it), or the list of what a file that does not compile includes (.includes).
    Raises MachineError.
    """
    match made.suffix:
        case ".s":
            return foreign_includes(Path(f"{made}.d"), source) + assembly.offences(made, source)
        case ".includes":
            return foreign_headers(made, source)
    return offences(made, source)
