"""Three workers, two web processes and two listeners under load, while everything around them dies."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from omnihub.settings import Settings
from omnihub.store.engines import Engines
from omnihub.store.store import Store
from tests.cli.conftest import by_name
from tests.durability.crowd import ROLES, crowd
from tests.durability.weather import Weather
from tests.durability.world import World, world

ROUNDS = int(os.environ.get("STORM_ROUNDS", "8"))
QUESTIONS = 40
ANSWERS = 12
HEARD = ("sms", "wechat", "wecom", "webform")

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[Engines]:
    async with await Engines.open(tmp_path / "engines") as opened:
        yield opened


@pytest.fixture
async def people(settings: Settings, engines: Engines, tmp_path: Path) -> AsyncIterator[World]:
    uri, redis = engines.endpoints.mongodb_uri, engines.endpoints.redis_url
    own = {**by_name(settings), "mongodb.uri": uri, "redis.url": redis}
    async with AsyncExitStack() as stack:
        store = Store(settings, uri, redis)
        stack.push_async_callback(store.close)
        await store.prepare()
        yield await stack.enter_async_context(world(store, own, tmp_path, webs=2, heard=HEARD))


async def test_nothing_is_lost_or_done_twice(people: World, engines: Engines, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    async with crowd(people, {"CLOCK_OFFSET": str(clock)}) as hubs:
        weather = Weather(hubs, engines, people, clock)
        blowing = asyncio.create_task(weather.blow())
        for _ in range(ROUNDS):
            await asyncio.gather(people.ask(QUESTIONS), people.answer(ANSWERS))
        blowing.cancel()
        await asyncio.wait({blowing})
        clock.write_text("0")
        await people.settled(within=180, processes=len(ROLES))
        await hubs.end()
    counted = await people.check()
    await people.check_left_behind()
    print(f"\n{counted}; {dict(weather.counted)}")
