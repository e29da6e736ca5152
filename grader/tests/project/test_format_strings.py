"""Every format string of the kernel and the labs has only conversions that kernel/format.c knows."""
import re

import pytest
from conftest import ROOT

# Strings that the formatter's own test compares with, or that are wrong on purpose.
NOT_CHECKED = "format_test.c"

SOURCES = [path for pattern in ("kernel/*.[ch]", "labs/*/*.c", "grader/bench/kernel/*.c")
           for path in sorted(ROOT.glob(pattern)) if path.name != NOT_CHECKED]

# C's comments, character constants, assembly and strings; only strings are looked at.
TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|'(?:\\.|[^'\\\n])+'|__asm__[^;]*;|("(?:\\.|[^"\\\n])*")""", re.S)

# As kernel/format.h lists them.
KNOWN = re.compile(r"%[-+ #0]*(\d+|\*)?(\.(\d+|\*)?)?((hh|h|ll|l|j|z|t)?[diuoxX]|[psc])|%%")


def unknown(source):
    """The strings that have a % which begins no known conversion."""
    strings = (match[1][1:-1] for match in TOKEN.finditer(source) if match[1])
    return [text for text in strings if "%" in KNOWN.sub("", text)]


@pytest.mark.parametrize("source, nr_unknown", [
    ('f("%d %5.3s %-*.*lx %zu %p%% %#o %+d % d %hhx %td %jd %c");', 0),
    ('/* "%n" */ char c = \'%\'; __asm__ volatile("outb %0, %1" : : "a"(x));', 0),
    *((f'f("{conversion} and more");', 1) for conversion in (
        "%n", "%lf", "%e", "%5", "%'d", "%1$s", "%m", "%ls", "%lc", "%C", "%S", "%Ld", "%qd", "%I5d")),
    ('f("100%");', 1), ('f("%", "%d", "%y");', 2),
])
def test_what_is_unknown(source, nr_unknown):
    assert len(unknown(source)) == nr_unknown


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_formats_have_known_conversions_only(path):
    """GCC's check lets more pass than the formatter knows, and from there on nothing would be formatted."""
    assert not unknown(path.read_text())
