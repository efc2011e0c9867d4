import math

import pytest

from bench.callbacks import number_in, words
from bench.documents import Sizes, whole
from bench.figures import percentile, spread
from bench.sizing import Size, UnknownParameter


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_values_that_were_measured(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


def test_of_nothing_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_spreads_are_in_milliseconds() -> None:
    assert spread([0.001, 0.002, 0.004]) == {"p50_ms": 2.0, "p95_ms": 4.0, "p99_ms": 4.0, "max_ms": 4.0}


def test_a_size_is_changed_by_name() -> None:
    from dataclasses import dataclass

    @dataclass(slots=True, frozen=True, kw_only=True)
    class Sizing:
        count: int
        rates: tuple[int, ...]

    one = Sizing(count=1, rates=(1,))
    size = Size(tiny=one, quick=one, full=one)
    assert size.chosen("quick", {"count": "7", "rates": "5,6"}) == Sizing(count=7, rates=(5, 6))
    with pytest.raises(UnknownParameter):
        size.chosen("quick", {"count": "many"})


def test_a_message_says_its_number() -> None:
    assert number_in(words(1234)) == 1234
    assert number_in("nothing of the kind") is None


def test_documents_come_out_the_same_each_time() -> None:
    sizes = Sizes(tickets=40, messages=5)
    first, again = list(whole(sizes)), list(whole(sizes))
    assert first == again
    assert len({row["_id"] for row, _ in first}) == 40
    assert len({one["_id"] for _, said in first for one in said}) == 200
    for row, said in first:
        assert row["last_message"]["id"] == said[-1]["_id"]
        assert row["last_message_at"] == said[-1]["at"]
        assert {one["ticket_id"] for one in said} == {row["_id"]}
