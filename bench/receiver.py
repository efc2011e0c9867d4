"""Where replies go: receivers of the API channel as careful as its README asks, and as faulty as life.

They check the signature, drop repeats by their key, and answer 503 to a share of first attempts.
Run as `python -m bench.receiver`; told by lines of JSON (bench.children).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import uvloop
from aiohttp import web

from bench.children import Parent
from omnihub.connectors.api import signing
from omnihub.connectors.api.simulator import SECRET
from omnihub.connectors.simulation import Loopback
from omnihub.model.errors import Unverified

Said = Mapping[str, Any]


class Receiver:
    """`fault_share`: of the replies, how many are told to come again at first."""

    def __init__(self) -> None:
        self.fault_share = 0.0
        self.attempts: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        app = web.Application()
        app.router.add_post("/replies", self._take)
        self._loopback = Loopback(app)

    async def _take(self, request: web.Request) -> web.Response:
        body, key = await request.read(), request.headers.get("Idempotency-Key", "")
        stamp, given = request.headers.get(signing.TIMESTAMP, ""), request.headers.get(signing.SIGNATURE, "")
        try:
            signing.verify((SECRET,), stamp, given, body, datetime.now(UTC))
        except Unverified as error:
            return web.json_response({"error": str(error)}, status=401)
        self.attempts[key] += 1
        if self.attempts[key] == 1 and _dice(key) < self.fault_share:
            return web.json_response({"error": "in maintenance"}, status=503)
        self.taken[key] += 1
        return web.json_response({"id": f"app-{key}"})

    async def start(self, said: Said) -> Said:
        self.fault_share = said["fault_share"]
        url = await self._loopback.start()
        settings = {"signing_secret": SECRET, "reply_url": f"{url}/replies", "allow_private_address": True}
        return {"settings": settings}

    async def count(self, _: Said) -> Said:
        """`repeated`: came again after they had been taken."""
        faults = sum(self.attempts.values()) - sum(self.taken.values())
        repeated = sum(times - 1 for times in self.taken.values())
        return {"taken": len(self.taken), "repeated": repeated, "faults": faults}

    async def forget(self, _: Said) -> Said:
        self.attempts.clear()
        self.taken.clear()
        return {}

    async def stop(self) -> None:
        await self._loopback.stop()


def _dice(key: str) -> float:
    """From 0 to 1, the same each time for the same reply."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / 2**32


async def main() -> None:
    parent, receiver = await Parent.connect(), Receiver()
    doing = {"start": receiver.start, "count": receiver.count, "forget": receiver.forget}
    while (said := await parent.hear()) is not None:
        parent.say(await doing[said["do"]](said))
    await receiver.stop()


if __name__ == "__main__":
    uvloop.run(main())
