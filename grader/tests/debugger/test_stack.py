"""stack.py: the cycle in a stack, and what was going on before the kernel's own report."""
import pytest

from debugger.inside import stack
from debugger.inside.stack import Frame, Lock, Place


def calls(*functions):
    """A stack, outermost first."""
    return [Frame(name, "x.c", 10 + index, len(functions) - 1 - index, False)
            for index, name in enumerate(functions)]


def lock(function):
    return Lock("heap_lock", True, 0, Place(function, "x.c", 1) if function else None)


@pytest.mark.parametrize("functions, taker, found", [
    ("kmain kmalloc rescue log kmalloc spin_lock", "kmalloc", "kmalloc rescue log kmalloc"),
    ("kmain kmalloc rescue kmalloc spin_lock cpu_relax", "kmalloc", "kmalloc rescue kmalloc"),
    ("kmalloc a kmalloc b kmalloc spin_lock", "kmalloc", "kmalloc b kmalloc"),
    ("kmain log kmalloc spin_lock", "kfree", ""),
    ("kmain kmalloc spin_lock", "kmalloc", ""),
    ("kmain kmalloc spin_lock", "", ""),
    ("", "kmalloc", ""),
])
def test_the_cycle_in_a_stack(functions, taker, found):
    way = stack.cycle(calls(*functions.split()), lock(taker))
    assert [call.function for call in way] == found.split()


@pytest.mark.parametrize("functions, found", [
    ("cpu_stop stop panic_stop TRAP spin_lock kmalloc", "spin_lock kmalloc"),
    ("cpu_stop report panic kfree kmain", "kfree kmain"),
    ("stop panic_stop TRAP fail_check __ubsan_handle kfree kmain", "kfree kmain"),
    ("stop panic_stop TRAP strnlen vformat stop panic kfree kmain", "kfree kmain"),
    ("stop panic_stop TRAP strnlen vformat stop panic_stop TRAP kfree kmain", "kfree kmain"),
    ("__ubsan_handle panic_stop kfree", "kfree"), ("kmalloc panic", "kmalloc panic"),
    ("panic", ""),
])
def test_what_was_going_on_before_the_report(functions, found):
    frames = [Frame(name, "x.c", 1, number, name == "TRAP")
              for number, name in enumerate(functions.split())]
    assert [frame.function for frame in stack.interrupted(frames)] == found.split()
