# SPDX-License-Identifier: MIT
"""The corpus: inputs of every kind that a target knows, from which fuzzing starts.

`make test` tries each of them. An input that fuzzing has found is here too, once its cause is mended: so
the corpus itself is the test that fails without the mend.
"""
from __future__ import annotations

import struct

# ---- archives: kernel/initramfs.h

FILE, DIRECTORY, LINK = 0o100644, 0o040755, 0o120777


def entry(name: bytes, contents: bytes = b"", mode: int = FILE, inode: int = 0, nr_links: int = 1,
          magic: bytes = b"070701", nul: bytes = b"\0", name_bytes: int | None = None,
          file_bytes: int | None = None) -> bytes:
    """One file of an archive, padded. Two sizes can be others than they should be."""
    def padded(part: bytes) -> bytes:
        return part + b"\0" * (-len(part) % 4)
    fields = [inode, mode, 0, 0, nr_links, 1767225600,
              len(contents) if file_bytes is None else file_bytes, 8, 1, 0, 0,
              len(name) + 1 if name_bytes is None else name_bytes, 0]
    header = magic + b"".join(b"%08x" % field for field in fields)
    return padded(header + name + nul) + padded(contents)


TRAILER = entry(b"TRAILER!!!", mode=0)
MOTD = entry(b"etc/motd", b"hello\n", inode=2)
SMALL = entry(b"etc", mode=DIRECTORY) + MOTD + TRAILER


def odd(name: bytes, **fields: int | bytes) -> bytes:
    """An archive whose second entry is odd."""
    return MOTD + entry(name, b"x", **fields) + TRAILER


ARCHIVES = {
    "empty": b"", "trailer": TRAILER, "small": SMALL, "no-trailer": MOTD,
    "cut-header": SMALL[:60], "cut-name": SMALL[:112], "cut-contents": MOTD[:-3],
    "bad-magic": b"070703" + SMALL[6:], "bad-digit": SMALL[:20] + b"g" + SMALL[21:],
    "upper-case": SMALL[:6] + SMALL[6:110].upper() + SMALL[110:],
    "dots": entry(b".", mode=DIRECTORY) + entry(b"./a", b"1") + entry(b"./TRAILER!!!", b"2") + TRAILER,
    "twice": MOTD + entry(b"etc/motd", b"later\n") + TRAILER,

    "absolute": odd(b"/etc/motd"), "above": odd(b"a/../b"), "dot": odd(b"a/./b"),
    "slashes": odd(b"a//b"), "slash-last": odd(b"etc/"), "no-name": odd(b""),
    "name-of-0": odd(b"", name_bytes=0), "name-of-255": odd(b"n" * 255),
    "name-too-long": odd(b"n" * 256), "name-huge": odd(b"a", name_bytes=2**32 - 1),
    "no-nul": odd(b"abc", nul=b"!"), "nul-inside": odd(b"a\0b"),
    "utf-8": odd("schön/蛇".encode()), "control": odd(b"a\x1b[2Jb\n"),
    "contents-huge": odd(b"a", file_bytes=2**32 - 1),

    "link": entry(b"a", b"etc/motd", mode=LINK) + TRAILER,
    "device": entry(b"dev/null", mode=0o020666) + TRAILER,
    "hard-links": entry(b"a", inode=7, nr_links=3) + entry(b"b", inode=7, nr_links=3)
                  + entry(b"c", b"all of it", inode=7, nr_links=3) + TRAILER,
    "hard-links-cut": entry(b"a", inode=7, nr_links=2) + entry(b"b", b"it", inode=7, nr_links=2),

    "two-archives": MOTD + TRAILER + b"\0" * 512 + entry(b"second", b"2") + TRAILER,
    "padded": b"\0" * 512 + SMALL, "padded-after": SMALL + b"\0" * 508,
    "padded-oddly": b"\0\0\0" + SMALL,
    "gzip": b"\x1f\x8b\x08" + b"\0" * 60, "xz": b"\xfd7zXZ\0" + b"\0" * 60,
    "zstd": b"\x28\xb5\x2f\xfd" + b"\0" * 60, "old-binary": b"\xc7\x71" + b"\0" * 60,
    "odc": b"070707" + b"0" * 70, "checksums": odd(b"a", magic=b"070702"),

    # the directory's table grows once
    "many": b"".join(entry(b"%d" % number, b"x", inode=number) for number in range(50)) + TRAILER,
}


# ---- the boot loader's information: kernel/bootinfo.h. Before each structure, where it lies.

AVAILABLE, RESERVED = 1, 2
MIB = 1 << 20


def tag(kind: int, body: bytes = b"", nr_bytes: int | None = None) -> bytes:
    """One tag, padded. Its size can be another than it should be."""
    tagged = struct.pack("<II", kind, 8 + len(body) if nr_bytes is None else nr_bytes) + body
    return tagged + b"\0" * (-len(tagged) % 8)


END = tag(0)


def command_line(text: bytes) -> bytes:
    return tag(1, text + b"\0")


def module(start: int, end: int, name: bytes = b"initramfs") -> bytes:
    return tag(3, struct.pack("<II", start, end) + name + b"\0")


def memory(*ranges: tuple[int, int, int], entry_bytes: int = 24, version: int = 0) -> bytes:
    """The memory map: base, length and type of each range."""
    entries = b"".join(struct.pack("<QQII", *each, 0).ljust(entry_bytes, b"\0") for each in ranges)
    return tag(6, struct.pack("<II", entry_bytes, version) + entries)


def structure(*tags: bytes, base: int = 0x9000) -> bytes:
    body = b"".join(tags)
    return struct.pack("<III", base, 8 + len(body), 0) + body


RAM = (MIB, 127 * MIB, AVAILABLE)
BIOS = (0, 0x9fc00, AVAILABLE), (0x9fc00, 0x400, RESERVED), RAM, (0xfffc0000, 0x40000, RESERVED)


def boots(*ranges: tuple[int, int, int], words: bytes = b"log=info", modules: bytes = b"") -> bytes:
    """The usual structure, with these ranges."""
    return structure(command_line(words), tag(2, b"GRUB 2.06\0"), modules, memory(*ranges), END)


INFORMATION = {
    "usual": boots(*BIOS, modules=module(8 * MIB, 9 * MIB)),
    "nothing": structure(), "end-only": structure(END), "no-end": structure(memory(RAM)),
    "unaligned": structure(memory(RAM), END, base=0x9004),
    "unknown-tag": structure(tag(77, b"?" * 5), memory(RAM), END),
    "tag-too-short": structure(tag(1, nr_bytes=7), END),
    "tag-too-long": structure(memory(RAM), tag(1, nr_bytes=99)),
    "tag-huge": structure(tag(1, nr_bytes=2**32 - 1), memory(RAM), END),
    "no-nul": structure(tag(1, b"log=info"), memory(RAM), END),
    "long-line": structure(command_line(b"x" * 511), memory(RAM), END),
    "line-too-long": structure(command_line(b"x" * 512), memory(RAM), END),
    "two-lines": structure(command_line(b"a"), command_line(b"b"), memory(RAM), END),
    "two-maps": structure(memory(RAM), memory(RAM), END),
    "no-map": structure(command_line(b"a"), END),

    **{f"entry-of-{size}": structure(memory(RAM, entry_bytes=size), END) for size in (28, 32)},
    **{f"entry-of-{size}": structure(memory(entry_bytes=size), END) for size in (0, 16)},
    "version-1": structure(memory(RAM, version=1), END),
    "half-an-entry": structure(tag(6, struct.pack("<II", 24, 0) + b"x"), END),

    "module-backwards": boots(RAM, modules=module(2, 1)),
    "module-empty": boots(RAM, modules=module(8 * MIB, 8 * MIB)),
    "modules": boots(RAM, modules=b"".join(module(at * MIB, at * MIB + 1) for at in range(4, 12))),
    "modules-too-many": boots(RAM, modules=module(0, 1) * 9),

    "range-empty": boots(RAM, (5, 0, RESERVED)), "range-wraps": boots((2**64 - 1, 2, AVAILABLE)),
    "range-to-the-end": boots(RAM, (2**64 - 4096, 4095, RESERVED)),
    "ranges-too-many": boots(*[RAM] * 129),
    "ranges-odd": boots((MIB + 1, 64 * MIB - 3, AVAILABLE), (9 * MIB + 5, 1, 3)),
    "pieces": boots(*((at * 8192, 4096, AVAILABLE) for at in range(300, 400))),
    "holes": boots(RAM, *((at * MIB + 77, 4096, RESERVED) for at in range(8, 100))),
    "overlap": boots(RAM, (2 * MIB, 6 * MIB, RESERVED), (3 * MIB, 99 * MIB, AVAILABLE),
                     (64 * MIB, 128 * MIB, 4)),
    "all-reserved": boots(RAM, (0, 2**63, RESERVED)), "no-ram": boots((0, 4096, RESERVED)),
    "in-the-kernel": boots((2 * MIB, MIB, AVAILABLE)),
    "large": boots(RAM, (4096 * MIB, 16384 * MIB, AVAILABLE)),
    "above-the-limit": boots(RAM, (2**40, 2**40, AVAILABLE)),

    "options": boots(RAM, words=b"mem=64M reserve=1M@8M reserve=1@0x900001 reserve=2G@3G"),
    "mem-0": boots(RAM, words=b"mem=0"), "mem-odd": boots(RAM, words=b"mem=9437185"),
}


# ---- the other targets: the head of each file says what its inputs are made of

LINES = {
    "empty": b"", "usual": b"/boot/kernel log=debug ktest=heap.*,frame.* seed=7",
    "all": b"log=warn ktest=* seed=0xffffffffffffffff initramfs=off mem=64M reserve=1M@16M",
    "bad": b"log=loud ktest= seed=x initramfs=on mem=1T quiet",
    "bad-ranges": b"reserve=1M reserve=@1 reserve=0@1 reserve=2@0xffffffffffffffff",
    "reserve-9": b"reserve=1@1 " * 9, "blanks": b"\t  log=info\t\t", "no-value": b"log= = == log",
    "ktest-255": b"ktest=" + b"k" * 255, "ktest-256": b"ktest=" + b"k" * 256,
    "suffixes": b"mem=1K mem=1M mem=17179869184G seed=18446744073709551616",
}

CONVERSIONS, TEMPLATE = b"\0", b"\1"
VALUES = [value.to_bytes(8, "little") for value in (0, 2**64 - 1, 2**63, 0x123456789abcdef)]


def four_numbers(kind: int, flags: int, length: int) -> bytes:
    """The same conversion of each value, with a width and a precision."""
    return CONVERSIONS + b"\x28\3" + b"".join(
        bytes([kind, flags, 1, 8 + kind, 1, length + 1, length]) + value for value in VALUES)


TEMPLATES = {
    **{f"number-{kind}-{flags}-{length}": four_numbers(kind, flags, length)
       for kind in range(6) for flags in range(0, 32, 3) for length in range(8)},
    "text": CONVERSIONS + bytes([9, 1, 6, 1, 1, 12, 1, 3, 7]) + b"serpent"
            + bytes([7, 0, 0, 0, 4]) + b"tail",
    "stars": CONVERSIONS + bytes([200, 1, 0, 3, 2, 0xe0, 2, 0xff, 0]) + VALUES[3]
             + bytes([6, 0, 2, 9, 2, 0xf0, 3]) + b"abc",
    "character": CONVERSIONS + bytes([1, 2, 8, 1, 1, 5, 0, 8, 0, 0, 0, 65, 9, 0]),
    "template": TEMPLATE + b"\x28%d %5.3x|%-8s|%p %c %% %lu %zX\n",
    "template-stars": TEMPLATE + b"\7%*.*s %-*d", "template-unknown": TEMPLATE + b"\x28%q %d",
    "template-cut": TEMPLATE + b"\x28%", "template-long": TEMPLATE + b"\xff%9999999999999999d%.99999s",
}

NR_FUNCTIONS = 10
MOVE, COMPARE, COMPARE_TEXT, FIND, GLOB, NUMBER = 1, 4, 6, 7, 8, 9      # the order of string.c


def string(function: int, a: bytes, b: bytes = b"", limit: int = 5, start: int = 3, to: int = 9
           ) -> bytes:
    return bytes([function, limit, start, to]) + a + b"\n" + b


STRINGS = {
    **{f"{name}-{number}": string(number, a, b, limit=limit) for number in range(NR_FUNCTIONS)
       for name, a, b, limit in (("words", b"the snake eats", b"its own tail", 5),
                                 ("empty", b"", b"", 0), ("page", b"x" * 4000, b"y" * 50, 255))},
    "overlap-up": string(MOVE, bytes(range(32, 100)), start=1, to=9),
    "overlap-down": string(MOVE, bytes(range(32, 100)), start=9, to=1),
    "find": string(FIND, b"the snake", b"ake", to=ord("k")),
    "prefix": string(COMPARE_TEXT, b"snakes", b"snake"),
    "high-bytes": string(COMPARE, b"a\xff", b"a\x01"),
    "high-text": string(COMPARE_TEXT, b"a\xff", b"a\x01"),
    "glob": string(GLOB, b"heap.classes_are_tight", b"*.*_a?e_*t"),
    "glob-stars": string(GLOB, b"a" * 9 + b"b", b"*a*a*a*b"),
    **{f"number-{index}": string(NUMBER, text) for index, text in enumerate((
        b"0", b"4096", b"0x", b"0xfFg", b"1K", b"16M", b"3GiB", b"18446744073709551615", b"00x1",
        b"18446744073709551616", b"17179869184G", b"0xffffffffffffffffffff", b"-1", b" 1"))},
}

TYPED = {
    "empty": b"", "command": b"ls etc\r", "two": b"heap\rframes\nls", "drop": b"ls\x03heap\r",
    "take-back": b"lss\b etc\x7f\x7fx", "take-back-all": b"ls etc\x15heap", "control": b"a\0b\tc\x01d",
    "arrow": b"ls\x1b[A\x1b[1;5Cx", "function-key": b"\x1bOPa\x1b[[Ab\x1b[15~c",
    "escape-enter": b"heap\x1b[\rls\r", "escape-drop": b"heap\x1b\x03ls\r",
    "escape-twice": b"\x1b\x1b[Ax",
    "utf-8": "cat schön/蛇\b\b".encode(), "not-utf-8": b"\x80\xbf\b\xffa\b\b\b",
    "full": b"x" * 1279 + b"\r", "cut": b"x" * 1280 + b"\r",
    "cut-taken-back": b"x" * 1300 + b"\b\b\r", "cut-cleared": b"x" * 1300 + b"\x15ls\r",
    "cut-in-a-character": b"x" * 1278 + "ö".encode() + b"ab\b\b\r",
}

NAMES = {
    "empty": b"", "plain": b"usr/share/factor/0360", "utf-8": "schön/蛇/🐍".encode(),
    "spaces": b" a b ", "space": b" ", "control": b"a\x1b[2J\x7f\r\n",
    "control-of-two-bytes": "a\u009b31m\u00a0".encode(), "not-utf-8": b"\x80\xff\xc3",
    "overlong": b"\xc0\xaf\xe0\x80\xaf", "surrogate": b"\xed\xa0\x80",
    "too-high": b"\xf4\x90\x80\x80\xf7\xbf\xbf\xbf", "cut": b"\xf0\x9f\x90",
    "cut-inside": b"\xc3A\xe8\x9bB.",
    "backslash": b"\\", "escape": rb"\x41\xff\x00\xfg\x4", "escapes": rb"\\x41\x5cx41",
}

SEEDS: dict[str, dict[str, bytes]] = {
    "bootinfo": INFORMATION, "cpio": ARCHIVES, "format": TEMPLATES, "line": TYPED, "name": NAMES,
    "options": LINES, "string": STRINGS,
}
