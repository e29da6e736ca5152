# SPDX-License-Identifier: MIT
"""A kernel that QEMU itself starts, without GRUB: a boot takes a quarter of the time.

QEMU loads a 32-bit ELF file with a Multiboot 1 header. This makes one of the kernel's segments and
one more behind them: a few instructions, what GRUB would tell the kernel, and the boot module. The
kernel finds itself as GRUB leaves it, and the local APIC as a PC's firmware does: in virtual wire
mode, in which the PIC's interrupts and NMIs reach the CPU.

Sources: Multiboot Specification 0.6.96, section 3.1.1 (header); Multiboot2 Specification 2.0,
sections 3.3 (state at entry) and 3.6 (information); QEMU, hw/i386/multiboot.c; MultiProcessor
Specification 1.4, section 3.6.2.2 (virtual wire mode); Intel SDM volume 3A, "Local Vector Table".
"""
from __future__ import annotations

import struct
from pathlib import Path

from elftools.elf.elffile import ELFFile

MULTIBOOT, MULTIBOOT2_SAYS = 0x1badb002, 0x36d76289
COMMAND_LINE, MODULE, MEMORY_MAP, END = 1, 3, 6, 0          # tags
AVAILABLE, RESERVED = 1, 2
MIB, ROM, ACPI = 1 << 20, 0x9f000, 0x20000          # where SeaBIOS keeps something of its own
LOW, SPLIT, HIGH = 3 << 30, 0xe0000000, 4 << 30     # with SPLIT bytes or more, RAM above LOW lies at HIGH
MOV_EAX, MOV_EBX, JMP, STORE = b"\xb8", b"\xbb", b"\xe9", b"\xc7\x05"
CODE_BYTES = 48                                     # of all, padded
APIC_ENABLED = 0xfee000f0, 0x1ff                    # spurious-interrupt vector register
LINT0_EXTINT, LINT1_NMI = (0xfee00350, 0x8700), (0xfee00360, 0x8400)
EM_386, ET_EXEC, PT_LOAD, RWX = 3, 2, 1, 7
HEADER_BYTES, SEGMENT_BYTES = 52, 32                # of a 32-bit ELF file
PAGE_BYTES = 4096


def _padded(data: bytes, align: int) -> bytes:
    return data + b"\0" * (-len(data) % align)


def _tag(kind: int, body: bytes) -> bytes:
    return _padded(struct.pack("<II", kind, 8 + len(body)) + body, 8)


def _information(command_line: str, mem_bytes: int, module: range) -> bytes:
    """What GRUB would say: the command line, the boot module, and which memory there is."""
    low = LOW if mem_bytes >= SPLIT else mem_bytes
    ranges = [(0, ROM, AVAILABLE), (ROM, MIB, RESERVED), (MIB, low - ACPI, AVAILABLE),
              (low - ACPI, low, RESERVED)]
    if mem_bytes > low:
        ranges.append((HIGH, HIGH + mem_bytes - low, AVAILABLE))
    memory_map = struct.pack("<II", 24, 0) + b"".join(
        struct.pack("<QQII", start, end - start, kind, 0) for start, end, kind in ranges)
    tags = _tag(COMMAND_LINE, command_line.encode() + b"\0")
    if module:
        tags += _tag(MODULE, struct.pack("<II", module.start, module.stop) + b"initramfs\0")
    tags += _tag(MEMORY_MAP, memory_map) + _tag(END, b"")
    return struct.pack("<II", 8 + len(tags), 0) + tags


def fits(kernel: Path, mem_bytes: int) -> bool:
    """Is there room for a kernel, and for as much again? If not, GRUB can say what the matter is."""
    with kernel.open("rb") as file:
        end = max(part["p_paddr"] + part["p_memsz"] for part in ELFFile(file).iter_segments("PT_LOAD"))
    return end <= min(mem_bytes, LOW) // 2


def make(kernel: Path, command_line: str, mem_bytes: int, module: bytes = b"") -> bytes:
    """The file for QEMU's -kernel, for a kernel that fits."""
    with kernel.open("rb") as file:
        elf = ELFFile(file)
        segments = [(part["p_paddr"], part["p_memsz"], part.data())
                    for part in elf.iter_segments("PT_LOAD")]
        entry = elf["e_entry"]
    start = -(-max(address + size for address, size, _ in segments) // PAGE_BYTES) * PAGE_BYTES
    code = b"".join(STORE + struct.pack("<II", *what) for what in (APIC_ENABLED, LINT0_EXTINT, LINT1_NMI))
    code += MOV_EAX + struct.pack("<I", MULTIBOOT2_SAYS) + MOV_EBX + struct.pack("<I", start + CODE_BYTES)
    code += JMP + struct.pack("<i", entry - (start + len(code) + 5))
    brought = range(start + PAGE_BYTES, start + PAGE_BYTES + len(module))
    more = (_padded(code, CODE_BYTES) + _information(command_line, mem_bytes, brought)).ljust(PAGE_BYTES, b"\0")
    segments.append((start, len(more) + len(module), more + module))

    offset = HEADER_BYTES + len(segments) * SEGMENT_BYTES
    header = b"\x7fELF\1\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIIIIIHHHHHH", ET_EXEC, EM_386, 1, start, HEADER_BYTES, 0, 0, HEADER_BYTES, SEGMENT_BYTES,
        len(segments), 0, 0, 0)
    contents = struct.pack("<III", MULTIBOOT, 0, -MULTIBOOT & 0xffffffff)
    for address, size, data in segments:
        header += struct.pack("<8I", PT_LOAD, offset + len(contents), address, address, len(data), size,
                              RWX, 1)
        contents += data
    return header + contents
