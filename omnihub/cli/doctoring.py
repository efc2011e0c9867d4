import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from omnihub.cli.common import SettingsOption, configure_logging, out, read_settings, run, show_finding
from omnihub.connectors.contract import Finding

if TYPE_CHECKING:
    from omnihub.app import Hub

_CLOCK_SECONDS = 2.0
_DISK_BYTES = 2_000_000_000


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)
    settings_app = typer.Typer(no_args_is_help=True)
    settings_app.callback()(lambda: None)
    settings_app.command("show")(show)
    app.add_typer(settings_app, name="settings", help="What is set.")


def doctor(
    network: Annotated[bool, typer.Option(help="Also try each account's connections.")] = True,
    settings: SettingsOption = None,
) -> None:
    """Look at engines, indexes, clock, disk and every account, and say what to do."""

    async def work() -> bool:
        healthy = True
        async for finding in _findings(settings, network):
            healthy = healthy and finding.ok
            show_finding(finding)
        return healthy

    if not run(work()):
        raise typer.Exit(1)


async def _findings(path: Path | None, network: bool) -> AsyncIterator[Finding]:
    from pymongo.errors import PyMongoError

    from omnihub.app import open_hub
    from omnihub.store.engines import EngineError

    settings = read_settings(path)
    configure_logging(settings, quiet=True)
    yield Finding(name="settings", ok=True, detail=str(path or "settings.toml and the environment"))
    yield _disk(settings.storage.var)
    try:
        async with open_hub(settings) as hub:
            async for finding in _of_hub(hub, network):
                yield finding
    except EngineError as error:
        yield Finding(name="engines", ok=False, detail=error.problem, remedy=error.remedy)
    except PyMongoError as error:
        remedy = "see that MongoDB runs and that mongodb.uri leads to it, with its user and password"
        yield Finding(name="mongodb", ok=False, detail=str(error).partition(", Timeout:")[0], remedy=remedy)


def _disk(var: Path) -> Finding:
    place = next(parent for parent in (var, *var.absolute().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    return Finding(
        name="disk",
        ok=free > _DISK_BYTES,
        detail=f"{free / 1e9:.1f} GB free under {var}",
        remedy="free some space, or move storage.var to a larger disk",
    )


async def _of_hub(hub: "Hub", network: bool) -> AsyncIterator[Finding]:
    yield await _mongodb(hub)
    yield await _redis(hub)
    yield await _indexes(hub)
    yield await _journal(hub)
    users = await hub.store.users.count_admins()
    yield Finding(
        name="users", ok=users > 0, detail=f"{users} admins", remedy="omnihub user add EMAIL --role admin"
    )
    health = await hub.store.accounts.health()
    for account in await hub.store.accounts.all():
        async for finding in _account(hub, account, health.get(account.id, {}), network):
            yield finding


async def _mongodb(hub: "Hub") -> Finding:
    hello = await hub.store.db.client.admin.command("hello")
    theirs = hello["localTime"].replace(tzinfo=UTC)
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if not hello.get("setName"):
        remedy = "start mongod with --replSet and run rs.initiate(): transactions need a replica set"
        return Finding(name="mongodb", ok=False, detail="is not a replica set", remedy=remedy)
    return Finding(
        name="mongodb",
        ok=apart < _CLOCK_SECONDS,
        detail=f"replica set {hello['setName']}, clocks {apart:.2f} s apart",
        remedy="set both machines' clocks by NTP",
    )


async def _redis(hub: "Hub") -> Finding:
    from redis.exceptions import RedisError

    try:
        info: dict[str, Any] = await hub.store.redis.info("server")
    except RedisError as error:
        remedy = "check redis.url; the hub goes on without it, but slower"
        return Finding(name="redis", ok=False, detail=str(error), remedy=remedy)
    return Finding(name="redis", ok=True, detail=f"version {info['redis_version']}")


async def _indexes(hub: "Hub") -> Finding:
    from omnihub.store import schema

    missing = await schema.missing_indexes(hub.store.db)
    detail = f"missing: {', '.join(missing)}" if missing else "all there"
    return Finding(name="indexes", ok=not missing, detail=detail, remedy="restart the hub: it makes them at start")


async def _journal(hub: "Hub") -> Finding:
    counts = await hub.store.journal.counts()
    detail = (
        f"{counts['waiting']} waiting (oldest {counts['oldest_seconds']:.0f} s), {counts['dead']} dead letters"
    )
    return Finding(
        name="journal",
        ok=counts["oldest_seconds"] < 60 and counts["dead"] == 0,
        detail=detail,
        remedy="start a worker (omnihub up or omnihub worker); look at the dead letters page",
    )


async def _account(hub: "Hub", account: Any, health: dict[str, Any], network: bool) -> AsyncIterator[Finding]:
    name = f"account {account.name}"
    if not account.enabled:
        yield Finding(name=name, ok=True, detail="disabled")
        return
    state = health.get("state", "unknown")
    yield Finding(
        name=name,
        ok=state != "error",
        detail=f"{state} {health.get('detail', '')}".strip(),
        remedy=f"omnihub account test {account.id}",
    )
    if network:
        for finding in await (await hub.connectors.of(account)).check():
            yield Finding(
                name=f"{name}, {finding.name}", ok=finding.ok, detail=finding.detail, remedy=finding.remedy
            )


def show(settings: SettingsOption = None) -> None:
    """The settings in force; secrets are masked."""
    values = read_settings(settings).model_dump(mode="json")
    out.print_json(orjson.dumps(values).decode())
