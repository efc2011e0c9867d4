"""Customers, agents and providers around hub processes that die; and what must hold at the end."""

import asyncio
import base64
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from omnihub.connectors import registry
from omnihub.connectors.api.simulator import Simulator as ApiSimulator
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.sampling import ChannelSample, sample_type
from omnihub.connectors.simulation import Person
from omnihub.connectors.telegram.simulator import Simulator as TelegramSimulator
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.raw import RawRequest
from omnihub.store.database import PyMongoError, now
from omnihub.store.store import Store
from tests.hub_process import NOTHING, Running, free_port, until

PATIENCE = {
    "intake.sweep_seconds": "0.5",
    "outbound.sweep_seconds": "0.3",
    "outbound.retry_seconds": "[0.2,0.5,1]",
    "outbound.send_timeout_seconds": "10",
}
_GONE = (aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError)
_ENDED = ("sent", "delivered", "read", "uncertain")
_FILE = b"a small file, the same to the last byte\n" * 40


@dataclass(slots=True, kw_only=True)
class Line:
    """One channel: its account, its platform's stand-in, and the customer who writes."""

    account: Account
    sample: ChannelSample[Any]
    simulator: Any
    person: Person | None
    asked: int = 0
    answers: int = 0

    def received(self) -> list[str]:
        """Our answers, as the customer sees them, in that order."""
        if self.person is None:
            return []
        return [one.text for one in self.simulator.chats.lines(self.person.id) if one.author == "desk"]


@dataclass(slots=True, kw_only=True)
class World:
    store: Store
    lines: dict[str, Line]
    settings: Mapping[str, str]
    token: str
    ports: tuple[int, ...]
    http: aiohttp.ClientSession
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    @asynccontextmanager
    async def hub(self, *roles: str, more: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
        """Ready, and gone at the end, however."""
        hub = await Running.start(
            *(roles or ("up",)), settings=self.settings, module="tests.durability.hub", more=more or {}
        )
        try:
            yield await hub.ready()
        finally:
            await hub.close()

    # — what people do —

    async def ask(self, count: int) -> None:
        """Each question is handed over twice, in any order, until it was taken; as a platform does that hears
        no answer."""
        wanted: list[tuple[Line, RawRequest]] = []
        for line in self.lines.values():
            fresh = [_question(line, line.asked + number) for number in range(1, count + 1)]
            wanted += [(line, one) for one in (*fresh, *fresh)]
            line.asked += count
        self.chance.shuffle(wanted)
        await asyncio.gather(*(self._hand_over(line, request) for line, request in wanted))

    async def _hand_over(self, line: Line, request: RawRequest) -> None:
        path = f"/in/{line.account.channel}/{line.account.key}"
        await self._insist("POST", path, data=request.body, headers=request.headers, params=request.query)

    async def refused(self) -> bool:
        """Whether the door sends people away for now."""
        line = self.lines["api"]
        path = f"http://127.0.0.1:{self.ports[0]}/in/api/{line.account.key}"
        request = _question(line, 1)
        async with self.http.post(path, data=request.body, headers=request.headers) as answer:
            return answer.status == 503

    async def answer(self, count: int) -> None:
        await asyncio.gather(*(self._answer(line, count) for line in self.lines.values()))

    async def _answer(self, line: Line, count: int) -> None:
        """One after the other, so that their order is known."""
        if line.simulator is None:
            return
        ticket = await until(
            patient(lambda: self.store.db["tickets"].find_one({"account_ids": line.account.id})), within=90
        )
        for _ in range(count):
            line.answers += 1
            body = {"text": f"answer {line.answers}", "seen_inbound_id": None, "force": True}
            key = f"{line.account.channel} {line.answers}"
            headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
            path = f"/api/v1/tickets/{ticket['_id']}/replies"
            await self._insist("POST", path, json=body, headers=headers)

    async def _insist(self, method: str, path: str, **what: Any) -> None:
        """Again and again, as long as nobody answers or the answer is to come again."""
        while True:
            try:
                url = f"http://127.0.0.1:{self.chance.choice(self.ports)}{path}"
                async with self.http.request(method, url, **what) as answer:
                    text = await answer.text()
                    if answer.status < 300:
                        return
                    # A hub whose clock is wrong finds a signature too old, or of tomorrow.
                    assert answer.status in (401, 409, 429, 500, 502, 503), (answer.status, text)
                    assert answer.status != 409 or "in_progress" in text, text
            except _GONE:
                pass
            await asyncio.sleep(0.05)

    # — what must hold —

    async def settled(self, within: float = 60.0, processes: int = 1) -> None:
        """Everything that was begun has come to its end, and of those who died nothing is held any more."""

        async def nothing_waits() -> bool:
            db = self.store.db
            waiting = [
                await db["raw_events"].count_documents({"state": "new"}),
                await db["messages"].count_documents({"delivery.state": {"$in": ["queued", "sending"]}}),
                await db["errands"].count_documents({"kind": "media"}),
            ]
            alive = await db["processes"].count_documents({})
            return not any(waiting) and alive == processes

        await until(patient(nothing_waits), within=within)

    async def check(self) -> dict[str, int]:
        """Raises AssertionError. Returns what was counted."""
        counted: Counter[str] = Counter()
        for channel, line in self.lines.items():
            await self._check_questions(channel, line, counted)
            await self._check_answers(channel, line, counted)
        await self._check_rows()
        return dict(counted)

    async def _check_questions(self, channel: str, line: Line, counted: Counter[str]) -> None:
        found = self.store.db["messages"].find({"account_id": line.account.id, "direction": "inbound"})
        texts = Counter([doc["text"] async for doc in found])
        for number in range(1, line.asked + 1):
            words = line.sample.said(number).words
            named = re.compile(re.escape(words) + r"(?!\d)")
            copies = sum(count for text, count in texts.items() if named.search(text))
            assert copies == 1, f"{channel}: {copies} copies of {words}"
        assert sum(texts.values()) == line.asked, channel
        counted["in"] += line.asked

    async def _check_answers(self, channel: str, line: Line, counted: Counter[str]) -> None:
        received = [text for text in line.received() if text.startswith("answer ")]
        assert received == sorted(received, key=_number), f"{channel}: out of order: {received}"
        for number in range(1, line.answers + 1):
            text = f"answer {number}"
            query = {"account_id": line.account.id, "direction": "outbound", "text": text}
            docs = [doc async for doc in self.store.db["messages"].find(query)]
            assert len(docs) == 1, f"{channel}: {len(docs)} rows of {text}"
            state, times = docs[0]["delivery"]["state"], received.count(text)
            assert state in _ENDED, f"{channel}: {text} is {state}: {docs[0]['delivery']['words']}"
            assert times <= 1, f"{channel}: {text} was sent {times} times"
            assert times == 1 or state == "uncertain", f"{channel}: {text} is {state} and was never sent"
            counted["uncertain" if state == "uncertain" else "out"] += 1

    async def _check_rows(self) -> None:
        db = self.store.db
        assert await db["raw_events"].count_documents({"state": {"$ne": "done"}}) == 0
        async for ticket in db["tickets"].find():
            messages = await db["messages"].count_documents({"ticket_id": ticket["_id"]})
            assert ticket["message_count"] == messages, ticket["number"]
            lost = {"ticket_id": ticket["_id"], "delivery.state": {"$in": ["failed", "uncertain"]}}
            assert ticket["undelivered"] == await db["messages"].count_documents(lost), ticket["number"]
        received = await db["events"].count_documents({"type": "message.received"})
        assert received == await db["messages"].count_documents({"direction": "inbound"})
        async for doc in db["messages"].find({"attachments.0": {"$exists": True}}):
            for ref in doc["attachments"]:
                assert await _bytes(self.store, ref["id"]) == _FILE

    async def check_left_behind(self) -> None:
        """After an orderly end: no lock, no lease, no half done deed."""
        db = self.store.db
        for name in ("leases", "processes"):
            assert await db[name].count_documents({}) == 0, [doc async for doc in db[name].find()]
        assert await db["errands"].count_documents({"process": {"$exists": True}}) == 0
        assert await db["idempotency"].count_documents({"status": {"$exists": False}}) == 0


def patient(look: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Sees nothing while the database is away."""

    async def looked() -> Any:
        try:
            return await look()
        except PyMongoError:
            return None

    return looked


def _number(text: str) -> int:
    return int(text.rpartition(" ")[2])


def _question(line: Line, number: int) -> RawRequest:
    """Every fourth of those that can carry one comes with a file."""
    if line.account.channel != "api" or number % 4:
        return line.sample.genuine(number)
    sample: Any = line.sample
    body = orjson.loads(sample.genuine(number).body)
    file = {"filename": "a.txt", "content_type": "text/plain", "content_base64": _base64(_FILE)}
    request: RawRequest = sample.signed({**body, "attachments": [file]})
    return request


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def _bytes(store: Store, attachment_id: str) -> bytes:
    _, digest = await store.attachments.find(attachment_id)
    return await store.blobs.get(digest)


async def _line(
    store: Store, connectors: Connectors, channel: str, simulator: Any = None, led: Mapping[str, Any] = NOTHING
) -> Line:
    kind = sample_type(channel)
    values = registry.plain(registry.read_settings(channel, {**kind.settings, **led}))
    account = await store.accounts.add(
        channel=channel,
        name=channel,
        settings=values,
        secret_names=registry.secret_names(channel),
        policy=AccountPolicy(undo_seconds=0),
    )
    person = simulator.chats.people[0] if simulator else None
    return Line(account=account, sample=kind(await connectors.of(account)), simulator=simulator, person=person)


@asynccontextmanager
async def world(
    store: Store, external: Mapping[str, str], folder: Path, *, webs: int = 1, heard: Sequence[str] = ()
) -> AsyncIterator[World]:
    """An app of one's own, whose repeats are harmless, and Telegram, whose repeats are not: both are asked
    and answered. `heard`: channels that only ask."""
    ports = tuple(free_port() for _ in range(webs))
    url = f"http://127.0.0.1:{ports[0]}"
    app, telegram = ApiSimulator(folder / "api"), TelegramSimulator(folder / "telegram")
    await app.start()
    await telegram.start()
    for person in telegram.chats.people[:3]:
        telegram.place(person)
    timeout = aiohttp.ClientTimeout(total=15)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            toolbox = Toolbox(http=http, public_url=url, sign=store.vault.sign, now=now)
            connectors = Connectors(toolbox)
            led = {"api_url": telegram.url, "file_url": f"{telegram.url}/file"}
            lines = {
                "api": await _line(store, connectors, "api", app, app.accounts()[0].settings),
                "telegram": await _line(store, connectors, "telegram", telegram, led),
                **{channel: await _line(store, connectors, channel) for channel in heard},
            }
            user = await store.users.add(email="a@desk.test", name="Anna", role="admin", password_hash="-")
            _, token = await store.sessions.add_token(user["_id"], "driver", ["read", "write"])
            settings = {
                **external, **PATIENCE, "server.port": str(ports[0]), "server.public_url": url,
                "logging.level": "error",
            }  # fmt: skip
            yield World(store=store, lines=lines, settings=settings, token=token, ports=ports, http=http)
            await connectors.close()
    finally:
        await telegram.stop()
        await app.stop()
