"""The way from the hub to the manager interface, which a test can cut; it keeps what the exchange said."""

import asyncio
from contextlib import suppress

from tests.pbx.exchange import AMI_PORT

_CHUNK = 65_536


class Relay:
    def __init__(self) -> None:
        self.said: list[bytearray] = []
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def cut(self) -> None:
        """Nobody gets through until `mend`."""
        self._open.clear()
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open.is_set():
            writer.transport.abort()
            return
        try:
            there, away = await asyncio.open_connection("127.0.0.1", AMI_PORT)
        except OSError:  # the exchange is down
            writer.transport.abort()
            return
        said = bytearray()
        self.said.append(said)
        self._writers |= {writer, away}
        try:
            ways = [
                asyncio.ensure_future(_carry(reader, away)),
                asyncio.ensure_future(_carry(there, writer, said)),
            ]
            done, pending = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.wait([*done, *pending])
        finally:
            self._writers -= {writer, away}
            for one in (writer, away):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None = None
) -> None:  # fmt: skip
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            if kept is not None:
                kept += data
            writer.write(data)
            await writer.drain()
