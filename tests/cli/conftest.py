import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog
from click.testing import Result
from typer.testing import CliRunner

from omnihub.cli import app
from omnihub.settings import Settings
from tests.hub_process import environment

Cli = Callable[..., Awaitable[Result]]


def by_name(settings: Settings) -> dict[str, str]:
    """The test's own database, as a process is told of it."""
    return {
        "mongodb.uri": settings.mongodb.uri.get_secret_value(),
        "mongodb.database": settings.mongodb.database,
        "redis.url": settings.redis.url.get_secret_value(),
        "redis.prefix": settings.redis.prefix,
        "storage.var": str(settings.storage.var),
        "security.secret_key": settings.security.secret_key.get_secret_value(),
    }


@pytest.fixture
def external(settings: Settings) -> dict[str, str]:
    return by_name(settings)


@pytest.fixture
def cli(external: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Runs a command inside this process, on the test's own database."""
    for name, value in environment(external).items():
        if name.startswith("OMNIHUB_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))

    yield run
    structlog.reset_defaults()
