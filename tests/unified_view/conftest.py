from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.inbox.contacts import ContactDesk
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.tickets import TicketDesk
from omnihub.outbound.gestures import Gestures
from omnihub.outbound.options import Options
from omnihub.outbound.submit import Submit
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.unified_view.application import application
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.live import Pace
from omnihub.unified_view.live_feed import Feed
from tests.mailbox import PostOffice, open_post_office
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.telephone import Switchboard


@pytest.fixture
async def post(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return await open_post_office(store, connectors, settings)


@pytest.fixture
def deps(store: Store, settings: Settings, connectors: Connectors, toolbox: Toolbox) -> Deps:
    return Deps(
        store=store,
        settings=settings,
        connectors=connectors,
        toolbox=toolbox,
        tickets=TicketDesk(store),
        rearranging=Rearranging(store, settings),
        contacts=ContactDesk(store),
        submit=Submit(store, connectors, settings),
        options=Options(store, connectors),
        gestures=Gestures(store, connectors),
    )


@pytest.fixture
def web_app(tmp_path: Path) -> Path:
    """A built web app in miniature."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>omnihub</title>")
    (folder / "assets" / "index-abc123.js").write_text("export {}")
    return folder


StartHub = Callable[..., Awaitable[Hub]]


@pytest.fixture
async def start(deps: Deps, web_app: Path) -> AsyncIterator[StartHub]:
    """Starts hubs on the same database, as several processes would be."""
    running: list[Hub] = []

    async def start_one(
        deps: Deps = deps, *, static: Path = web_app, pace: Pace | None = None, capacity: int = 2000
    ) -> Hub:
        app = application(deps, static=static, pace=pace, feed=Feed(deps.store, capacity))
        server = TestServer(app)
        await server.start_server()
        hub = Hub(server=server, deps=deps)
        running.append(hub)
        return hub

    yield start_one
    for hub in running:
        await hub.close()


@pytest.fixture
async def hub(start: StartHub) -> Hub:
    return await start()


@pytest.fixture
async def admin(hub: Hub) -> Browser:
    return await hub.browser("admin")


@pytest.fixture
async def agent(hub: Hub) -> Browser:
    return await hub.browser("agent")


@pytest.fixture
def switchboard(store: Store, toolbox: Toolbox, settings: Settings) -> Switchboard:
    return Switchboard(store, toolbox, settings)


@pytest.fixture
async def phones(start: StartHub, deps: Deps, switchboard: Switchboard) -> Hub:
    """A hub whose accounts are those of the switchboard."""
    return await start(
        replace(
            deps,
            connectors=switchboard.connectors,
            options=Options(deps.store, switchboard.connectors),
            submit=Submit(deps.store, switchboard.connectors, deps.settings),
        )
    )
