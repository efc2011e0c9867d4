import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

import orjson
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from omnihub.store.database import PyMongoError
from omnihub.store.events import Change, FeedGap
from omnihub.store.store import Store
from omnihub.unified_view import callers
from omnihub.unified_view.addresses import foreign_origin
from omnihub.unified_view.callers import Caller
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.live_feed import Behind, Feed, batch_of
from omnihub.unified_view.metrics import Metrics
from omnihub.unified_view.problems import Problem

log = structlog.get_logger("omnihub.unified_view")

SESSION_ENDED = 4401
UNREADABLE = 4400
_CURSOR = re.compile(r"82(?:[0-9A-Fa-f]{2}){8,500}")
_AHEAD_SECONDS = 60
_CATCH_UP = 200


@dataclass(slots=True, frozen=True, kw_only=True)
class Pace:
    """Seconds. The web app takes two missed pings for a dead link."""

    ping: float = 20.0
    recheck: float = 30.0
    send: float = 20.0
    first_word: float = 10.0


class _TooSlow(Exception):
    """The client does not read as fast as things happen; it resumes from its cursor."""


class _SessionEnded(Exception):
    pass


class Live:
    """The live WebSocket. A client that is slow costs no memory: all read from one ring, and who falls out
    of it is closed."""

    def __init__(self, deps: Deps, metrics: Metrics, pace: Pace, feed: Feed) -> None:
        self._deps = deps
        self._metrics = metrics
        self._pace = pace
        self.feed = feed
        self._sockets: set[web.WebSocketResponse] = set()

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        follower = asyncio.create_task(self.feed.run(), name="live feed")
        yield
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)

    async def close_all(self, _: web.Application) -> None:
        await asyncio.gather(
            *(ws.close(code=WSCloseCode.GOING_AWAY, message=b"shutting down") for ws in self._sockets)
        )

    async def serve(self, request: web.Request) -> web.StreamResponse:
        caller = await self._admitted(request)
        ws = web.WebSocketResponse(
            heartbeat=self._pace.ping * 1.5, max_msg_size=65_536, compress=False, timeout=3.0
        )
        if not ws.can_prepare(request).ok:
            raise Problem("bad_request")
        await ws.prepare(request)
        self._sockets.add(ws)
        self._metrics.live_clients.inc()
        try:
            code, reason = await self._talk(ws, caller, request)
            await ws.close(code=code, message=reason.encode())
        finally:
            self._metrics.live_clients.dec()
            self._sockets.discard(ws)
        return ws

    async def _admitted(self, request: web.Request) -> Caller:
        caller = await callers.identify(self._deps.store, request)
        if caller is None:
            raise Problem("not_signed_in", headers={"WWW-Authenticate": "Bearer"})
        # A browser sends the cookie along with any website's WebSocket: only our own pages may open one.
        if caller.scopes is None and (origin := foreign_origin(request, self._deps.settings)):
            raise Problem("foreign_origin", origin=origin)
        caller.require("readonly", "read")
        return caller

    async def _talk(self, ws: web.WebSocketResponse, caller: Caller, request: web.Request) -> tuple[int, str]:
        try:
            resume = _resume_of(await ws.receive(timeout=self._pace.first_word))
        except (TimeoutError, ValueError):
            return UNREADABLE, 'say {"resume": cursor or null} first'

        async def still_admitted() -> bool:
            return await _is_still_admitted(self._deps.store, request, caller)

        client = _Client(self._deps.store, self.feed, ws, self._pace, still_admitted)
        listener = asyncio.create_task(_drain(ws))
        speaker = asyncio.create_task(client.speak(resume))
        try:
            await asyncio.wait({listener, speaker}, return_when=asyncio.FIRST_COMPLETED)
            return _ending(speaker) if speaker.done() else (WSCloseCode.OK, "")
        finally:
            for task in (listener, speaker):
                task.cancel()
            await asyncio.gather(listener, speaker, return_exceptions=True)


def _ending(speaker: "asyncio.Task[None]") -> tuple[int, str]:
    error = speaker.exception()
    if isinstance(error, _TooSlow):
        return WSCloseCode.TRY_AGAIN_LATER, "too slow: resume from your cursor"
    if isinstance(error, _SessionEnded):
        return SESSION_ENDED, "the session has ended"
    if isinstance(error, PyMongoError):
        return WSCloseCode.TRY_AGAIN_LATER, "the database is away: resume from your cursor"
    if isinstance(error, ConnectionError):
        return WSCloseCode.OK, ""
    log.error("live.client_failed", exc_info=error)
    return WSCloseCode.INTERNAL_ERROR, ""


def _resume_of(first: object) -> str | None:
    """Raises ValueError."""
    if getattr(first, "type", None) is not WSMsgType.TEXT:
        raise ValueError("not a text")
    said = orjson.loads(getattr(first, "data", ""))
    if not isinstance(said, dict) or not isinstance(said.get("resume"), str | None):
        raise ValueError("not a resume")
    return said.get("resume")


async def _is_still_admitted(store: Store, request: web.Request, caller: Caller) -> bool:
    try:
        again = await callers.identify(store, request)
    except Problem:
        return False
    return again is not None and again.id == caller.id


async def _drain(ws: web.WebSocketResponse) -> None:
    """Reads on, so that pongs and the closing are seen. What a client says later means nothing."""
    async for _ in ws:
        pass


class _Client:
    def __init__(
        self,
        store: Store,
        feed: Feed,
        ws: web.WebSocketResponse,
        pace: Pace,
        still_admitted: Callable[[], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._feed = feed
        self._ws = ws
        self._pace = pace
        self._still_admitted = still_admitted
        self._news = asyncio.Event()
        self._generation = feed.generation

    async def speak(self, resume: str | None) -> None:
        """Until the client is gone. Raises _TooSlow, _SessionEnded or PyMongoError."""
        self._feed.subscribe(self._news)
        try:
            await self._follow(await self._greet(resume))
        finally:
            self._feed.unsubscribe(self._news)

    async def _greet(self, resume: str | None) -> str:
        """Returns the cursor up to which the client knows everything."""
        latest = await self._latest()
        if resume is None:
            return await self._hello(latest)
        if not _is_plausible(resume, latest):
            return await self._reset()
        await self._hello(resume)
        if self._feed.covers(resume):
            return resume
        try:
            return await self._catch_up(resume)
        except FeedGap:
            return await self._reset()

    async def _latest(self) -> str:
        while self._feed.cursor is None:
            await self._wait(self._pace.ping)
        return self._feed.cursor

    async def _hello(self, cursor: str) -> str:
        await self._send_json({"type": "hello", "cursor": cursor})
        return cursor

    async def _reset(self) -> str:
        """What was missed can no longer be told: the client reads everything anew, from here on."""
        await self._send_json({"type": "reset"})
        latest = await self._latest()
        self._generation = self._feed.generation
        return await self._hello(latest)

    async def _catch_up(self, position: str) -> str:
        """What the ring no longer holds, out of the database. Raises FeedGap."""
        gathered: list[Change] = []
        async with aclosing(cast("AsyncGenerator[Change, None]", self._store.events.follow(position))) as stream:
            async for change in stream:
                if change.event is not None:
                    gathered.append(change)
                arrived = self._feed.covers(change.cursor)
                if gathered and (arrived or change.event is None or len(gathered) >= _CATCH_UP):
                    batch = await batch_of(self._store, position, gathered)
                    await self._send(batch.text)
                    gathered, position = [], batch.end
                if arrived:
                    return change.cursor
        raise FeedGap("the feed ended while a client was catching up")

    async def _follow(self, position: str) -> None:
        loop = asyncio.get_running_loop()
        ping_at, check_at = loop.time() + self._pace.ping, loop.time() + self._pace.recheck
        while True:
            self._news.clear()
            if self._feed.generation != self._generation:
                position = await self._reset()
            position = await self._send_newer(position)
            if loop.time() >= check_at:
                check_at = loop.time() + self._pace.recheck
                if not await self._still_admitted():
                    raise _SessionEnded
            if loop.time() >= ping_at:
                ping_at = loop.time() + self._pace.ping
                await self._send_json({"type": "ping"})
            await self._wait(min(ping_at, check_at) - loop.time())

    async def _send_newer(self, position: str) -> str:
        try:
            newer = self._feed.after(position)
        except Behind:
            raise _TooSlow from None
        for batch in newer:
            await self._send(batch.after(position))
            position = batch.end
        return position if newer else max(position, self._feed.cursor or "")

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def _send_json(self, frame: dict[str, str]) -> None:
        await self._send(orjson.dumps(frame).decode())

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._pace.send):
                await self._ws.send_str(text)
        except TimeoutError:
            raise _TooSlow from None


def _is_plausible(cursor: str, latest: str) -> bool:
    """A cursor that some hub gave out: its time, the 8 digits after 82, is not ahead of ours by more than
    processes may be apart. A made-up one would otherwise never be reached."""
    if not _CURSOR.fullmatch(cursor):
        return False
    return int(cursor[2:10], 16) <= int(latest[2:10], 16) + _AHEAD_SECONDS
