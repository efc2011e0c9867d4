"""Agents' answers out: how many a second are taken from agents, and how many go out, a twentieth of them to be
tried again."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench.accounting import spending
from bench.children import Child, child
from bench.figures import Report
from bench.floors import scratch
from bench.sizing import Size
from bench.wire import Connection, connect, post
from bench.world import World, alone, until
from omnihub.connectors.api.signing import sign
from omnihub.connectors.api.simulator import SECRET
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.model.raw import RawRequest
from omnihub.store.database import Database, now

_PATIENCE = 900.0
_AGENTS = 16


@dataclass(slots=True, frozen=True, kw_only=True)
class Outbound:
    """`accounts`: each has at most `outbound.per_account` sends at a time. `retry_seconds`: the first pause
    after a fault, 5 s unless set, shortened so that the last tries do not hide the rate."""

    replies: int
    accounts: int
    singles: int
    fault_share: float = 0.05
    retry_seconds: float = 0.2


SIZES: Size[Outbound] = Size(
    tiny=Outbound(replies=30, accounts=2, singles=30),
    quick=Outbound(replies=1_500, accounts=4, singles=1_000),
    full=Outbound(replies=20_000, accounts=4, singles=5_000),
)


async def run(size: Outbound, report: Report, folder: Path) -> None:
    async with alone(folder) as made, child("receiver") as receiver:
        settings = (await receiver.ask({"do": "start", "fault_share": size.fault_share}))["settings"]
        await _floor(made, size, report, settings["reply_url"])
        await receiver.ask({"do": "forget"})
        await _questions(made, size, settings)
        _, token = await made.add_user()
        async with made.hub("web"):
            await _answer(made, size, report, token)
        async with made.hub("worker", outbound__retry_seconds=f"[{size.retry_seconds}, 1, 5]"):
            await _go_out(made, size, report, receiver)
    report.ratio("replies sent / one by one", "sent_per_s", "one_by_one_per_s")
    report.ratio("replies sent / side by side", "sent_per_s", "side_by_side_per_s")


async def _questions(made: World, size: Outbound, settings: dict[str, Any]) -> None:
    """One open exchange for each reply, taken in as any."""
    accounts = [await made.add_account("api", settings, name=f"App {n}") for n in range(size.accounts)]
    requests: dict[str, list[RawRequest]] = {account.id: [] for account in accounts}
    for number in range(size.replies):
        said = {"id": f"m-{number}", "sender": {"id": f"u-{number}", "name": "Ann"}, "text": "Where is it?"}
        request = RawRequest(source="webhook", body=orjson.dumps(said), received_at=now())
        requests[accounts[number % len(accounts)].id].append(request)
    async with aiohttp.ClientSession() as http:
        toolbox = Toolbox(http=http, public_url=made.url, sign=made.store.vault.sign, now=now)
        connectors = Connectors(toolbox)
        for account_id, waiting in requests.items():
            await made.store.journal.append_many(account_id, waiting, ring=False)
        await Intake(made.store, connectors, made.settings).drain()
        await connectors.close()


async def _answer(made: World, size: Outbound, report: Report, token: str) -> None:
    """Over the API, as the web app does."""
    tickets = [(doc["_id"], doc["last_inbound_id"]) async for doc in made.store.db["tickets"].find()]
    assert len(tickets) == size.replies, f"{len(tickets)} tickets for {size.replies} replies"
    waiting = iter(tickets)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def agent() -> None:
        connection = await connect(made.url)
        for ticket_id, seen in waiting:
            body = orjson.dumps({"text": "It went out this morning.", "seen_inbound_id": seen})
            status = await connection.send(post(f"{made.url}/api/v1/tickets/{ticket_id}/replies", body, headers))
            assert status == 201, f"a reply was answered {status}"
        connection.close()

    with spending(made.groups()) as spent:
        await asyncio.gather(*(agent() for _ in range(_AGENTS)))
    report.figures["taken_from_agents_per_s"] = size.replies / spent.seconds
    costs = {f"{name}_cpu_ms": used for name, used in spent.per(size.replies).items()}
    report.table("Taken from agents").add(replies=size.replies, per_s=size.replies / spent.seconds, **costs)


async def _go_out(made: World, size: Outbound, report: Report, receiver: Child) -> None:
    async def sent() -> int:
        return int(await made.store.db["messages"].count_documents({"delivery.state": "sent"}))

    async def some() -> bool:
        return await sent() > 0

    async def whole() -> bool:
        return await sent() >= size.replies

    began = await until(some, 60)
    first = await sent()
    with spending(made.groups(receiver=[receiver.pid])) as spent:
        ended = await until(whole, _PATIENCE, sent)
    told = await receiver.ask({"do": "count"})
    report.figures |= {
        "sent_per_s": (size.replies - first) / (ended - began),
        "faults": told["faults"],
        "repeated": told["repeated"],
        "not_received": size.replies - told["taken"],
    }
    report.table("Gone out").add(
        replies=size.replies,
        per_s=report.figures["sent_per_s"],
        faults=told["faults"],
        repeated=told["repeated"],
        not_received=size.replies - told["taken"],
        **{f"{name}_cpu_ms": used for name, used in spent.per(size.replies - first).items()},
    )


async def _floor(made: World, size: Outbound, report: Report, url: str) -> None:
    """For each reply: it is marked as being sent, posted, and marked as sent; by one, and by as many side by
    side as the hub sends."""
    uri = made.settings.mongodb.uri.get_secret_value()
    with scratch(uri) as place:
        db = Database(uri, place.name, 50)
        try:
            most = size.accounts * made.settings.outbound.per_account
            for name, workers in (("one_by_one", 1), ("side_by_side", most)):
                count = size.singles if workers > 1 else max(10, size.singles // 4)
                report.floors[f"{name}_per_s"] = await _send_raw(db, url, count, workers)
        finally:
            db.close()


async def _send_raw(db: Database, url: str, count: int, workers: int) -> float:
    messages = db["messages"]
    docs = [{"_id": f"{workers}-{number}", "delivery": {"state": "queued"}} for number in range(count)]
    await messages.insert_many(docs)
    waiting = iter(docs)
    body = b'{"type":"message","id":"floor","text":"It went out this morning."}'

    async def work(connection: Connection) -> None:
        for doc in waiting:
            await messages.update_one(doc, {"$set": {"delivery.state": "sending"}})
            headers = {"Idempotency-Key": str(doc["_id"]), **sign(SECRET, body, now())}
            await connection.send(post(url, body, headers))
            await messages.update_one({"_id": doc["_id"]}, {"$set": {"delivery.state": "sent"}})

    connections = [await connect(url) for _ in range(workers)]
    began = time.monotonic()
    await asyncio.gather(*(work(connection) for connection in connections))
    taken = time.monotonic() - began
    _close(connections)
    return count / taken


def _close(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close()
