"""Whether the journal may still take something: it must end before the disk does."""

from dataclasses import dataclass

import structlog

from omnihub.store.database import Database

log = structlog.get_logger("omnihub.store")

_SAMPLE = 500


@dataclass(slots=True, frozen=True, kw_only=True)
class Bounds:
    """In bytes. 0: none."""

    backlog: int = 0
    free_disk: int = 0


@dataclass(slots=True, frozen=True, kw_only=True)
class Measured:
    """`waiting_bytes` is an estimate from the newest of `waiting` events. `free_bytes`: on the disk of the
    database, None where it does not say. `closed`: why nothing more is taken, empty while it is."""

    waiting: int = 0
    waiting_bytes: int = 0
    free_bytes: int | None = None
    closed: str = ""


class Pressure:
    """Measured now and then, asked for every event. Opens again only below nine tenths of the bound, so that
    it does not open and close with each batch."""

    def __init__(self, db: Database, bounds: Bounds) -> None:
        self._db = db
        self.bounds = bounds
        self.measured = Measured()

    @property
    def closed(self) -> str:
        return self.measured.closed

    async def measure(self) -> Measured:
        waiting, size = await self._waiting()
        free = await self._free()
        closed = self._judge(size, free)
        if closed and not self.closed:
            log.error("journal.closed", reason=closed, waiting=waiting, waiting_bytes=size, free_bytes=free)
        elif self.closed and not closed:
            log.warning("journal.open_again", waiting=waiting, free_bytes=free)
        self.measured = Measured(waiting=waiting, waiting_bytes=size, free_bytes=free, closed=closed)
        return self.measured

    def _judge(self, size: int, free: int | None) -> str:
        room = 0.9 if self.closed else 1.0
        if self.bounds.free_disk and free is not None and free * room < self.bounds.free_disk:
            return "the database's disk is almost full"
        if self.bounds.backlog and size > self.bounds.backlog * room:
            return "too much waits to be taken in"
        return ""

    async def _waiting(self) -> tuple[int, int]:
        events = self._db["raw_events"]
        count = int(await events.count_documents({"state": "new"}))
        if not count:
            return 0, 0
        newest = events.find({"state": "new"}, {"size": 1}).sort("received_at", -1).limit(_SAMPLE)
        sizes = [doc["size"] async for doc in newest]
        return count, round(count * sum(sizes) / len(sizes)) if sizes else 0

    async def _free(self) -> int | None:
        told = await self._db.db.command("dbStats", freeStorage=0)
        total, used = told.get("fsTotalSize"), told.get("fsUsedSize")
        return int(total - used) if total else None
