"""The database's disk fills up. What was acknowledged is there afterwards; what could not be kept was refused."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from omnihub.settings import Settings
from omnihub.store.engines import Engines
from omnihub.store.store import Store
from tests.cli.conftest import by_name
from tests.durability.world import World, world
from tests.hub_process import until

MEGABYTE = 1_048_576

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one of our own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1400m", "omnihub", place], check=False)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
async def people(settings: Settings, disk: Path, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        engines = await stack.enter_async_context(await Engines.open(disk / "var"))
        uri, redis = engines.endpoints.mongodb_uri, engines.endpoints.redis_url
        store = Store(settings, uri, redis)
        stack.push_async_callback(store.close)
        await store.prepare()
        own = {**by_name(settings), "mongodb.uri": uri, "redis.url": redis}
        yield await stack.enter_async_context(world(store, own, tmp_path))


class Ballast:
    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "ballast"

    def fill(self, leave_megabytes: int) -> None:
        size = shutil.disk_usage(self._disk).free - leave_megabytes * MEGABYTE
        with self._file.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)

    def drop(self) -> None:
        self._file.unlink()


async def test_the_door_closes_before_the_disk_is_full(people: World, disk: Path) -> None:
    ballast = Ballast(disk)
    people.settings = {**people.settings, "storage.free_megabytes": "200"}
    async with people.hub() as hub:
        await people.ask(4)
        ballast.fill(leave_megabytes=150)

        async def closed() -> bool:
            return await people.refused()

        await until(closed)
        stored = await people.store.db["raw_events"].count_documents({})
        asking = asyncio.create_task(people.ask(8))
        await until(closed)
        assert not asking.done()
        assert await people.store.db["raw_events"].count_documents({}) == stored
        ballast.drop()
        await asking
        await people.settled()
        assert await hub.stop() == 0
    await people.check()


async def test_a_disk_that_is_full_nevertheless_loses_nothing(people: World, disk: Path) -> None:
    ballast = Ballast(disk)
    people.settings = {**people.settings, "storage.free_megabytes": "0"}
    async with people.hub() as hub:
        await people.ask(4)
        ballast.fill(leave_megabytes=0)
        asking = asyncio.create_task(people.ask(60))
        answering = asyncio.create_task(people.answer(3))
        await asyncio.wait({asking}, timeout=8)
        ballast.drop()
        await asyncio.gather(asking, answering)
        await people.settled(within=120)
        assert await hub.stop() == 0
    await people.check()
    await people.check_left_behind()
