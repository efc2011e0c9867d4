"""The leanest HTTP client that serves: ready bytes out, a status in. What it saves, the hub has."""

import asyncio
from typing import cast
from urllib.parse import urlencode, urlsplit


class Connection(asyncio.Protocol):
    """One request at a time, over one connection that stays."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What uvloop gives is no asyncio.Transport by its type.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, blank, body = self._read.partition(b"\r\n\r\n")
        if not blank or self._answer is None:
            return
        if len(body) >= _length(head):
            self._read = body[_length(head) :]
            if not self._answer.done():
                self._answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the hub hung up"))
        self._transport = None

    async def send(self, request: bytes) -> int:
        """The answer's status. Raises OSError."""
        if self._transport is None:
            raise ConnectionResetError("the hub hung up")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def connect(url: str) -> Connection:
    place = urlsplit(url)
    _, made = await asyncio.get_running_loop().create_connection(
        Connection, place.hostname or "", place.port or 80
    )
    return made


def post(url: str, body: bytes, headers: dict[str, str], query: dict[str, str] | None = None) -> bytes:
    place = urlsplit(url)
    path = f"{place.path}?{urlencode(query)}" if query else place.path
    lines = [f"POST {path} HTTP/1.1", f"Host: {place.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
