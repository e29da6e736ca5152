"""`make live`: what a machine has in memory, while it runs and while it hangs."""

from processes import Terminal, qemus_of
from trees import copied

SIZE = {"LINES": "60", "COLUMNS": "120"}


def machine(tmp_path, lab, *words):
    """A machine of its own in another tree, and the pane beside it."""
    tree = copied(tmp_path / "tree")
    run = Terminal("make", "run", f"LAB={lab}", *words, directory=tree, TMPDIR=str(tmp_path))
    return tree, run


def test_a_machine_that_runs_is_not_disturbed(tmp_path):
    tree, run = machine(tmp_path, 4)
    run.expect("ouroboros> ")
    live = Terminal("make", "live", "LAB=4", directory=tree, TMPDIR=str(tmp_path), **SIZE)
    live.expect("cpu0 waits for no lock")
    before = live.expect(r"[\d,]+ objects, ")[0]
    live.expect(r"[\d,]+ of [\d,]+ frames are free")
    run.type("alloc 100\r")
    run.expect("ouroboros> ")
    live.expect(rf"{int(before.split()[0].replace(',', '')) + 1:,} objects, ")
    live.type("\x03")
    assert live.status() == 0
    run.type("reboot\r")
    run.expect("The machine reset itself.")
    assert run.status() == 0


def test_the_hang_is_seen_from_outside(tmp_path):
    tree, run = machine(tmp_path, 3, "LOG=debug")
    run.expect("stays put")
    live = Terminal("make", "live", "LAB=3", directory=tree, TMPDIR=str(tmp_path), **SIZE)
    live.expect(r"heap_lock +held by cpu0 ")
    live.expect(r"cpu0 waits for heap_lock in kmalloc \(heap\.c:\d+\)")
    live.expect("directory grows to")
    run.type("\x01x")
    live.expect("The machine has ended.")
    assert live.status() == 0 and run.status() == 0
    assert not qemus_of(tmp_path)


def test_without_a_machine_or_beside_a_debugger(tmp_path):
    tree, run = machine(tmp_path, 0)
    run.expect("ouroboros> ")
    gdb = Terminal("make", "gdb", "LAB=0", directory=tree, TMPDIR=str(tmp_path))
    gdb.expect(r"\(gdb\) ")
    live = Terminal("make", "live", "LAB=0", directory=tree, TMPDIR=str(tmp_path))
    live.expect("somebody debugs that machine already")
    assert live.status() == 2
    gdb.type("quit\r")
    assert gdb.status() == 0
    run.type("\x01x")
    assert run.status() == 0
    live = Terminal("make", "live", "LAB=0", directory=tree, TMPDIR=str(tmp_path))
    live.expect("no machine of stage-0 is running here")
    assert live.status() == 2
