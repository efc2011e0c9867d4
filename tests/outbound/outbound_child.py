"""A hub's sending process for the test that kills it: says `began` once a send has begun, and never ends it."""

import asyncio
import sys

import aiohttp
from outbound_scripted import Provider, ScriptedConnectors

from omnihub.connectors.contract import Toolbox
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import load
from omnihub.store.database import now
from omnihub.store.store import Store


async def begin(message: Outgoing) -> SendResult:
    print("began", flush=True)
    await asyncio.Event().wait()
    raise AssertionError


async def main(account_id: str) -> None:
    settings = load()
    store = Store(settings, settings.mongodb.uri.get_secret_value(), settings.redis.url.get_secret_value())
    async with aiohttp.ClientSession() as http:
        connectors = ScriptedConnectors(Toolbox(http=http, public_url="", sign=store.vault.sign, now=now))
        connectors.providers[account_id] = Provider(answers={"one": [begin]})
        await OutboundWorker(store, connectors, settings).run()


asyncio.run(main(sys.argv[1]))
