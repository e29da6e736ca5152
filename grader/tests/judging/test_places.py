"""The lines of source behind the addresses that a test prints."""
import re
import subprocess

from conftest import ROOT

from judging import places


def test_a_place_gets_its_line():
    elf = ROOT / subprocess.run(["make", "-s", "elf", "print-ELF", "LAB=0"], cwd=ROOT, text=True, check=True,
                                stdout=subprocess.PIPE).stdout.split()[-1]
    table = subprocess.run(["nm", elf], text=True, check=True, stdout=subprocess.PIPE).stdout
    address = re.search(r"^(\w+) T log_format$", table, re.MULTILINE)[1]
    said = f"# torn, at instruction 1 of 9, 0x{address} in log_format+0x0\n[    1  0.001] 0x{address} in log_format+0x0\n"
    first, second = places.with_lines(said, elf).splitlines()
    assert re.fullmatch(rf"# torn, at instruction 1 of 9, 0x{address} in log_format\+0x0 \(log_filter\.c:\d+\)", first)
    assert second == said.splitlines()[1]


def test_what_is_no_place_stays_as_it_is(tmp_path):
    said = "# 0x0000000000000010 in nowhere+0x0\n# nothing\n"
    assert places.with_lines(said, tmp_path / "no-such-file") == said
