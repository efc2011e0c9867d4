"""A telephone exchange in a process of its own, called at a steady rate.

Run as `python -m bench.exchange`; told by lines of JSON (bench.children).
"""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from bench.children import Parent
from omnihub.connectors.asterisk.simulator import Simulator

Said = Mapping[str, Any]


class Caller:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def start(self, _: Said) -> Said:
        await self._simulator.start()
        return {"settings": dict(self._simulator.accounts()[0].settings)}

    async def connected(self, said: Said) -> Said:
        """Waits for the hub to log in."""
        end = time.monotonic() + said["seconds"]
        while not self._simulator.logins and time.monotonic() < end:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
        return {"logins": self._simulator.logins}

    async def call(self, said: Said) -> Said:
        """`count` calls at `per_minute`, each hung up after `lasting` seconds. When each rang, by its id."""
        rang: dict[str, float] = {}
        ending: set[asyncio.Task[None]] = set()
        began = time.monotonic()
        for number in range(said["count"]):
            at = began + number * 60 / said["per_minute"]
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            moment = time.monotonic()
            call_id = await self._simulator.ring(f"+86139{number:08d}", name=f"客户 {number}")
            rang[call_id] = moment
            ending.add(asyncio.create_task(self._end(call_id, said["lasting"])))
        await asyncio.gather(*ending)
        return {"rang": rang}

    async def _end(self, call_id: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._simulator.hang_up(call_id)


async def main() -> None:
    parent, simulator = await Parent.connect(), Simulator(Path(sys.argv[1]))
    caller = Caller(simulator)
    doing = {"start": caller.start, "connected": caller.connected, "call": caller.call}
    try:
        while (said := await parent.hear()) is not None:
            parent.say(await doing[said["do"]](said))
    finally:
        await simulator.stop()


if __name__ == "__main__":
    uvloop.run(main())
