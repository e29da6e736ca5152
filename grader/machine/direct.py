# SPDX-License-Identifier: MIT
"""A kernel that QEMU itself starts, without GRUB: a boot takes a quarter of the time.

QEMU loads a 32-bit ELF file with a Multiboot 1 header. This makes one of the kernel's segments and
one more behind them: a few instructions, what GRUB would tell the kernel, and the boot module. The
kernel finds itself as GRUB leaves it.

Sources: Multiboot Specification 0.6.96, section 3.1.1 (header); Multiboot2 Specification 2.0,
sections 3.3 (state at entry) and 3.6 (information); QEMU, hw/i386/multiboot.c.
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
MOV_EAX, MOV_EBX, JMP = b"\xb8", b"\xbb", b"\xe9"
CODE_BYTES = 16                                     # of the three, padded
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
    code = (MOV_EAX + struct.pack("<I", MULTIBOOT2_SAYS) + MOV_EBX + struct.pack("<I", start + CODE_BYTES)
            + JMP + struct.pack("<i", entry - (start + CODE_BYTES - 1)))
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
