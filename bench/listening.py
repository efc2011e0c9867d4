"""Agents' screens, in a process of their own: live WebSockets that note when each message is told.

Run as `python -m bench.listening`; told by lines of JSON (bench.children). The frames are looked through for a
mark, not parsed: a thousand browsers parse on a thousand machines, here they would take what the hub needs.
"""

import asyncio
import base64
import os
import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from bench.accounting import cpu_seconds
from bench.children import Parent

Said = Mapping[str, Any]
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_EVENTS = b'"type":"events"'
_HELLO = b'"type":"hello"'


class Screen(asyncio.Protocol):
    """One agent's WebSocket (RFC 6455, as a client). `seen`: when each mark was told first."""

    def __init__(self, host: str, token: str, mark: re.Pattern[bytes]) -> None:
        self._host = host
        self._token = token
        self._mark = mark
        self._transport: asyncio.Transport | None = None
        self._read = bytearray()
        self._upgraded = False
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen: dict[bytes, float] = {}
        self.frames = 0
        self.bytes = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            "GET /api/v1/live HTTP/1.1", f"Host: {self._host}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Authorization: Bearer {self._token}",
            "", "",
        )  # fmt: skip
        self._transport.write("\r\n".join(lines).encode())

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if not self.greeted.done():
            self.greeted.set_exception(error or ConnectionResetError("the hub hung up"))

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        self._read += data
        if not self._upgraded and not self._upgrade():
            return
        while (frame := self._frame()) is not None:
            self._take(*frame)

    def _upgrade(self) -> bool:
        head, blank, rest = bytes(self._read).partition(b"\r\n\r\n")
        if not blank:
            return False
        if b" 101 " not in head.splitlines()[0]:
            self.greeted.set_exception(ConnectionRefusedError(head.decode()))
            return False
        self._upgraded, self._read = True, bytearray(rest)
        self._send(_TEXT, b'{"resume":null}')
        return True

    def _frame(self) -> tuple[int, bytes] | None:
        """What a server sends is not masked, and ours is never in fragments."""
        read = self._read
        if len(read) < 2:
            return None
        size, start = read[1] & 127, 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(read[2:start])
        if len(read) < start + size or len(read) < start:
            return None
        body, kind = bytes(read[start : start + size]), read[0] & 15
        del read[: start + size]
        return kind, body

    def _take(self, kind: int, body: bytes) -> None:
        self.frames += 1
        if kind == _PING:
            self._send(_PONG, body)
        elif kind == _TEXT and _EVENTS in body[:40]:
            at = time.monotonic()
            for mark in self._mark.findall(body):
                self.seen.setdefault(mark, at)
        elif kind == _TEXT and _HELLO in body[:40] and not self.greeted.done():
            self.greeted.set_result(None)

    def _send(self, kind: int, body: bytes) -> None:
        assert self._transport is not None
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(body))
        self._transport.write(bytes((0x80 | kind, 0x80 | len(body))) + mask + masked)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Room:
    def __init__(self) -> None:
        self._screens: list[Screen] = []
        self._used = 0.0

    async def open(self, said: Said) -> Said:
        """A screen for each token. `mark`: a pattern with one group, the name of what is told."""
        place = urlsplit(said["url"])
        mark = re.compile(said["mark"].encode())
        loop = asyncio.get_running_loop()
        for token in said["tokens"]:
            screen = Screen(place.netloc, token, mark)
            await loop.create_connection(partial(_same, screen), place.hostname or "", place.port or 80)
            await screen.greeted
            self._screens.append(screen)
        self._used = cpu_seconds(os.getpid())
        return {"open": len(self._screens)}

    async def wait(self, said: Said) -> Said:
        """Until every screen that is left has seen all of `marks`, or so many seconds have passed."""
        end, marks = time.monotonic() + said["seconds"], {mark.encode() for mark in said["marks"]}
        while time.monotonic() < end:
            if all(marks <= screen.seen.keys() for screen in self._screens if not screen.lost):
                break
            await asyncio.sleep(0.05)
        return {"cpu": cpu_seconds(os.getpid()) - self._used, "lost": sum(one.lost for one in self._screens)}

    async def tell(self, _: Said) -> Said:
        """Of each screen, when it saw what."""
        seen = [{mark.decode(): at for mark, at in one.seen.items()} for one in self._screens]
        frames, size = sum(one.frames for one in self._screens), sum(one.bytes for one in self._screens)
        return {"seen": seen, "frames": frames, "bytes": size}

    async def forget(self, _: Said) -> Said:
        for screen in self._screens:
            screen.seen.clear()
            screen.frames = screen.bytes = 0
        self._used = cpu_seconds(os.getpid())
        return {}

    def close(self) -> None:
        for screen in self._screens:
            screen.close()


def _same(screen: Screen) -> Screen:
    return screen


async def main() -> None:
    parent, room = await Parent.connect(), Room()
    doing = {"open": room.open, "wait": room.wait, "tell": room.tell, "forget": room.forget}
    while (said := await parent.hear()) is not None:
        parent.say(await doing[said["do"]](said))
    room.close()


if __name__ == "__main__":
    uvloop.run(main())
