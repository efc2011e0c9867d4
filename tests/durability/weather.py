"""One misfortune after the other."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from omnihub.store.engines import Engines
from tests.durability.crowd import ROLES, Crowd
from tests.durability.world import World


class Weather:
    def __init__(self, hubs: Crowd, engines: Engines, people: World, clock: Path) -> None:
        self._hubs, self._engines, self._people, self._clock = hubs, engines, people, clock
        self._chance = random.Random(11)
        self.counted: Counter[str] = Counter()
        self._kinds: Mapping[str, Callable[[], Awaitable[None]]] = {
            "hub killed": self._kill_hub,
            "hub asleep": self._sleep_hub,
            "mongod paused": lambda: self._pause("mongod"),
            "mongod killed": lambda: self._kill_engine("mongod"),
            "redis paused": lambda: self._pause("redis"),
            "redis killed": lambda: self._kill_engine("redis"),
            "redis flushed": self._flush,
            "provider mute": self._mute,
            "clock jumped": self._jump,
        }

    async def blow(self) -> None:
        """Until cancelled; never in the middle of one."""
        while True:
            for name, happen in self._chance.sample(sorted(self._kinds.items()), len(self._kinds)):
                await asyncio.shield(asyncio.ensure_future(happen()))
                self.counted[name] += 1
                await asyncio.sleep(self._chance.uniform(0.2, 1.0))

    async def _kill_hub(self) -> None:
        await self._hubs.kill(self._chance.randrange(len(ROLES)))

    async def _sleep_hub(self) -> None:
        await self._hubs.doze(self._chance.randrange(2, len(ROLES)), 4)

    def _pid(self, name: str) -> int:
        return int(self._engines.status()[name]["pid"] or 0)

    async def _pause(self, name: str) -> None:
        if pid := self._pid(name):
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(2)
            os.kill(pid, signal.SIGCONT)

    async def _kill_engine(self, name: str) -> None:
        if pid := self._pid(name):
            os.kill(pid, signal.SIGKILL)

    async def _flush(self) -> None:
        try:
            await self._people.store.redis.flushall()
        except RedisError:
            self.counted["redis was away"] += 1

    async def _mute(self) -> None:
        methods: Any = self._people.lines["telegram"].simulator.methods
        methods.mute = True
        await asyncio.sleep(2)
        methods.mute = False

    async def _jump(self) -> None:
        self._clock.write_text(str(self._chance.choice((-1800, 0, 3600))))
