"""The simulated Stream gateway: one-time tickets, a random connection for every frame, frames that come again
without an acknowledgement, pings, and connections that are asked to leave."""

import asyncio
import json
import random
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from omnihub.connectors.dingtalk.simulator_state import CLIENT_ID, CLIENT_SECRET, State

_XML = '<?xml version="1.0" encoding="UTF-8"?><response><endpoint>{0}</endpoint><ticket>{1}</ticket></response>'


@dataclass(slots=True, eq=False)
class Connection:
    ws: web.WebSocketResponse
    topics: frozenset[tuple[str, str]]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    leaving: bool = False

    def takes(self, kind: str, topic: str) -> bool:
        return (kind, topic) in self.topics or (kind, "*") in self.topics


@dataclass(slots=True, eq=False)
class Delivery:
    """One frame on its way. `taken` is set by its acknowledgement."""

    kind: str
    headers: dict[str, str]
    data: str
    sent: int = 0
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    answers: list[Mapping[str, Any]] = field(default_factory=list)


Lost = Callable[[], Awaitable[None]]


class Gateway:
    def __init__(self, state: State) -> None:
        self._state = state
        self._tickets: dict[str, tuple[float, frozenset[tuple[str, str]]]] = {}
        self._waiting: dict[str, Delivery] = {}
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections: list[Connection] = []
        self.opened = 0
        self.pongs = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1.0/gateway/connections/open", self._open), web.get("/connect", self._connect)]

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self.connections):
            await connection.ws.close(code=WSCloseCode.GOING_AWAY)

    async def deliver(
        self, kind: str, headers: Mapping[str, str], data: Mapping[str, Any], lost: Lost | None = None
    ) -> Delivery:
        """Returns after the first attempt; further ones follow by themselves until it is taken, or `lost`."""
        known = {"messageId": uuid.uuid4().hex, "contentType": "application/json", "appId": CLIENT_ID}
        known |= {"time": str(round(self._state.now * 1000)), **headers}
        delivery = Delivery(kind=kind, headers=known, data=json.dumps(data, ensure_ascii=False))
        self._waiting[known["messageId"]] = delivery
        await self._attempt(delivery)
        self._start(self._repeat(delivery, lost))
        return delivery

    async def wait_connected(self, count: int = 1) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.staying) >= count)

    @property
    def staying(self) -> list[Connection]:
        return [one for one in self.connections if not one.leaving]

    async def send_away(self, connection: Connection) -> None:
        """Asks it to leave, and closes it when it has been idle for a while."""
        connection.leaving = True
        await self._say(
            connection, "SYSTEM", {"topic": "disconnect"}, '{"reason":"persistent connection is closing"}'
        )
        self._start(self._close_later(connection))

    async def say(self, connection: Connection, topic: str, data: str = "{}") -> None:
        await self._say(connection, "SYSTEM", {"topic": topic}, data)

    async def _open(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked.get("clientId") != CLIENT_ID or asked.get("clientSecret") != CLIENT_SECRET:
            fault = {"requestid": uuid.uuid4().hex, "code": "authFailed", "message": "鉴权失败"}
            return web.json_response(fault, status=401)
        topics = frozenset((str(one["type"]), str(one["topic"])) for one in asked.get("subscriptions") or ())
        ticket = secrets.token_urlsafe(18) + "+/="
        self._tickets[ticket] = (self._state.now + self._state.rules.ticket_seconds, topics)
        endpoint = f"ws://{request.host}/connect"
        if "application/json" not in request.headers.get("Accept", ""):
            return web.Response(text=_XML.format(endpoint, ticket), content_type="application/xml")
        return web.json_response({"endpoint": endpoint, "ticket": ticket})

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        until, topics = self._tickets.pop(request.query.get("ticket", ""), (0.0, frozenset()))
        if until <= self._state.now:
            return web.Response(status=401, text="ticket is invalid")
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        connection = Connection(ws, topics)
        self.opened += 1
        for topic in ("CONNECTED", "REGISTERED"):
            await self._say(connection, "SYSTEM", {"topic": topic}, "{}")
        self.connections.append(connection)
        await self._tell()
        pinging = asyncio.create_task(self._ping(connection))
        try:
            async for said in ws:
                if said.type == WSMsgType.TEXT:
                    self._hear(json.loads(said.data))
        finally:
            pinging.cancel()
            self.connections.remove(connection)
            await self._tell()
        return ws

    def _hear(self, answer: Mapping[str, Any]) -> None:
        name = str(answer.get("headers", {}).get("messageId", ""))
        if name.startswith("ping-"):
            self.pongs += json.loads(answer.get("data") or "{}").get("opaque") == name
            return
        delivery = self._waiting.get(name)
        if delivery is None:
            return
        delivery.answers.append(answer)
        later = delivery.kind == "EVENT" and json.loads(answer.get("data") or "{}").get("status") == "LATER"
        if answer.get("code") == 200 and not later:
            self._waiting.pop(name)
            delivery.taken.set()

    async def _attempt(self, delivery: Delivery) -> None:
        able = [one for one in self.staying if one.takes(delivery.kind, delivery.headers["topic"])]
        if able:
            connection = random.choice(able)
            delivery.sent += 1
            await self._say(connection, delivery.kind, delivery.headers, delivery.data)

    async def _repeat(self, delivery: Delivery, lost: Lost | None) -> None:
        rules = self._state.rules
        for left in reversed(range(rules.deliveries)):
            try:
                async with asyncio.timeout(random.uniform(*rules.redeliver_seconds)):
                    await delivery.taken.wait()
                return
            except TimeoutError:
                if left:
                    await self._attempt(delivery)
        if lost is not None:
            await lost()

    async def _ping(self, connection: Connection) -> None:
        rules, since = self._state.rules, asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(rules.ping_seconds)
            name = f"ping-{uuid.uuid4().hex}"
            await self._say(
                connection, "SYSTEM", {"topic": "ping", "messageId": name}, json.dumps({"opaque": name})
            )
            age = asyncio.get_running_loop().time() - since
            if rules.disconnect_seconds and age > rules.disconnect_seconds and not connection.leaving:
                await self.send_away(connection)

    async def _close_later(self, connection: Connection) -> None:
        await asyncio.sleep(self._state.rules.idle_close_seconds)
        await connection.ws.close()

    async def _say(self, connection: Connection, kind: str, headers: Mapping[str, str], data: str) -> None:
        frame = {
            "specVersion": "1.0",
            "type": kind,
            "headers": {"messageId": uuid.uuid4().hex, "contentType": "application/json", **headers,
                        "connectionId": connection.id},
            "data": data,
        }  # fmt: skip
        try:
            await connection.ws.send_str(json.dumps(frame, ensure_ascii=False))
        except ConnectionError:
            return  # the frame counts as not taken and comes again

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
