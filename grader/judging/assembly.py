# SPDX-License-Identifier: MIT
"""What the assembler would be made to do by a student's file, found before it is assembled.

A statement of inline assembly can have the assembler read any file (.incbin), build other
statements from pieces (.macro, .irp), or write what the debugger is to believe of the stack
(.cfi_escape). So of the assembler's directives only those count as harmless that GCC writes, or
that a piece of inline assembly has a use for.

Relies on nothing: the text is read word by word, so that no quoting or comment can hide one.
"""
from __future__ import annotations

import re
from pathlib import Path

MAX_TEXT_BYTES = 16 << 20       # a lab's solution has 600 KiB
MAX_OFFENCES = 10

# A line that holds a text and nothing else.
_TEXT = re.compile(r'\t\.(?:string|ascii)\t"(?:[^"\\\n]|\\.)*"', re.ASCII)

# A word that starts with a dot and is no part of another word: a directive, a section, or a label.
_WORD = re.compile(r"(?<![\w.$@%])\.[A-Za-z_][\w.$]*", re.ASCII)

# Sources: what GCC 12 to 16 write for x86-64; GNU as, "Assembler Directives".
_DIRECTIVES = set("""
    file ident loc text data bss section globl global local comm hidden internal protected type size
    set equ align balign p2align byte 2byte 4byte 8byte value short word int long quad octa zero skip
    space string ascii asciz base64 uleb128 sleb128 pushsection popsection previous subsection weak
    intel_syntax att_syntax code64
    cfi_sections cfi_startproc cfi_endproc cfi_def_cfa cfi_def_cfa_offset cfi_def_cfa_register
    cfi_adjust_cfa_offset cfi_offset cfi_rel_offset cfi_register cfi_restore cfi_undefined
    cfi_same_value cfi_remember_state cfi_restore_state
""".split())

# What may follow .cfi_escape: the rules that GCC writes where a function aligns its stack, "the CFA
# is what is at rbp - n", and "the register was saved at rbp + n". (DWARF 5, section 6.4.2)
_ESCAPE = re.compile(r"\.cfi_escape 0x(?:f,0x[23]|10,0x[0-9a-f]+,0x[23]),0x7[0-9a-f]"
                     r"(?:,0x[0-9a-f]{1,2}){1,2}(?:,0x6)?", re.ASCII)

# What GCC says where it wants no other call frame information than the debugger's.
_FRAMES = "\t.cfi_sections\t.debug_frame"

# Of sections, and what follows GCC's names for them. judging/conduct.py looks at their flags.
_SECTIONS = re.compile(r"\.(?:text|rodata|data|bss|debug_(?!frame)\w+|note|spinlocks|comment|ktests|"
                       r"init_array|multiboot2)(?:\.[\w.$-]*)?", re.ASCII)


def _offence(word: str, line: str) -> str:
    """What the word makes the assembler do that it has no business to; "" if nothing."""
    name = word[1:].lower()
    if word.startswith(".L") or name in _DIRECTIVES or _SECTIONS.fullmatch(word):
        return ""
    if name == "cfi_escape" and _ESCAPE.fullmatch(" ".join(line.split())):
        return ""
    if name in ("incbin", "include"):
        return f"makes the assembler read a file (.{name})"
    if name == "cfi_escape" or word == ".debug_frame":
        return f"writes call frame information of its own ({word})"
    return f"uses {word[:40]}, which a lab's file must not use"


def offences(assembly: Path, source: str) -> list[str]:
    """
    The offences that the assembler would commit for a student's file: a sentence each, at most
    MAX_OFFENCES. `source` is the path of the C file that `assembly` was made of.
    """
    name = Path(source).name
    if assembly.stat().st_size > MAX_TEXT_BYTES:
        return [f"{name} makes {assembly.stat().st_size >> 20} MiB of assembly language, too much "
                "to be looked into"]
    found: dict[str, None] = {}             # in order, each once
    for line in assembly.read_text(errors="replace").splitlines():
        if line == _FRAMES or _TEXT.fullmatch(line):
            continue
        if "section" in line and "\\" in line:
            found[f"{name} writes a section's name with a backslash"] = None
        for word in _WORD.findall(line):
            if offence := _offence(word, line):
                found[f"{name} {offence}"] = None
    return list(found)[:MAX_OFFENCES]
