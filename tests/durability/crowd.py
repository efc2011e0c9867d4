"""Many hub processes on one database, started again whenever they die."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.durability.world import World
from tests.hub_process import Running

ROLES = ("web", "web", "worker", "worker", "worker", "listen", "listen")


class Crowd:
    def __init__(self, people: World, more: Mapping[str, str]) -> None:
        self._people = people
        self._more = more
        self._running: list[Running | None] = [None] * len(ROLES)
        self._ended = False

    async def start(self, number: int) -> None:
        """Again and again where the database is away just then, as a service manager does."""
        started = False
        while not started:
            started = await self._started(number)

    async def _started(self, number: int) -> bool:
        role = ROLES[number]
        settings = dict(self._people.settings)
        if role == "web":
            settings["server.port"] = str(self._people.ports[number])
        hub = await Running.start(role, settings=settings, module="tests.durability.hub", more=self._more)
        self._running[number] = hub
        ready = asyncio.create_task(hub.ready())
        ended = asyncio.create_task(hub.process.wait())
        await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ready, ended):
            task.cancel()
        await asyncio.gather(ready, ended, return_exceptions=True)
        if hub.process.returncode is not None:
            await hub.end()
            return False
        return True

    def _hub(self, number: int) -> Running:
        hub = self._running[number]
        assert hub is not None
        return hub

    async def kill(self, number: int) -> None:
        await self._hub(number).kill()
        await self.start(number)

    async def doze(self, number: int, seconds: float) -> None:
        """It is taken for dead, and then wakes up."""
        hub = self._hub(number)
        hub.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        hub.signal(signal.SIGCONT)

    async def end(self) -> None:
        codes = await asyncio.gather(*(hub.stop() for hub in self._running if hub))
        self._ended = True
        assert codes == [0] * len(ROLES), [hub.err[-2000:] for hub in self._running if hub]

    async def close(self) -> None:
        if not self._ended:
            await asyncio.gather(*(hub.close() for hub in self._running if hub), return_exceptions=True)


@asynccontextmanager
async def crowd(people: World, more: Mapping[str, str]) -> AsyncIterator[Crowd]:
    made = Crowd(people, more)
    try:
        await asyncio.gather(*(made.start(number) for number in range(len(ROLES))))
        yield made
    finally:
        await made.close()
