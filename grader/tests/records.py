"""Records of boots that nobody booted."""
from debugger.inside.stack import Lock, Place
from judging.findings import Autopsy
from judging.record import Panic, Record
from machine.ending import Cause, Ending

TESTS = ["heap.a", "heap.b", "heap.c"]
HEADER = "Ouroboros\nKTAP version 1\n1..3\n"
CYCLE = ("start_high", "kmain", "table_grow", "kmalloc", "heap_rescue", "log_debug", "log_record",
         "kmalloc", "spin_lock")


def places(*functions):
    return tuple(Place(function, "heap.c", 10 + index) for index, function in enumerate(functions))


def ended(cause, console="Ouroboros\n", **found):
    return Record(Ending(cause), console, **found)


def panicked(kind, message="said so", console="Ouroboros\n", **found):
    return ended(Cause.PANIC, console, panic=Panic(kind, message), **found)


DEADLOCK = Autopsy(frames=places(*CYCLE),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)),
                   waits_at=Place("kmalloc", "heap.c", 88))


def alike(one, other):
    """Are two findings the same failure?"""
    return one.same == other.same
