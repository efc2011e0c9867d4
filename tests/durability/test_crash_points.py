"""The hub is killed at one point after another; whatever it was doing, nothing is lost and nothing done twice."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.durability.world import World

QUESTIONS = 8
ANSWERS = 3

# Those where the most is at stake; `make test-durability` takes all that there are.
CHOSEN = (
    ("after insert raw_events", 1),
    ("before commitTransaction", 2),
    ("after commitTransaction", 3),
    ("after provider POST", 3),
)


@pytest.mark.parametrize(("point", "occurrence"), CHOSEN, ids=lambda value: str(value).replace(" ", "-"))
async def test_nothing_is_lost_or_done_twice(people: World, tmp_path: Path, point: str, occurrence: int) -> None:
    assert await die_at(people, tmp_path, point, occurrence), f"the hub never came to {point}"


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_at_every_point_that_there_is(people: World, tmp_path: Path) -> None:
    passed = await points_passed(people, tmp_path)
    assert len(passed) > 40
    died = 0
    for point, count in sorted(passed.items()):
        for occurrence in sorted({1, count // 2 or 1}):
            died += await die_at(people, tmp_path, point, occurrence)
    counted = await people.check()
    print(f"\n{len(passed)} points, {died} deaths: {counted}")
    assert died > len(passed) // 2


async def work(people: World) -> None:
    await asyncio.gather(people.ask(QUESTIONS), people.answer(ANSWERS))


async def points_passed(people: World, folder: Path) -> Counter[str]:
    log, armed = folder / "points", folder / "armed"
    async with people.hub(more={"CRASH_ARMED": str(armed), "CRASH_LOG": str(log)}) as hub:
        armed.touch()
        await work(people)
        await people.settled()
        armed.unlink()
        assert await hub.stop() == 0
    await people.check()
    await people.check_left_behind()
    return Counter(log.read_text().splitlines())


async def die_at(people: World, folder: Path, point: str, occurrence: int) -> bool:
    """Whether it came there. A second process, without the fault, takes up what is left."""
    armed = folder / "armed"
    wish = {"CRASH_ARMED": str(armed), "CRASH_AT": point, "CRASH_OCCURRENCE": str(occurrence)}
    async with people.hub(more=wish) as hub:
        armed.touch()
        working = asyncio.create_task(work(people))
        dying = asyncio.create_task(hub.process.wait())
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
        if not dying.done():
            await people.settled()
        died = dying.done()
        dying.cancel()
    armed.unlink()
    async with people.hub() as hub:
        await working
        await people.settled()
        assert await hub.stop() == 0
    await people.check()
    await people.check_left_behind()
    return died
