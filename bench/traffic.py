"""Customers' messages on all channels at once, from the benchmark's side."""

from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.callbacks import CHANNELS, entropy
from bench.children import Child, child
from bench.world import SECRET, World

_SCHEDULE_SECONDS = 3600.0


class NotTaken(Exception):
    """The hub refused callbacks: what was measured is not what was meant."""


@dataclass(slots=True, kw_only=True)
class Traffic:
    world: World
    platforms: Child
    accounts: dict[str, dict[str, str]]
    people: int

    @property
    def pid(self) -> int:
        return self.platforms.pid

    async def prepare(self, count: int, channels: Sequence[str] = ()) -> None:
        wanted = {name: told for name, told in self.accounts.items() if not channels or name in channels}
        await self.platforms.ask({
            "do": "prepare", "url": self.world.url, "accounts": wanted, "secret": SECRET, "count": count,
            "people": self.people, "first": entropy(),
        })  # fmt: skip

    async def fire(
        self, *, connections: int = 64, rate: float = 0, seconds: float = 0, times: Path | None = None
    ) -> dict[str, Any]:
        """Raises NotTaken."""
        asked = {"do": "fire", "connections": connections, "rate": rate, "seconds": seconds}
        told = await self.platforms.ask(asked | {"times": str(times) if times else ""}, _SCHEDULE_SECONDS)
        if told["taken"] != sum(told["statuses"].values()):
            raise NotTaken(f"the hub answered {told['statuses']}")
        return told


def read_times(path: Path) -> list[tuple[int, float, float]]:
    """Of each callback its number, when it was due, and when it was answered."""
    told = array("d")
    told.frombytes(path.read_bytes())
    return [(int(told[n]), told[n + 1], told[n + 2]) for n in range(0, len(told), 3)]


@asynccontextmanager
async def traffic(world: World, *, people: int, channels: Sequence[str] = CHANNELS) -> AsyncIterator[Traffic]:
    """Its accounts are in the world when this begins."""
    async with child("platforms") as platforms:
        folder = world.folder / "platforms"
        told = await platforms.ask({"do": "start", "channels": list(channels), "folder": str(folder)})
        accounts = {}
        for channel in channels:
            account = await world.add_account(channel, told["settings"][channel])
            accounts[channel] = {"id": account.id, "key": account.key}
        yield Traffic(world=world, platforms=platforms, accounts=accounts, people=people)
