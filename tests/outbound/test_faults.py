import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from outbound_scripted import ScriptedConnectors
from outbound_world import World

from omnihub.connectors.contract import Toolbox
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.engines import Engines
from omnihub.store.store import Store

CHILD = Path(__file__).with_name("outbound_child.py")


def environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "OMNIHUB_MONGODB__URI": settings.mongodb.uri.get_secret_value(),
        "OMNIHUB_MONGODB__DATABASE": settings.mongodb.database,
        "OMNIHUB_REDIS__URL": settings.redis.url.get_secret_value(),
        "OMNIHUB_REDIS__PREFIX": settings.redis.prefix,
        "OMNIHUB_SECURITY__SECRET_KEY": settings.security.secret_key.get_secret_value(),
    }


async def test_a_process_killed_while_sending_leaves_an_uncertain_message(
    world: World, settings: Settings, tmp_path: Path, eventually: Any
) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    message, behind = await world.reply(ticket, "one"), await world.reply(ticket, "two")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        account.id,
        env=environment(settings) | {"PYTHONPATH": str(CHILD.parents[2])},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout
        assert await asyncio.wait_for(child.stdout.readline(), 30) == b"began\n"
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()

    async with world.worker():
        assert await world.state(message) == "sending"
        assert provider.asked == []
        past = now() - timedelta(seconds=1)
        await world.set(message, {"delivery.lease_until": past})
        await world.store.db["leases"].update_many({}, {"$set": {"until": past}})
        await eventually(lambda: _is(world, message, "uncertain"))
        await eventually(lambda: _is(world, behind, "sent"))
    assert provider.asked == ["two"]
    assert (await world.store.tickets.get(ticket["_id"]))["undelivered"] == 1


async def _is(world: World, message: Any, state: str) -> bool:
    return await world.state(message) == state


async def test_a_database_that_dies_and_returns_costs_nothing(
    settings: Settings, toolbox: Toolbox, tmp_path: Path, eventually: Any
) -> None:
    async with await Engines.open(tmp_path / "own") as engines:
        store = Store(settings, engines.endpoints.mongodb_uri, engines.endpoints.redis_url)
        await store.prepare()
        world = World(store, ScriptedConnectors(toolbox), settings)
        account, provider = await world.account()
        ticket, _, _ = await world.case(account)
        down = asyncio.Event()

        async def pull_the_plug(message: Outgoing) -> SendResult:
            os.kill(engines.status()["mongod"]["pid"], signal.SIGKILL)
            down.set()
            return SendResult(words="250 taken")

        provider.answers["one"] = [pull_the_plug]
        message, behind = await world.reply(ticket, "one"), await world.reply(ticket, "two")
        async with world.worker():
            await down.wait()
            await eventually(lambda: _survived(world, behind), within=45)
        assert await world.state(message) == "sent"
        assert provider.asked == ["one", "two"]
        await store.close()


async def _survived(world: World, message: Any) -> bool:
    try:
        return await _is(world, message, "sent")
    except Exception:
        return False
