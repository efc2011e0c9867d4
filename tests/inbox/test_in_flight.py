import asyncio

import pytest

from omnihub.inbox.in_flight import InFlight

MANY = 100


async def begun(flight: InFlight, name: str, count: int = MANY, touched: str = "") -> asyncio.Event:
    over = asyncio.Event()
    people = frozenset({touched or name})
    await flight.room(count, people)

    async def work() -> None:
        await over.wait()

    flight.begin(frozenset({name}), people, work())
    return over


async def waits(flight: InFlight, name: str, **given: object) -> "asyncio.Task[asyncio.Event]":
    task = asyncio.ensure_future(begun(flight, name, **given))  # type: ignore[arg-type]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_large_portions_go_side_by_side_two_at_a_time() -> None:
    flight = InFlight()
    first, second = await begun(flight, "a"), await begun(flight, "b")
    third = await waits(flight, "c")
    second.set()
    assert flight.ids == {"a", "b"}
    (await third).set()
    assert flight.ids == {"a", "c"}
    first.set()
    await flight.ended()
    assert flight.ids == frozenset()


@pytest.mark.parametrize("given", [{"count": 1}, {"touched": "a"}])
async def test_small_ones_and_those_of_the_same_people_wait(given: dict[str, object]) -> None:
    flight = InFlight()
    first = await begun(flight, "a")
    second = await waits(flight, "b", **given)
    first.set()
    (await second).set()
    await flight.ended()


async def test_what_went_wrong_is_told_to_the_next_and_at_the_end() -> None:
    async def fails() -> None:
        raise ConnectionError("the database is away")

    for tell in (lambda flight: flight.room(1, frozenset()), lambda flight: flight.ended()):
        flight = InFlight()
        flight.begin(frozenset({"a"}), frozenset(), fails())
        with pytest.raises(ConnectionError):
            await tell(flight)
        assert flight.ids == frozenset()


async def test_who_is_cancelled_still_waits_for_what_is_being_written() -> None:
    flight = InFlight()
    over = await begun(flight, "a")
    ending = asyncio.ensure_future(flight.ended())
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.sleep(0)
    assert not ending.done()
    over.set()
    with pytest.raises(asyncio.CancelledError):
        await ending
