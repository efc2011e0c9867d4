"""A thousand agents connected, two hundred events a second: how late each screen is."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.accounting import MemoryWatch, spending
from bench.children import Child, child
from bench.documents import Sizes, fill
from bench.figures import Report, spread
from bench.floors import feed_floor
from bench.sizing import Size
from bench.world import World, alone
from omnihub.store.events import event

MARK = r'"bench":"(\d+)"'


@dataclass(slots=True, frozen=True, kw_only=True)
class Live:
    agents: int
    rate: int
    seconds: float
    tickets: int
    singles: int
    rooms: int = 2


SIZES: Size[Live] = Size(
    tiny=Live(agents=10, rate=20, seconds=1.5, tickets=50, singles=30, rooms=1),
    quick=Live(agents=300, rate=50, seconds=6, tickets=500, singles=300),
    full=Live(agents=1_000, rate=200, seconds=60, tickets=2_000, singles=2_000),
)


async def run(size: Live, report: Report, folder: Path) -> None:
    async with alone(folder) as made:
        uri = made.settings.mongodb.uri.get_secret_value()
        await feed_floor(report, uri, size.singles)
        await asyncio.to_thread(fill, uri, made.settings.mongodb.database, Sizes(tickets=size.tickets, messages=2))
        async with made.hub("web") as hub, AsyncExitStack() as stack:
            rooms = [await stack.enter_async_context(child("listening")) for _ in range(size.rooms)]
            await _sit_down(made, size, rooms)
            async with MemoryWatch([one.process.pid for one in hub], 0.5) as memory:
                with spending(made.groups(screens=[room.pid for room in rooms])) as spent:
                    due = await _happen(made, size)
                    waited = await asyncio.gather(*(_settle(room, size, list(due)) for room in rooms))
            told = [await room.ask({"do": "tell"}) for room in rooms]
    lags = [seen[mark] - at for one in told for seen in one["seen"] for mark, at in due.items() if mark in seen]
    wanted = len(due) * size.agents
    _say(report, size, lags, wanted, sum(int(one["lost"]) for one in waited))
    report.table("What it took").add(
        events=len(due),
        screens=size.agents,
        frames=sum(one["frames"] for one in told),
        megabytes=sum(one["bytes"] for one in told) / 1e6,
        seconds=spent.seconds,
        hub_cpu=spent.total("hub") / spent.seconds,
        mongod_cpu=spent.total("mongod") / spent.seconds,
        screens_cpu=spent.total("screens") / spent.seconds,
        hub_mb=max(memory.samples),
    )


def _say(report: Report, size: Live, lags: Sequence[float], wanted: int, dropped: int) -> None:
    found = spread(lags)
    report.figures |= {f"lag_{name}": value for name, value in found.items()}
    report.figures |= {"never_shown": wanted - len(lags), "screens_dropped": dropped}
    report.ratio("lag p99 / insert to feed p99", "lag_p99_ms", "insert_to_feed_p99_ms")
    lag = {f"lag_{name}": value for name, value in found.items()}
    missed = wanted - len(lags)
    report.table("Lag of every event on every screen").add(
        agents=size.agents, per_s=size.rate, **lag, never_shown=missed, dropped=dropped
    )


async def _sit_down(made: World, size: Live, rooms: Sequence[Child]) -> None:
    tokens = [(await made.add_user(number))[1] for number in range(size.agents)]
    asked = [
        {"do": "open", "url": made.url, "tokens": tokens[n :: len(rooms)], "mark": MARK} for n in range(len(rooms))
    ]
    await asyncio.gather(*(room.ask(one) for room, one in zip(rooms, asked, strict=True)))


async def _happen(made: World, size: Live) -> dict[str, float]:
    """Events as the rooms write them, about tickets that are there. When each was due."""
    ids = [doc["_id"] async for doc in made.store.db["tickets"].find({}, {"_id": 1})]
    due: dict[str, float] = {}
    writing: set[asyncio.Task[None]] = set()
    began = time.monotonic()
    for number in range(round(size.rate * size.seconds)):
        at = began + number / size.rate
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        due[str(number)] = at
        changed = event("ticket.changed", ids[number % len(ids)], data={"bench": str(number)})
        writing.add(asyncio.create_task(made.store.events.add([changed])))
    await asyncio.gather(*writing)
    return due


async def _settle(room: Child, size: Live, marks: Sequence[str]) -> dict[str, float]:
    return await room.ask({"do": "wait", "marks": marks, "seconds": max(10.0, size.seconds)})
