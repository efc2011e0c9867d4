from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.e2e.screen import ARGUMENTS, CHROMIUM, Office, Screen
from tests.hub_process import running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> AsyncIterator[Office]:
    """Shared: each test brings its own customers, and takes no ticket but theirs for its own."""
    var = tmp_path_factory.mktemp("office") / "var"
    settings = {"storage.var": str(var), "server.port": "0"}
    async with running("up", "--demo", settings=settings) as hub:
        yield Office(hub=hub, var=var, browser=chromium)


@pytest_asyncio.fixture(loop_scope="session")
async def desk(office: Office) -> AsyncIterator[Screen]:
    screen = await office.page()
    yield screen
    await screen.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chinese(office: Office) -> AsyncIterator[Screen]:
    admin = await office.page()
    await office.mail(admin, "给中文页面的来信")
    await admin.close()
    screen = await office.page(locale="zh-CN")
    yield screen
    await screen.close()
