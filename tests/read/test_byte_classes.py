"""A histogram finds the same classes of bytes as counting them one after the other."""

from hypothesis import given
from hypothesis import strategies as st

from tokenprof.reading.batch_counts import FEWEST_BYTES, classes_by_histogram
from tokenprof.record.block_facts import classes_in


@given(st.binary(min_size=1, max_size=40), st.integers(0, 2 * FEWEST_BYTES))
def test_both_ways_find_the_same(some: bytes, length: int) -> None:
    data = (some * (length // len(some) + 1))[:length]
    assert list(classes_by_histogram(data)) == list(classes_in(data))


def test_each_class_is_counted() -> None:
    # Each time: a and b, C, two digits, two spaces, a newline, an exclamation mark; and Ü takes two bytes.
    data = "aC1 b2 \n!Ü".encode() * FEWEST_BYTES
    assert list(classes_by_histogram(data)) == [n * FEWEST_BYTES for n in (2, 1, 2, 2, 1, 1, 1)]
