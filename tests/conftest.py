import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from pydantic import SecretStr

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


@pytest.fixture
def settings(tmp_path: Path, endpoints: Endpoints) -> Settings:
    return Settings(
        server=Server(port=0),
        intake=Intake(sweep_seconds=1),
        storage=Storage(var=tmp_path / "var"),
        mongodb=MongoDB(uri=SecretStr(endpoints.mongodb_uri), database=f"t{new_id()}"),
        redis=RedisSettings(url=SecretStr(endpoints.redis_url), prefix=f"t{new_id()}:"),
        security=Security(secret_key=SecretStr("a secret for tests, thirty-two characters and more")),
    )


@pytest.fixture
async def store(settings: Settings, endpoints: Endpoints) -> AsyncIterator[Store]:
    opened = Store(settings, endpoints.mongodb_uri, endpoints.redis_url)
    await opened.prepare()
    yield opened
    await opened.db.client.drop_database(settings.mongodb.database)
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
