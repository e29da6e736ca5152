"""crash.py on canned records: what a boot died of, in which words, and when it is the same again."""
import pytest
from records import DEADLOCK, alike, ended, panicked, places

from judging import crash
from judging.findings import Autopsy, Lock, Place
from judging.record import Record
from judging.verdict import Verdict
from machine.abi import PanicKind
from machine.ending import Cause, CpuException, Ending


@pytest.mark.parametrize("record, verdict", [
    (panicked(PanicKind.BUG), Verdict.PANIC),
    (panicked(PanicKind.FAULT), Verdict.FAULT),
    (panicked(PanicKind.STACK_OVERFLOW), Verdict.STACK_OVERFLOW),
    (panicked(PanicKind.TODO), Verdict.NOT_IMPLEMENTED),
    (panicked(PanicKind.NONE), Verdict.PANIC),
    (ended(Cause.TRIPLE_FAULT), Verdict.TRIPLE_FAULT),
    (ended(Cause.TRIPLE_FAULT, console=""), Verdict.TRIPLE_FAULT),
    (ended(Cause.LOCKUP, autopsy=DEADLOCK), Verdict.DEADLOCK),
    (ended(Cause.LOCKUP, autopsy=Autopsy()), Verdict.HANG),
    (ended(Cause.DEAD_HALT, autopsy=Autopsy()), Verdict.HANG),
    (ended(Cause.SILENCE), Verdict.HANG),
    (ended(Cause.FLOOD), Verdict.HANG),
    (ended(Cause.DEAD_HALT, console=""), Verdict.BOOT_FAIL),
    (ended(Cause.NOT_LOADED), Verdict.BOOT_FAIL),
    (ended(Cause.STUCK), Verdict.INFRA),
    (ended(Cause.DIED), Verdict.INFRA),
])
def test_how_a_boot_died(record, verdict):
    assert crash.judge_crash(record).verdict is verdict


def test_a_lock_that_nobody_holds_is_no_deadlock():
    free = Autopsy(waits_for=Lock("heap_lock", False, 0, None))
    other = Autopsy(waits_for=Lock("heap_lock", True, 1, None))
    for autopsy in (free, other):
        assert crash.judge_crash(ended(Cause.LOCKUP, autopsy=autopsy)).verdict is Verdict.HANG


def test_a_printed_deadlock_is_no_deadlock():
    record = ended(Cause.LOCKUP, "LOCKUP: cpu0 waits for heap_lock, which cpu0 itself holds\n",
                   autopsy=Autopsy(frames=places("kmain", "hang")))
    assert crash.judge_crash(record).verdict is Verdict.HANG


# ---- sentences

def test_a_deadlock_in_one_sentence():
    assert crash.judge_crash(ended(Cause.LOCKUP, autopsy=DEADLOCK)).detail == (
        "cpu0 waits in spin_lock for heap_lock, which cpu0 itself holds since kmalloc (heap.c:88), "
        "along kmalloc → heap_rescue → log_debug → log_record → kmalloc")


def test_a_lock_that_an_earlier_call_left_held():
    left = Autopsy(frames=places("kmain", "kfree", "spin_lock"),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)))
    assert "that call has left it held" in crash.judge_crash(
        ended(Cause.LOCKUP, autopsy=left)).detail


def test_a_cpu_that_relaxes_in_spin_lock_still_waits_there():
    left = Autopsy(frames=places("kmain", "kmalloc", "spin_lock", "cpu_relax"),
                   waits_for=Lock("heap_lock", True, 0, Place("kmalloc", "heap.c", 88)))
    assert crash.judge_crash(ended(Cause.LOCKUP, autopsy=left)).detail.endswith(
        "that call has left it held; now along kmalloc")


def test_an_endless_recursion_is_folded():
    recursion = Autopsy(frames=places("kmain", *("kmalloc", "heap_rescue", "log_record") * 50))
    detail = crash.judge_crash(panicked(PanicKind.STACK_OVERFLOW, autopsy=recursion)).detail
    assert "; kmalloc → heap_rescue → log_record recurs without end; in " in detail
    assert "(kmalloc → heap_rescue → log_record) × 50" in detail


def test_an_overflow_without_a_recursion_is_not_called_one():
    deep = Autopsy(frames=places("kmain", "kmalloc", "kmalloc", "kmalloc", "memset"))
    assert "recurs" not in crash.judge_crash(panicked(PanicKind.STACK_OVERFLOW, autopsy=deep)).detail


@pytest.mark.parametrize("exception, words", [
    (CpuException(14, 0x18), "page fault at 0x18, which"), (CpuException(13), "general protection"),
    (CpuException(20), "exception 20, which"), (None, "an exception, which"),
])
def test_a_triple_fault_names_the_last_exception_and_its_place(exception, words):
    record = Record(Ending(Cause.TRIPLE_FAULT, exception=exception), "",
                    autopsy=Autopsy(frames=places("kmain", "frame_free")))
    detail = crash.judge_crash(record).detail
    assert detail.startswith(words)
    assert "the CPU could not even report, in frame_free (heap.c:11), along frame_free" in detail


# ---- what is the same failure

FILES = {"memset": "string.c", "pages_alloc": "pages.c", "heap_rescue": "rescue.c",
         "log_record": "log.c", "spin_lock": "spinlock.c", "test_a": "a_test.c", "test_b": "b_test.c"}


def frames(*functions, line=10):
    return tuple(Place(name, FILES.get(name, "heap.c"), line) for name in functions)


def hang_in(*functions, line=10):
    return crash.judge_crash(ended(Cause.LOCKUP, autopsy=Autopsy(frames=frames(*functions, line=line))))


def test_failures_with_one_cause_are_alike():
    one = hang_in("test_a", "kmalloc")
    assert alike(one, hang_in("test_b", "kmalloc", line=20))
    assert alike(one, hang_in("test_a", "kmalloc", "memset"))
    assert alike(one, hang_in("test_a", "kmalloc", "my_own_function", "pages_alloc"))
    assert not alike(one, hang_in("test_a", "kfree"))


def test_panics_are_alike_with_the_same_message_but_for_its_numbers():
    def panic(message, *functions):
        return crash.judge_crash(panicked(PanicKind.BUG, message, autopsy=Autopsy(
            frames=frames(*functions))))

    one = panic("kfree: 0x120: overrun by 8 bytes", "test_a", "kfree")
    assert alike(one, panic("kfree: 0xffff0: overrun by 16 bytes", "test_b", "kfree", "my_check"))
    assert not alike(one, panic("kfree: 0x120: already free", "test_a", "kfree"))
    assert not alike(one, panic("kfree: 0x120: overrun by 8 bytes", "test_a", "krealloc"))


def test_deadlocks_are_alike_with_the_same_lock_and_cycle():
    def deadlock(*functions, **lock):
        return crash.judge_crash(ended(Cause.LOCKUP, autopsy=Autopsy(
            frames=frames(*functions), waits_for=Lock(**{**vars(DEADLOCK.waits_for), **lock}))))

    one = deadlock("test_a", "kmalloc", "heap_rescue", "kmalloc", "spin_lock")
    assert alike(one, deadlock("test_b", "kmalloc", "my_grow", "heap_rescue", "kmalloc", "spin_lock",
                             taken_at=Place("kmalloc", "heap.c", 101)))
    assert not alike(one, deadlock("test_a", "kmalloc", "log_record", "kmalloc", "spin_lock"))
    assert not alike(one, deadlock("test_a", "kmalloc", "heap_rescue", "kmalloc", "spin_lock",
                                 name="log_lock"))
    left = deadlock("test_a", "kfree", "spin_lock")
    assert alike(left, deadlock("test_b", "krealloc", "kfree", "spin_lock")) and not alike(left, one)


def test_overflows_are_alike_with_the_same_recursion():
    def overflow(*tail):
        recursion = ("kmain", *("kmalloc", "heap_rescue") * 50, *tail)
        return crash.judge_crash(panicked(PanicKind.STACK_OVERFLOW,
                                          autopsy=Autopsy(frames=places(*recursion))))

    assert alike(overflow(), overflow("kmalloc")) and alike(overflow(), overflow("memset"))
