"""One benchmark's world: private engines, a store of its own to look with, and the hub as real processes."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bench.accounting import family
from omnihub.connectors import registry
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import UserDoc
from omnihub.model.ids import new_id
from omnihub.settings import MongoDB, RedisSettings, Security, Server, Settings, Storage
from omnihub.store.engines import Engines
from omnihub.store.store import Store
from tests.hub_process import Running, free_port, running

SECRET = "a secret for benchmarks, thirty-two characters and more"
_LOOK_SECONDS = 0.02
Option = str | int | float


@dataclass(slots=True, kw_only=True)
class World:
    """A database of its own on engines that several worlds may share."""

    folder: Path
    engines: Engines
    settings: Settings
    store: Store
    hubs: list[Running] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.server.port}"

    def environment(self, **options: Option) -> dict[str, str]:
        """As names of settings, such as intake.batch; given as intake__batch."""
        told = self.settings
        return {
            "server.port": str(told.server.port),
            "storage.var": str(told.storage.var),
            "mongodb.uri": told.mongodb.uri.get_secret_value(),
            "mongodb.database": told.mongodb.database,
            "redis.url": told.redis.url.get_secret_value(),
            "redis.prefix": told.redis.prefix,
            "security.secret_key": told.security.secret_key.get_secret_value(),
            "logging.level": "error",
        } | {name.replace("__", "."): str(value) for name, value in options.items()}

    @asynccontextmanager
    async def hub(self, *roles: str, **options: Option) -> AsyncIterator[list[Running]]:
        """Each role is a command of its own: up, web, worker, listen; a role named twice runs twice."""
        async with AsyncExitStack() as stack:
            for role in roles:
                started = await stack.enter_async_context(running(role, settings=self.environment(**options)))
                self.hubs.append(started)
                stack.callback(self.hubs.remove, started)
            yield list(self.hubs)

    def groups(self, **others: Sequence[int]) -> dict[str, Sequence[int]]:
        """Process ids by name, for the accounting."""
        pids = {name: [int(told["pid"])] for name, told in self.engines.status().items() if told["pid"]}
        hub = [pid for one in self.hubs for pid in family(one.process.pid)]
        return {"hub": hub, "mongod": pids["mongod"], "redis": pids["redis"], **others}

    async def add_account(
        self, channel: str, settings: Mapping[str, Any], *, name: str = "", **policy: Any
    ) -> Account:
        values = registry.plain(registry.read_settings(channel, dict(settings)))
        return await self.store.accounts.add(
            channel=channel,
            name=name or channel,
            settings=values,
            secret_names=registry.secret_names(channel),
            policy=AccountPolicy(**policy),
        )

    async def add_user(self, number: int = 0) -> tuple[UserDoc, str]:
        """An admin with a token to call the API and the live view with."""
        user = await self.store.users.add(
            email=f"agent{number}@bench.example.test", name=f"Agent {number}", role="admin", password_hash="none"
        )
        _, token = await self.store.sessions.add_token(user["_id"], "bench", ["admin"])
        return user, token

    async def stored(self) -> int:
        return int(await self.store.db["messages"].estimated_document_count())

    async def until_stored(self, count: int, within: float) -> float:
        """The moment, by the monotonic clock. Raises TimeoutError, saying how far it came."""
        return await until(lambda: self._has(count), within, self.stored)

    async def _has(self, count: int) -> bool:
        return await self.stored() >= count


async def until(
    look: Callable[[], Awaitable[bool]], within: float, progress: Callable[[], Awaitable[object]] | None = None
) -> float:
    end = time.monotonic() + within
    while not await look():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within} s; so far: {await progress() if progress else 'nothing'}")
        await asyncio.sleep(_LOOK_SECONDS)
    return time.monotonic()


@asynccontextmanager
async def engines(folder: Path) -> AsyncIterator[Engines]:
    """mongod and redis-server of the embedded kind; those that run on this folder already are shared."""
    async with await Engines.open(folder / "engines", exclusive=False) as opened:
        yield opened


@asynccontextmanager
async def world(folder: Path, shared: Engines) -> AsyncIterator[World]:
    """Its database is dropped at the end."""
    name = new_id()
    settings = Settings(
        server=Server(port=free_port()),
        storage=Storage(var=folder / f"var-{name}"),
        mongodb=MongoDB(uri=SecretStr(shared.endpoints.mongodb_uri), database=f"b{name}"),
        redis=RedisSettings(url=SecretStr(shared.endpoints.redis_url), prefix=f"b{name}:"),
        security=Security(secret_key=SecretStr(SECRET)),
    )
    store = Store(settings, shared.endpoints.mongodb_uri, shared.endpoints.redis_url)
    try:
        await store.prepare()
        yield World(folder=folder, engines=shared, settings=settings, store=store)
    finally:
        await store.db.client.drop_database(settings.mongodb.database)
        await store.close()


@asynccontextmanager
async def alone(folder: Path) -> AsyncIterator[World]:
    """A world on engines of its own."""
    async with engines(folder) as opened, world(folder, opened) as made:
        yield made


def own_pids() -> list[int]:
    return [os.getpid()]
