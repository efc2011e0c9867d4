"""What agents look at, as the database grows: lists, counts, tickets; and proof of how they are found."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from pymongo import MongoClient

from bench.documents import Sizes, fill
from bench.figures import Report, Table, spread
from bench.sizing import Size
from bench.world import World, engines, world
from omnihub.store.engines import Engines

Doc = dict[str, Any]
_LIMIT = 50
# The first of each size only opens files and fills the cache.
_WARM = 20
FIRST_PAGE = f"/tickets?limit={_LIMIT}"
PAGES: Mapping[str, str] = {
    "first page": FIRST_PAGE,
    "mine": f"/tickets?limit={_LIMIT}&assignee_id=agent-7",
    "of a team": f"/tickets?limit={_LIMIT}&team_id=team-3",
    "of a channel": f"/tickets?limit={_LIMIT}&channel=wechat",
    "with a tag": f"/tickets?limit={_LIMIT}&tag=VIP",
    "closed": f"/tickets?limit={_LIMIT}&status=closed",
    "pending": f"/tickets?limit={_LIMIT}&status=pending",
    "longest waiting": f"/tickets?limit={_LIMIT}&sort=waiting_since",
    "all": f"/tickets?limit={_LIMIT}&status=any",
    "counts": "/tickets/counts",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Lists:
    """`tickets`: one database of each size, five messages to each ticket. `calls`: of each page."""

    tickets: tuple[int, ...]
    calls: int
    deep_pages: int = 20


SIZES: Size[Lists] = Size(
    tiny=Lists(tickets=(600,), calls=10, deep_pages=2),
    quick=Lists(tickets=(2_000, 20_000), calls=150),
    full=Lists(tickets=(10_000, 100_000, 1_000_000), calls=1_000),
)


async def run(size: Lists, report: Report, folder: Path) -> None:
    async with engines(folder) as shared:
        for tickets in size.tickets:
            await _at(tickets, size, shared, report, folder)
    least, most = size.tickets[0], size.tickets[-1]
    for name in (*PAGES, "next pages", "ticket", "timeline"):
        key = _key(name)
        report.ratios[f"{key} at {most} / at {least}, p99"] = (
            report.figures[f"{key}_{most}_p99_ms"] / report.figures[f"{key}_{least}_p99_ms"]
        )
    report.ratio("first page / raw read, p50", f"first_page_{most}_p50_ms", f"raw_read_{most}_p50_ms")


def _key(name: str) -> str:
    return name.replace(" ", "_")


async def _at(tickets: int, size: Lists, shared: Engines, report: Report, folder: Path) -> None:
    async with world(folder, shared) as made:
        uri, database = shared.endpoints.mongodb_uri, made.settings.mongodb.database
        began = time.monotonic()
        messages = await asyncio.to_thread(fill, uri, database, Sizes(tickets=tickets))
        filled = time.monotonic() - began
        report.notes.append(f"{tickets} tickets, {messages} messages put in within {filled:.0f} s")
        raw = await asyncio.to_thread(_raw_reads, uri, database, size.calls)
        report.floors |= {f"raw_read_{tickets}_{name}": value for name, value in raw.items()}
        _, token = await made.add_user()
        headers = {"Authorization": f"Bearer {token}"}
        async with made.hub("web"), aiohttp.ClientSession(f"{made.url}/api/v1/", headers=headers) as http:
            reader = _Reader(
                http, size, tickets, report, report.table(f"At {tickets:,} tickets, {messages:,} messages")
            )
            await reader.read_all()
            await _prove(made, reader, tickets, report)


def _raw_reads(uri: str, database: str, calls: int) -> dict[str, float]:
    """The same rows by their index, by a program that does nothing else."""
    with MongoClient[Doc](uri) as client:
        found = client[database]["tickets"]
        taken = []
        for _ in range(calls + _WARM):
            began = time.monotonic()
            list(found.find({"lists": "active"}).sort([("last_message_at", -1), ("_id", -1)]).limit(_LIMIT))
            taken.append(time.monotonic() - began)
    return spread(taken[_WARM:])


class _Reader:
    """One agent who reads, one page after another."""

    def __init__(
        self, http: aiohttp.ClientSession, size: Lists, tickets: int, report: Report, table: Table
    ) -> None:
        self._http = http
        self._size = size
        self._tickets = tickets
        self._report = report
        self._table = table
        self.ids: list[str] = []

    async def get(self, path: str) -> Doc:
        async with self._http.get(path.lstrip("/")) as answer:
            assert answer.status == 200, f"{path} was answered {answer.status}"
            read: Doc = await answer.json()
            return read

    async def read_all(self) -> None:
        for name, path in PAGES.items():
            await self._repeat(name, [path] * self._size.calls)
        self.ids = [row["id"] for row in (await self.get(FIRST_PAGE))["items"]]
        await self._pages()
        chosen = [self.ids[n % len(self.ids)] for n in range(self._size.calls)]
        await self._repeat("ticket", [f"/tickets/{one}" for one in chosen])
        await self._repeat("timeline", [f"/tickets/{one}/timeline" for one in chosen])

    async def _repeat(self, name: str, paths: Sequence[str]) -> None:
        for path in paths[:_WARM]:
            await self.get(path)
        taken = []
        for path in paths:
            began = time.monotonic()
            await self.get(path)
            taken.append(time.monotonic() - began)
        self._note(name, taken)

    async def _pages(self) -> None:
        """On and on from the first page, over and over."""
        taken: list[float] = []
        while len(taken) < self._size.calls:
            following = (await self.get(FIRST_PAGE))["next"]
            assert following, "there is one page only: more tickets are needed"
            for _ in range(self._size.deep_pages):
                if following is None:
                    break
                began = time.monotonic()
                following = (await self.get(f"{FIRST_PAGE}&cursor={following}"))["next"]
                taken.append(time.monotonic() - began)
        self._note("next pages", taken)

    def _note(self, name: str, taken: Sequence[float]) -> None:
        found = spread(taken)
        self._report.figures |= {f"{_key(name)}_{self._tickets}_{part}": value for part, value in found.items()}
        self._table.add(what=name, **found)


async def _prove(made: World, reader: _Reader, tickets: int, report: Report) -> None:
    """Reads each once more while mongod writes down how it found what the hub asked for."""
    table = report.table(f"How mongod found it, at {tickets:,} tickets")
    bad = 0
    one = f"/tickets/{reader.ids[0]}"
    for name, path in {**PAGES, "ticket": one, "timeline": f"{one}/timeline"}.items():
        for seen in await _profiled(made, reader, path):
            wrong = _faults(seen)
            bad += bool(wrong)
            table.add(
                what=name,
                collection=seen["ns"].partition(".")[2],
                plan=seen.get("planSummary", ""),
                keys=seen.get("keysExamined", 0),
                documents=seen.get("docsExamined", 0),
                returned=seen.get("nreturned", 0),
                fault=wrong,
            )
    report.figures[f"queries_without_one_index_scan_{tickets}"] = bad


async def _profiled(made: World, reader: _Reader, path: str) -> list[Doc]:
    db = made.store.db.db
    await db.command({"profile": 0})
    await db["system.profile"].drop()
    await db.command({"profile": 2})
    try:
        await reader.get(path)
    finally:
        await db.command({"profile": 0})
    wanted = {"op": {"$in": ["query", "command"]}, "ns": {"$regex": r"\.(tickets|messages|events|conversations)$"}}
    return [doc async for doc in db["system.profile"].find(wanted)]


def _faults(seen: Doc) -> str:
    """A page may read one key more than it shows, to see whether there is more; a count reads what it counts."""
    plan = seen.get("planSummary", "")
    counted = "count" in seen.get("command", {}) or "aggregate" in seen.get("command", {})
    wrong = ["collection scan"] if "COLLSCAN" in plan else []
    wrong += ["sorts in memory"] if seen.get("hasSortStage") and seen.get("docsExamined", 0) > 2 * _LIMIT else []
    most = seen.get("nreturned", 0) * 2 + 10
    if not counted and seen.get("docsExamined", 0) > most:
        wrong.append("reads more than it shows")
    return ", ".join(wrong)
