"""Two processes of every role on one database: every message is taken in once, every answer goes out once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from omnihub.connectors import registry
from omnihub.connectors.registry import Connectors
from omnihub.connectors.simulation import Chats, Person, Spoken
from omnihub.model.documents import ActorDoc, TicketDoc
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.hub_process import free_port, running, until

ANNA = ActorDoc(kind="user", id="anna", name="Anna")
PEOPLE = 2
WORDS = ("first", "second", "third")
ROLES = ("web", "web", "worker", "worker", "listen", "listen")


class Platforms:
    """Every channel's stand-in, with an account of the test's own database connected to it."""

    def __init__(self) -> None:
        self.simulators: dict[str, Any] = {}
        self.doors: dict[str, dict[str, str]] = {}

    @property
    def chats(self) -> dict[str, Chats]:
        return {channel: simulator.chats for channel, simulator in self.simulators.items()}

    def people(self, channel: str) -> list[Person]:
        chats = self.chats[channel]
        return [chats.invent(f"Guest {number}") for number in range(PEOPLE)]


@pytest.fixture
async def platforms(store: Store, tmp_path: Path) -> AsyncIterator[Platforms]:
    found = Platforms()
    async with AsyncExitStack() as stack:
        for channel in registry.manifests():
            simulator: Any = registry.simulator(channel, tmp_path / channel)
            if simulator is None or not hasattr(simulator, "chats"):
                continue
            await simulator.start()
            stack.push_async_callback(simulator.stop)
            found.simulators[channel] = simulator
            for wanted in simulator.accounts():
                values = registry.plain(registry.read_settings(channel, dict(wanted.settings)))
                account = await store.accounts.add(
                    channel=channel,
                    name=wanted.name,
                    settings=values,
                    secret_names=registry.secret_names(channel),
                    demo=True,
                )
                found.doors.setdefault(channel, {})[wanted.name] = f"/in/{channel}/{account.key}"
        yield found


async def test_nothing_is_taken_in_sent_or_fetched_twice(
    external: dict[str, str], store: Store, settings: Settings, connectors: Connectors, platforms: Platforms
) -> None:
    ports = [free_port(), free_port()]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    shared = {**external, "server.public_url": urls[0]}
    async with AsyncExitStack() as stack:
        started = []
        for number, role in enumerate(ROLES):
            given = {**shared, "server.port": str(ports[number % 2])} if role == "web" else shared
            started.append(stack.enter_async_context(running(role, settings=given)))
        await asyncio.gather(*started)
        for number, (channel, simulator) in enumerate(platforms.simulators.items()):
            # Twilio signs the address that it calls: that of the hub's public name.
            url = urls[0] if registry.manifest(channel).capabilities.segments else urls[number % 2]
            if hasattr(simulator, "attach"):
                await simulator.attach({name: url + path for name, path in platforms.doors[channel].items()})
        guests = {channel: platforms.people(channel) for channel in platforms.simulators}
        await asyncio.gather(
            *(_speak(platforms.chats[channel], person) for channel, people in guests.items() for person in people)
        )
        expected = sum(len(people) for people in guests.values()) * len(WORDS)
        heard = {"direction": "inbound", "text": {"$in": list(WORDS)}}

        async def all_heard() -> bool:
            return int(await store.db["messages"].count_documents(heard)) >= expected

        await until(all_heard, within=60)
        submit = Submit(store, connectors, settings)
        tickets: list[TicketDoc] = [doc async for doc in store.db["tickets"].find()]
        assert len(tickets) == sum(len(people) for people in guests.values())
        await asyncio.gather(*(_answer(submit, ticket) for ticket in tickets))

        async def all_answered() -> bool:
            lines = [
                _told(chats, person) for channel, chats in platforms.chats.items() for person in guests[channel]
            ]
            return all(lines)

        await until(all_answered, within=60)
    assert await store.db["messages"].count_documents(heard) == expected
    for channel, chats in platforms.chats.items():
        for person in guests[channel]:
            assert len(_told(chats, person)) == 1, (channel, person)
    assert platforms.simulators["wecom_kf"].most_pulls == 1
    for channel in ("wechat", "wechat_miniprogram"):
        assert platforms.simulators[channel].desk.tokens.calls == 1, channel
    for channel in ("wecom", "wecom_kf"):
        assert platforms.simulators[channel].platform.calls["/cgi-bin/gettoken"] == 1, channel


async def _speak(chats: Chats, person: Person) -> None:
    for words in WORDS:
        await chats.speak(person, Spoken(kind="text", text=words))


async def _answer(submit: Submit, ticket: TicketDoc) -> None:
    request = ReplyRequest(
        ticket_id=ticket["_id"],
        actor=ANNA,
        text=f"answer to #{ticket['number']}",
        seen_inbound_id=None,
        force=True,
    )
    await submit.reply(request)


def _told(chats: Chats, person: Person) -> list[str]:
    return [line.text for line in chats.lines(person.id) if line.author == "desk" and "answer to #" in line.text]
