from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.cli.conftest import by_name
from tests.durability.world import World, world


@pytest.fixture
async def people(store: Store, settings: Settings, tmp_path: Path) -> AsyncIterator[World]:
    async with world(store, by_name(settings), tmp_path) as made:
        yield made
