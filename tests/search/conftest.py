import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from omnihub.connectors.contract import Toolbox
from omnihub.search.asking import Question, search
from omnihub.search.feeder import Feeder
from omnihub.settings import Settings
from omnihub.store.search import Kind
from omnihub.store.store import Store
from tests.inbox.spoken import Desk


@pytest.fixture
def desk(store: Store, toolbox: Toolbox, settings: Settings) -> Desk:
    return Desk(store, toolbox, settings)


@pytest.fixture
async def feeding(store: Store) -> AsyncIterator[Feeder]:
    feeder = Feeder(store)
    running = asyncio.create_task(feeder.run())
    yield feeder
    running.cancel()
    await asyncio.wait([running])


Find = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def find(store: Store) -> Find:
    """The ids found of one kind."""

    async def ids(words: str, kind: Kind = "messages", **more: object) -> list[str]:
        answer = await search(store, Question(words=words, kinds=(kind,), limit=50, **more))  # type: ignore[arg-type]
        return [hit.id for hit in answer.groups[0].hits]

    return ids
