"""counting.py: that it sees work, however it is written."""
import pytest
from counting import Steps


def turns(nr_turns):
    for _ in range(nr_turns):
        pass


def test_it_counts():
    with Steps(100) as steps:
        turns(10)
    assert 10 <= steps.nr <= 40


@pytest.mark.parametrize("work", [
    lambda: turns(1000), lambda: [number for number in range(1000)],
    lambda: sum(number for number in range(1000)), lambda: turns(1 << 60),
    lambda: sorted(range(1000), key=lambda number: -number)])
def test_a_thousand_turns_are_noticed_however_they_are_written(work):
    with pytest.raises(AssertionError, match="more than 500 steps"), Steps(500):
        work()
