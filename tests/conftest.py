import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from pydantic import SecretStr
from pymongo import MongoClient

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.model.ids import new_id
from omnihub.settings import Intake, MongoDB, RedisSettings, Security, Server, Settings, Storage
from omnihub.store.database import now
from omnihub.store.engines import Endpoints, Engines
from omnihub.store.store import Store

for _name in [name for name in os.environ if name.startswith("OMNIHUB_")]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """One real mongod and one real redis-server for the whole run; every test gets its own database."""
    var = tmp_path_factory.mktemp("engines")
    with asyncio.Runner() as runner:
        engines = runner.run(Engines.open(var))
        try:
            yield engines.endpoints
        finally:
            runner.run(engines.close())


@pytest.fixture(scope="session")
def mongod(endpoints: Endpoints) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](endpoints.mongodb_uri) as client:
        yield client


@pytest.fixture(scope="session")
def emptied() -> str:
    """The name of the database that tests use one after the other. To empty one is much faster than to make
    all its collections and indexes; whoever changes those takes a database of their own."""
    return f"t{new_id()}"


@pytest.fixture
def settings(
    tmp_path: Path,
    endpoints: Endpoints,
    mongod: MongoClient[dict[str, Any]],
    emptied: str,
    request: pytest.FixtureRequest,
) -> Iterator[Settings]:
    if request.node.get_closest_marker("own_database"):
        own = f"t{new_id()}"
        yield settings_on(endpoints, tmp_path / "var", own)
        mongod.drop_database(own)
        return
    database = mongod[emptied]
    for name in database.list_collection_names(filter={"name": {"$not": {"$regex": "^system[.]"}}}):
        database[name].delete_many({})
    yield settings_on(endpoints, tmp_path / "var", emptied)


def settings_on(endpoints: Endpoints, var: Path, database: str) -> Settings:
    return Settings(
        server=Server(port=0),
        intake=Intake(sweep_seconds=1),
        storage=Storage(var=var),
        mongodb=MongoDB(uri=SecretStr(endpoints.mongodb_uri), database=database),
        redis=RedisSettings(url=SecretStr(endpoints.redis_url), prefix=f"t{new_id()}:"),
        security=Security(secret_key=SecretStr("a secret for tests, thirty-two characters and more")),
    )


@pytest.fixture(scope="session")
def prepared() -> set[str]:
    """Databases that have their collections and indexes."""
    return set()


@pytest.fixture
async def store(settings: Settings, endpoints: Endpoints, prepared: set[str]) -> AsyncIterator[Store]:
    opened = Store(settings, endpoints.mongodb_uri, endpoints.redis_url)
    if settings.mongodb.database not in prepared:
        await opened.prepare()
        prepared.add(settings.mongodb.database)
    yield opened
    await opened.close()


@pytest.fixture
async def toolbox(store: Store) -> AsyncIterator[Toolbox]:
    async with aiohttp.ClientSession() as http:
        yield Toolbox(http=http, public_url="http://hub.example.test", sign=store.vault.sign, now=now)


@pytest.fixture
async def connectors(toolbox: Toolbox) -> AsyncIterator[Connectors]:
    live = Connectors(toolbox)
    yield live
    await live.close()


Eventually = Callable[..., Awaitable[Any]]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until `look` answers something true, and returns it; fails when that takes too long."""

    async def wait(look: Callable[[], Awaitable[Any]], within: float = 15.0) -> Any:
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while not (seen := await look()):
            if loop.time() > end:
                pytest.fail(f"did not happen within {within} s: {look}")
            await asyncio.sleep(0.02)
        return seen

    return wait


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the event loop that the hub runs on."""
    return {"uvloop": uvloop.new_event_loop}
