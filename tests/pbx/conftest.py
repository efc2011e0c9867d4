import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from omnihub.connectors.registry import Connectors
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.pbx.captures import KEPT, keep
from tests.pbx.exchange import Exchange, is_alone
from tests.pbx.hub import Hub, hub
from tests.pbx.relay import Relay
from tests.pbx.telephones import Telephones, telephones


@pytest.fixture(scope="session")
def exchange() -> Iterator[Exchange]:
    """One for all tests; each plays its own calls to their end."""
    if not is_alone():
        pytest.skip("these talk to a real Asterisk: run “make test-pbx”")
    made = Exchange("tests")
    made.prepare()
    try:
        made.start()
        yield made
    finally:
        made.stop()
        made.remove()


@pytest.fixture
async def relay(request: pytest.FixtureRequest, exchange: Exchange, tmp_path: Path) -> AsyncIterator[Relay]:
    """What the exchange said is kept beside the test's other files."""
    made = Relay()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        name = re.sub(r"\W+", "_", request.node.name).strip("_")
        for number, said in enumerate(made.said):
            (tmp_path / f"{name}{number or ''}.txt").write_bytes(said)
        if (folder := os.environ.get("PBX_CAPTURES")) and name in KEPT:
            keep(Path(folder), name, bytes(made.said[0]))


@pytest.fixture
async def desk(
    store: Store, connectors: Connectors, settings: Settings, exchange: Exchange, relay: Relay
) -> AsyncIterator[Hub]:  # fmt: skip
    async with hub(store, connectors, settings, exchange, relay) as opened:
        yield opened


@pytest.fixture
async def lines(exchange: Exchange) -> AsyncIterator[Telephones]:
    async with telephones(exchange) as placed:
        yield placed
        # Shown with a test that failed.
        print(placed.log(), exchange.log(), sep="\n")
        assert "\n0 active channels" in f"\n{exchange.say('core show channels count')}"
