"""The database goes away under the door: nobody is told that something arrived which is not on disk."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from omnihub.connectors.registry import Connectors
from omnihub.connectors.webform.sample import Sample
from omnihub.settings import RedisSettings, Settings, Storage
from omnihub.store.engines import Endpoints, Engines
from omnihub.store.store import Store
from tests.conftest import Eventually
from tests.mailbox import mail
from tests.webhooks.conftest import PUSH, Door, open_door
from tests.webhooks.test_receive import add_form


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(processors=[_drop])
    yield
    structlog.reset_defaults()


def _drop(*_: object) -> str:
    raise structlog.DropEvent


@asynccontextmanager
async def own_engines(var: Path, endpoints: Endpoints) -> AsyncIterator[Engines]:
    """A mongod of this test alone; the redis of all of them."""
    async with await Engines.open(var, redis_url=endpoints.redis_url) as engines:
        yield engines


@asynccontextmanager
async def door_on(
    engines: Engines, settings: Settings, connectors: Connectors, name: str = "outage"
) -> AsyncIterator[Door]:
    store = Store(settings, engines.endpoints.mongodb_uri, engines.endpoints.redis_url)
    await store.prepare()
    async with open_door(store, connectors, settings) as door:
        yield door
    await store.close()


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(
        update={
            "storage": Storage(var=tmp_path / "var"),
            "redis": RedisSettings(url=settings.redis.url, prefix=settings.redis.prefix),
        }
    )


async def test_a_database_that_is_down_is_answered_503_and_nothing_is_lost(
    own: Settings, endpoints: Endpoints, connectors: Connectors, eventually: Eventually
) -> None:
    async with own_engines(own.storage.var, endpoints) as engines, door_on(engines, own, connectors) as door:
        assert await door.push(mail("anna@customer.test", mid="before@c")) == 200
        await engines.close()

        began = time.monotonic()
        async with door.http.post(door.path, data=mail("a@customer.test", mid="x@c"), headers=PUSH) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) >= 1
            assert (await answer.json(content_type=None))["code"] == "unavailable"
        assert time.monotonic() - began < 8, "a provider does not wait longer"

        async with own_engines(own.storage.var, endpoints):

            async def taken() -> bool:
                return await door.push(mail("a@customer.test", mid="x@c")) == 200

            await eventually(taken)
            await door.intake.drain()
            stored = {doc["external_id"] async for doc in door.store.db["messages"].find()}
            assert stored == {"before@c", "x@c"}


async def test_a_database_killed_under_load_loses_nothing_and_doubles_nothing(
    own: Settings, endpoints: Endpoints, connectors: Connectors
) -> None:
    """Every sender repeats until it hears 200, as providers do. The engines restart mongod by themselves."""
    async with own_engines(own.storage.var, endpoints) as engines, door_on(engines, own, connectors) as door:
        assert await door.push(mail("anna@customer.test", mid="warm@c")) == 200
        heard: list[int] = []
        well_under_way = asyncio.Event()

        async def insist(number: int) -> None:
            status = 0
            while status != 200:
                status = await door.push(mail(f"c{number % 5}@customer.test", mid=f"{number}@c"))
                heard.append(status)
                if len(heard) == 60:
                    well_under_way.set()
                assert status in (200, 503)

        async def senders(first: int) -> None:
            for number in range(first, 240, 8):
                await insist(number)

        async def killer() -> None:
            await well_under_way.wait()
            os.kill(engines.status()["mongod"]["pid"], signal.SIGKILL)

        await asyncio.gather(killer(), *(senders(first) for first in range(8)))
        assert engines.status()["mongod"]["restarts"] == 1
        await door.intake.drain()
        stored = [doc["external_id"] async for doc in door.store.db["messages"].find()]
        assert sorted(stored) == sorted(["warm@c", *(f"{number}@c" for number in range(240))])
        assert await door.store.db["contacts"].count_documents({}) == 6


async def test_a_frozen_database_keeps_nobody_waiting_for_long(
    own: Settings, endpoints: Endpoints, connectors: Connectors, eventually: Eventually
) -> None:
    async with own_engines(own.storage.var, endpoints) as engines, door_on(engines, own, connectors) as door:
        assert await door.push(mail("anna@customer.test", mid="before@c")) == 200
        pid = engines.status()["mongod"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert await door.push(mail("anna@customer.test", mid="x@c")) == 503
            assert time.monotonic() - began < 10
        finally:
            os.kill(pid, signal.SIGCONT)

        async def taken() -> bool:
            return await door.push(mail("anna@customer.test", mid="x@c")) == 200

        await eventually(taken)
        await door.intake.drain()
        assert await door.store.db["messages"].count_documents({"external_id": "x@c"}) == 1


async def test_a_redis_that_is_frozen_or_flushed_costs_no_message(
    own: Settings, endpoints: Endpoints, connectors: Connectors, eventually: Eventually
) -> None:
    async with (
        await Engines.open(own.storage.var, mongodb_uri=endpoints.mongodb_uri) as engines,
        door_on(engines, own, connectors) as door,
    ):
        form = await add_form(door.store)
        sample = Sample(await connectors.of(form))
        working = asyncio.create_task(door.intake.run())
        pid = engines.status()["redis"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(3):
                began = time.monotonic()
                request = sample.genuine(number)
                async with door.http.post(
                    f"/in/webform/{form.key}", data=request.body, headers=dict(request.headers)
                ) as answer:
                    assert answer.status == 200
                assert time.monotonic() - began < 6
            await eventually(lambda: _stored(door, 3), 25)
        finally:
            os.kill(pid, signal.SIGCONT)
        await door.store.redis.flushall()
        assert await door.push(mail("anna@customer.test", mid="after@c")) == 200
        await eventually(lambda: _stored(door, 4))
        working.cancel()
        await asyncio.wait([working])


async def _stored(door: Door, count: int) -> bool:
    return int(await door.store.db["messages"].count_documents({})) == count
