"""The providers, in a process of their own: their APIs, and their callbacks as fast or as steady as asked.

Run as `python -m bench.platforms`; told by lines of JSON (bench.children).
"""

import asyncio
import os
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import uvloop

from bench import callbacks
from bench.accounting import cpu_seconds
from bench.callbacks import CHANGES, KF, Letter
from bench.children import Parent
from bench.figures import spread
from bench.wire import Connection, connect
from omnihub.connectors import registry
from omnihub.connectors.contract import Simulator
from omnihub.connectors.wecom_kf.simulator import Simulator as KfSimulator

Said = Mapping[str, Any]


class Platforms:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._settings: dict[str, dict[str, Any]] = {}
        self._kf: KfSimulator | None = None
        self._more: Iterator[Letter] = iter(())
        self._ready: deque[Letter] = deque()
        self._url = ""

    async def start(self, said: Said) -> Said:
        """The providers' APIs; answers what an account of each must be set to."""
        for channel in said["channels"]:
            simulator = registry.simulator(channel, Path(said["folder"]) / channel)
            shown = await self._started(simulator) if simulator is not None else {}
            self._settings[channel] = {**shown, **CHANGES.get(channel, {})}
            if channel == KF:
                assert isinstance(simulator, KfSimulator)
                self._kf = simulator
        return {"settings": self._settings}

    async def _started(self, simulator: Simulator) -> dict[str, Any]:
        await simulator.start()
        self._stack.push_async_callback(simulator.stop)
        accounts = simulator.accounts()
        return dict(accounts[0].settings) if accounts else {}

    async def prepare(self, said: Said) -> Said:
        """Makes `count` callbacks ready to be sent; with 0 each is made when it leaves."""
        self._url = said["url"]
        at = callbacks.targets(said["url"], said["accounts"], self._settings, said["secret"])
        self._more = callbacks.letters(at, self._kf, said["first"], said["people"])
        self._ready = deque(islice(self._more, said["count"]))
        return {"prepared": len(self._ready)}

    async def fire(self, said: Said) -> Said:
        """`rate` a second whatever the answers take, or as fast as `connections` get answers with 0. Ends with
        what was prepared, or after `seconds`."""
        sending = Sending(self._source(said.get("seconds", 0.0)), said["connections"], self._url)
        used, began = cpu_seconds(os.getpid()), time.monotonic()
        await (sending.at_rate(said["rate"]) if said["rate"] else sending.at_once())
        told = sending.told()
        if path := said.get("times"):
            with Path(path).open("wb") as file:  # noqa: ASYNC230 - the measuring is over
                sending.times.tofile(file)
        return told | {"began": began, "ended": time.monotonic(), "cpu": cpu_seconds(os.getpid()) - used}

    def _source(self, seconds: float) -> Iterator[Letter]:
        if not seconds:
            while self._ready:
                yield self._ready.popleft()
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            yield self._ready.popleft() if self._ready else next(self._more)


class Sending:
    """`times` holds three figures of each: its number, when it was due, and when it was answered."""

    def __init__(self, source: Iterator[Letter], connections: int, url: str) -> None:
        self._source = source
        self._connections = connections
        self._url = url
        self._statuses: Counter[str] = Counter()
        self.times = array("d")

    async def at_once(self) -> None:
        async def work() -> None:
            connection = await connect(self._url)
            for letter in self._source:
                connection = await self._send(connection, letter, time.monotonic())
            connection.close()

        await asyncio.gather(*(work() for _ in range(self._connections)))

    async def at_rate(self, rate: float) -> None:
        """Lateness counts as waiting: each is timed from when it was due, not from when it got its turn."""
        due: asyncio.Queue[tuple[Letter, float] | None] = asyncio.Queue()

        async def work() -> None:
            connection = await connect(self._url)
            while (turn := await due.get()) is not None:
                connection = await self._send(connection, *turn)
            connection.close()

        workers = [asyncio.create_task(work()) for _ in range(self._connections)]
        began = time.monotonic()
        for position, letter in enumerate(self._source):
            at = began + position / rate
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            due.put_nowait((letter, at))
        for _ in workers:
            due.put_nowait(None)
        await asyncio.gather(*workers)

    async def _send(self, connection: Connection, letter: Letter, due: float) -> Connection:
        if letter.before is not None:
            letter.before()
        try:
            status = await connection.send(letter.request)
        except OSError as error:
            self._statuses[type(error).__name__] += 1
            return await connect(self._url)
        self._statuses[str(status)] += 1
        self.times.extend((letter.number, due, time.monotonic()))
        return connection

    def told(self) -> dict[str, Any]:
        waits = [self.times[n + 2] - self.times[n + 1] for n in range(0, len(self.times), 3)]
        taken = sum(count for status, count in self._statuses.items() if status.startswith("2"))
        return {"statuses": dict(self._statuses), "taken": taken, "acknowledged": spread(waits)}


async def main() -> None:
    parent = await Parent.connect()
    async with AsyncExitStack() as stack:
        platforms = Platforms(stack)
        doing = {"start": platforms.start, "prepare": platforms.prepare, "fire": platforms.fire}
        while (said := await parent.hear()) is not None:
            parent.say(await doing[said["do"]](said))


if __name__ == "__main__":
    uvloop.run(main())
