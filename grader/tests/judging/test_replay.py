"""replay.py on traces of allocators written here: honest ones, and ones that lie."""
import struct
from dataclasses import replace

import pytest

from judging import replay
from judging.replay import DIRECT_MAP_BASE, PADDR_NONE, Call, Function, Ram, Trace

SEED = 77
RAM = Ram([range(0x100000, 0x200000), range(0x300000, 0x4000000)])
FRAMES, HEAP = "frame.a_random_trace_agrees_with_the_model", "heap.trace"


class Recording(replay.Replay):
    """Makes the calls that the seed leads to, on an allocator of ours, and keeps them."""

    def __init__(self, answer, seed=SEED):
        super().__init__(Trace(0, []), RAM, seed)
        self.answer = answer

    def take(self, function, first, second=0):
        result = self.answer(function, first, second)
        self.trace.calls.append(Call(function, first, second, result))
        self.number += 1
        return result


class FirstFit:
    """Hands out the lowest free multiple of an object's rounded size."""

    def __init__(self):
        self.taken = {}

    def take(self, size, start):
        while other := next((base for base, bytes_ in self.taken.items()
                             if base < start + size and start < base + bytes_), None):
            start += -(-(other + self.taken[other] - start) // size) * size
        self.taken[start] = size
        return start

    def __call__(self, function, first, second):
        match function:
            case Function.FRAME_ALLOC:
                return self.take(4096 << first, 0x400000)
            case Function.KREALLOC:
                self.taken.pop(first, None)
                return self.take(-(-max(second, 1) // 16) * 16, DIRECT_MAP_BASE + 0x400000)
            case _:
                self.taken.pop(first, None)
                return 0


def honest(test, seed=SEED):
    recording = Recording(FirstFit(), seed)
    replay.TRACED[test][1](recording)
    return Trace(recording.number, recording.trace.calls)


TRACES = {test: honest(test) for test in (FRAMES, HEAP)}


def complaint(test, trace, seed=SEED):
    return replay.complaint(test, trace, RAM, seed)


def changed(test, kind, number, **changes):
    """A trace in which the number-th call of a function is another one. Return: its place too."""
    calls = list(TRACES[test].calls)
    index = [index for index, call in enumerate(calls) if call.function == kind][number]
    calls[index] = replace(calls[index], **changes)
    return index + 1, Trace(len(calls), calls)


def test_random_numbers_are_those_of_splitmix64():
    random = replay.Random(1234567)         # the test vector of the algorithm's reference in C
    assert [random.next() for _ in range(3)] == \
        [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("test", [FRAMES, HEAP])
def test_an_honest_trace(test):
    assert complaint(test, TRACES[test]) is None


@pytest.mark.parametrize("test", [FRAMES, HEAP])
def test_a_trace_of_another_seed_is_refused(test):
    assert "but from this seed follows" in complaint(test, TRACES[test], SEED + 1)
    assert complaint(test, honest(test, SEED + 1), SEED + 1) is None


@pytest.mark.parametrize("test", [FRAMES, HEAP])
@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_trace_that_is_too_short_is_refused(test, length):
    calls = TRACES[test].calls[:length]
    assert f"its trace ends after {len(calls)} calls, before " in \
        complaint(test, Trace(len(calls), calls))


@pytest.mark.parametrize("test", [FRAMES, HEAP])
def test_a_trace_that_is_too_long_is_refused(test):
    nr_calls, calls = len(TRACES[test].calls), TRACES[test].calls
    for trace in (Trace(nr_calls + 1, [*calls, calls[-1]]), Trace(nr_calls + 9, calls)):
        assert f"calls instead of {nr_calls}" in complaint(test, trace)


@pytest.mark.parametrize("test, function", [
    (FRAMES, Function.FRAME_ALLOC), (FRAMES, Function.FRAME_FREE), (HEAP, Function.KREALLOC),
    (HEAP, Function.KFREE)])
def test_a_call_that_the_seed_does_not_lead_to_is_refused(test, function):
    for changes in ({"first": 12345}, {"function": 9}):
        number, trace = changed(test, function, 5, **changes)
        assert complaint(test, trace).startswith(f"call {number} of its trace is ")


@pytest.mark.parametrize("result, words", [
    (0x400800, "which is not a multiple of the block's size"),
    (0, "which is not free RAM by the memory map"),
    (0x4000000, "which is not free RAM by the memory map"),
    (PADDR_NONE, "gave nothing, but a block of that order is free"),
])
def test_a_block_that_cannot_be(result, words):
    number, trace = changed(FRAMES, Function.FRAME_ALLOC, 20, result=result)
    found = complaint(FRAMES, trace)
    assert found.startswith(f"call {number}: frame_alloc(") and words in found


def test_a_block_that_overlaps_names_the_other_one():
    first = TRACES[FRAMES].calls[0]
    assert first.function == Function.FRAME_ALLOC
    number = next(index for index, call in enumerate(TRACES[FRAMES].calls) if index
                  and call.function == Function.FRAME_ALLOC and call.first <= first.first)
    calls = list(TRACES[FRAMES].calls)
    calls[number] = replace(calls[number], result=first.result)
    assert complaint(FRAMES, Trace(len(calls), calls)) == \
        f"call {number + 1}: {calls[number]} gave {first.result:#x}, " \
        "which overlaps the block of call 1"


def test_a_failure_is_right_when_no_aligned_block_is_left():
    model = replay._Frames(replay.Replay(Trace(1, [Call(1, 1, 0, PADDR_NONE)]),
                                         Ram([range(0x1000, 0x2000), range(0x3000, 0x5000)]),
                                         SEED))
    assert model.alloc(1) is None           # 0x1000 and 0x3000 … 0x5000 hold no aligned pair


@pytest.mark.parametrize("early_bytes, words", [
    (60 << 20, "frame_init has taken 60.0 of 122.0 MiB for itself"),
    (5 << 20, "frame_init has taken 5.0 of 67.0 MiB for itself"),
    (4 << 20, None),            # 64 MiB in frames, with 256 bytes for each
])
def test_an_allocator_may_keep_only_so_much_for_itself(early_bytes, words):
    ram = Ram(RAM.free, early_bytes)
    assert replay.complaint(FRAMES, TRACES[FRAMES], ram, SEED) == words


def test_an_allocator_that_kept_all_has_not_rightly_failed():
    recording = Recording(lambda function, *_: PADDR_NONE)
    recording.ram = Ram()
    replay.frames(recording)
    trace = Trace(recording.number, recording.trace.calls)
    assert replay.complaint(FRAMES, trace, Ram((), 60 << 20), SEED) == \
        "frame_init has taken 60.0 of 60.0 MiB for itself"


@pytest.mark.parametrize("result, words", [
    (DIRECT_MAP_BASE + 0x400008, "which is not a multiple of 16"),
    (DIRECT_MAP_BASE + 0x250000, "which is not in RAM"),
    (0x400000, "which is not in RAM"),
    (0, "gave nothing, with no more than "),
])
def test_an_object_that_cannot_be(result, words):
    number, trace = changed(HEAP, Function.KREALLOC, 20, result=result)
    found = complaint(HEAP, trace)
    assert found.startswith(f"call {number}: krealloc(0x") and words in found


def test_an_object_that_overlaps_names_the_other_one():
    first, *rest = TRACES[HEAP].calls
    number = next(index for index, call in enumerate(rest, 2)
                  if (call.function, call.first) == (Function.KREALLOC, 0))
    calls = list(TRACES[HEAP].calls)
    calls[number - 1] = replace(calls[number - 1], result=first.result)
    assert complaint(HEAP, Trace(len(calls), calls)).endswith(
        f"which overlaps the {max(first.second, 1)} bytes of call 1")


def test_a_heap_that_fails_too_often():
    class Stingy(FirstFit):
        def __call__(self, function, first, second):
            if function is Function.KREALLOC and second > 16 and sum(self.taken.values()) > 36000:
                return 0
            return super().__call__(function, first, second)

    with pytest.raises(replay.Discrepancy, match="steps of its trace found no memory"):
        replay.heap(Recording(Stingy()))


def test_a_trace_as_it_lies_in_memory():
    data = struct.pack("<13Q", 2, 1, 3, 0, 0x1000, 2, 0x1000, 3, 0, 7, 7, 7, 7)
    assert replay.read(data) == Trace(2, [Call(1, 3, 0, 0x1000), Call(2, 0x1000, 3, 0)])
    assert replay.read(struct.pack("<5Q", 1 << 60, 9, 9, 9, 9)).nr_calls == 1 << 60
    assert str(Call(9, 1, 2, 3)) == "a call of no known function"
