"""From the agent's click to the card in the ticket, through exchanges that speak as the real ones do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omnihub.connectors import registry
from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import Listeners
from omnihub.model.account import Account
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.conftest import Eventually
from tests.mailbox import PostOffice, mail
from tests.unified_view.browser import Hub

NUMBER = "+4930900155"


@contextlib.asynccontextmanager
async def running(*parts: object) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(part.run()) for part in parts]  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=["asterisk", "freeswitch"])
async def exchange(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> AsyncIterator[Account]:
    channel = request.param
    simulator = registry.simulator(channel, tmp_path / channel)
    assert simulator is not None
    await simulator.start()
    settings = registry.plain(registry.read_settings(channel, dict(simulator.accounts()[0].settings)))
    yield await store.accounts.add(
        channel=channel, name="Desk", settings=settings, secret_names=registry.secret_names(channel)
    )
    await simulator.stop()


async def test_a_click_becomes_a_call_in_the_ticket(
    hub: Hub,
    store: Store,
    post: PostOffice,
    connectors: Connectors,
    settings: Settings,
    exchange: Account,
    eventually: Eventually,
) -> None:
    await post.deliver(mail("anna@customer.test", mid="a@c"))
    [ticket] = [doc async for doc in store.db["tickets"].find()]
    agent = await hub.browser("agent")
    extension = {"asterisk": "101", "freeswitch": "1001"}[exchange.channel]
    await store.users.change(agent.user["_id"], {"extensions": [extension]})
    lines = (await agent.get("/calls/lines")).json
    assert [one["account_id"] for one in lines["items"]] == [exchange.id]

    async def listening() -> bool:
        health = await store.accounts.health()
        return health.get(exchange.id, {}).get("state") == "ok"

    async with running(Listeners(store, connectors), Intake(store, connectors, settings)):
        await eventually(listening)
        body = {"account_id": exchange.id, "number": "+49 30 900155", "ticket_id": ticket["_id"]}
        answer = await agent.post("/calls", body)
        assert answer.status == 200, answer.content
        assert answer.json["picked_up"] is True

        async def card() -> list[dict]:  # type: ignore[type-arg]
            items = (await agent.get(f"/tickets/{ticket['_id']}/timeline")).json["items"]
            return [
                one["message"] for one in items if one["kind"] == "message" and one["message"]["kind"] == "call"
            ]

        [message] = await eventually(card)
    told = message["extra"]["call"]
    assert (told["id"], told["direction"]) == (answer.json["call_id"], "out")
    assert message["sender"]["key"] == f"phone:{NUMBER}"
    [event] = [doc async for doc in store.db["events"].find({"type": "call.dialled"})]
    assert (event["ticket_id"], event["data"]["call_id"]) == (ticket["_id"], told["id"])
