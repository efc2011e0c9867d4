"""A program that is connected to the simulated manager interface."""

import asyncio
from contextlib import suppress

from omnihub.connectors.asterisk.frames import END
from omnihub.connectors.asterisk.simulator_exchange import Pairs


class Session:
    """One logged-in program. Bytes leave one after another, in pieces of `chunk` where that is set."""

    def __init__(self, writer: asyncio.StreamWriter, chunk: int) -> None:
        self.writer = writer
        self.classes: frozenset[str] = frozenset()
        self.logged_in = False
        self.challenge = ""
        self._chunk = chunk
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._over = False

    def hears(self, event_class: str) -> bool:
        return self.logged_in and (event_class in self.classes or "all" in self.classes)

    def say(self, pairs: Pairs) -> None:
        self.put("\r\n".join(f"{name}: {value}" for name, value in pairs).encode() + END)

    def put(self, data: bytes) -> None:
        if not self._over:
            self._out.put_nowait(data)

    async def drain(self) -> None:
        """Everything said so far is on the wire."""
        await self._out.join()

    async def write(self) -> None:
        while True:
            data = await self._out.get()
            try:
                await self._put_out(data)
            finally:
                self._out.task_done()

    async def _put_out(self, data: bytes) -> None:
        size = self._chunk or len(data)
        with suppress(OSError):  # a listener that has gone
            for at in range(0, len(data), size):
                self.writer.write(data[at : at + size])
                await self.writer.drain()

    def end(self) -> None:
        """Nobody waits for what can no longer be said."""
        self._over = True
        while not self._out.empty():
            self._out.get_nowait()
            self._out.task_done()
