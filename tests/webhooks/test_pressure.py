"""What cannot be kept is not taken: its sender keeps it, and hands it over again."""

from omnihub.store.pressure import Bounds
from tests.webhooks.conftest import PUSH, Door

MEGABYTE = 1_048_576
MAIL = b"From: anna@example.test\r\nSubject: hello %d\r\n\r\n" + b"x" * 200_000


async def test_a_journal_that_is_full_opens_again_when_the_intake_has_caught_up(door: Door) -> None:
    pressure = door.store.pressure
    pressure.bounds = Bounds(backlog=MEGABYTE)
    for number in range(6):
        assert await door.push(MAIL % number) == 200
    assert (await pressure.measure()).closed
    async with door.http.post(door.path, data=MAIL % 7, headers=PUSH) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert len(await door.raw_events()) == 6
    await door.intake.drain()
    measured = await pressure.measure()
    assert (measured.closed, measured.waiting, measured.waiting_bytes) == ("", 0, 0)
    assert await door.push(MAIL % 7) == 200


async def test_nothing_is_taken_while_the_database_has_no_room(door: Door) -> None:
    pressure = door.store.pressure
    free = (await pressure.measure()).free_bytes
    assert free is not None
    assert free > 0
    pressure.bounds = Bounds(free_disk=free * 2)
    assert (await pressure.measure()).closed == "the database's disk is almost full"
    assert await door.push(MAIL % 1) == 503
    pressure.bounds = Bounds(free_disk=1)
    await pressure.measure()
    assert await door.push(MAIL % 1) == 200


async def test_it_does_not_open_and_close_with_each_batch(door: Door) -> None:
    pressure = door.store.pressure
    for number in range(5):
        assert await door.push(MAIL % number) == 200
    size = (await pressure.measure()).waiting_bytes
    pressure.bounds = Bounds(backlog=size - 1)
    assert (await pressure.measure()).closed
    pressure.bounds = Bounds(backlog=size + 1)
    assert (await pressure.measure()).closed
    pressure.bounds = Bounds(backlog=size * 2)
    assert not (await pressure.measure()).closed
