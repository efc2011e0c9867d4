"""One Stream connection."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog

from omnihub.connectors.dingtalk.addresses import is_loopback
from omnihub.connectors.dingtalk.frames import DISCONNECT, PING, Frame, pong, read_frame
from omnihub.connectors.reading import text_of
from omnihub.model.errors import TryLater, Unreadable

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 30.0
# How long to read on after DingTalk took leave; it closes the connection after 10 idle seconds.
LEAVING_SECONDS = 20.0
CONNECT_SECONDS = 15.0
_FRAME_BYTES = 4_194_304
# A gateway that does not answer the farewell is not waited for.
_TIMEOUT = aiohttp.ClientWSTimeout(ws_close=2.0)


class Line:
    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._opened_at = asyncio.get_running_loop().time()
        self.leaving = asyncio.Event()

    @property
    def age(self) -> float:
        return asyncio.get_running_loop().time() - self._opened_at

    async def read(self, take: "Take") -> None:
        """Hands on what is to be kept, until either side closes, or a while after DingTalk took leave."""
        clock = asyncio.get_running_loop().time
        end: float | None = None
        while True:
            if self.leaving.is_set() and end is None:
                end = clock() + LEAVING_SECONDS
            try:
                said = await self._ws.receive(None if end is None else max(0.01, end - clock()))
            except TimeoutError:
                return
            if said.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return
            raw = said.data.encode("utf-8", "replace") if isinstance(said.data, str) else bytes(said.data)
            frame = _frame(raw)
            if frame is not None and frame.type == "SYSTEM":
                await self._heed(frame)
            else:
                await take(self, frame, raw)

    async def _heed(self, frame: Frame) -> None:
        """CONNECTED, REGISTERED, KEEPALIVE and whatever else the system says want no answer."""
        if frame.topic == PING:
            await self.say(pong(frame))
        elif frame.topic == DISCONNECT:
            self.leaving.set()

    async def say(self, text: str) -> None:
        """What can no longer be said here is said to the next delivery of the same frame."""
        try:
            await self._ws.send_str(text)
        except (aiohttp.ClientError, ConnectionError) as error:
            log.info("stream.not_answered", error=str(error))

    async def close(self) -> None:
        await self._ws.close()


# A frame that cannot be read is None; its bytes are there in any case.
Take = Callable[[Line, Frame | None, bytes], Awaitable[None]]


async def connect(http: aiohttp.ClientSession, opened: Mapping[str, Any]) -> Line:
    """`opened` names an address and a ticket that is good once, for 90 seconds. Raises TryLater."""
    fields = dict(opened)
    endpoint, ticket = text_of(fields, "endpoint"), text_of(fields, "ticket")
    if not ticket or not _is_safe(endpoint):
        raise TryLater("DingTalk named no safe address to connect to")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            ws = await http.ws_connect(
                endpoint, params={"ticket": ticket}, heartbeat=HEARTBEAT_SECONDS,
                max_msg_size=_FRAME_BYTES, timeout=_TIMEOUT,
            )  # fmt: skip
    except aiohttp.WSServerHandshakeError as error:
        raise TryLater(f"DingTalk refused the connection: HTTP {error.status}") from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise TryLater(f"the connection to DingTalk failed: {type(error).__name__}") from error
    return Line(ws)


def _frame(raw: bytes) -> Frame | None:
    try:
        return read_frame(raw)
    except Unreadable:
        return None


def _is_safe(endpoint: str) -> bool:
    """The ticket must not travel in clear, except within this machine."""
    try:
        url = urlsplit(endpoint)
        host = url.hostname or ""
    except ValueError:
        return False
    return bool(host) and (url.scheme == "wss" or (url.scheme == "ws" and is_loopback(host)))
