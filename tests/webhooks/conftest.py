from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.model.account import Account
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver
from tests.mailbox import add_mailbox

PUSH = {"Authorization": "Bearer push-secret-for-tests", "Content-Type": "message/rfc822"}


@dataclass(slots=True, kw_only=True)
class Door:
    """The receiving route alone, with a mailbox that takes pushes."""

    http: TestClient[web.Request, web.Application]
    store: Store
    intake: Intake
    account: Account

    @property
    def path(self) -> str:
        return f"/in/{self.account.channel}/{self.account.key}"

    async def push(self, body: bytes | IO[bytes], headers: Mapping[str, str] = PUSH, **options: Any) -> int:
        """The answer's status."""
        async with self.http.post(self.path, data=body, headers=headers, **options) as answer:
            return answer.status

    async def raw_events(self) -> list[dict[str, Any]]:
        return [doc async for doc in self.store.db["raw_events"].find().sort("_id", 1)]


@asynccontextmanager
async def open_door(store: Store, connectors: Connectors, settings: Settings) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        account = await add_mailbox(store)
        app = web.Application()
        app.add_routes(Receiver(store, connectors, settings).routes())
        http = await stack.enter_async_context(
            TestClient(TestServer(app), connector=aiohttp.TCPConnector(limit=0))
        )
        yield Door(http=http, store=store, intake=Intake(store, connectors, settings), account=account)


@pytest.fixture
async def door(store: Store, connectors: Connectors, settings: Settings) -> AsyncIterator[Door]:
    async with open_door(store, connectors, settings) as opened:
        yield opened
