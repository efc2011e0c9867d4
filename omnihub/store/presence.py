"""Which processes live. One that was killed gives nothing back: others must notice, and do it for it."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from pymongo import IndexModel

from omnihub.model.ids import new_id
from omnihub.store.database import Database, now

# What nobody buried, as no other process ran, goes after a day.
INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "processes": (IndexModel([("until", 1)], expireAfterSeconds=86_400),)
}

PROCESS = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-8:]}"
BEAT_SECONDS = 2.0
_ALIVE_SECONDS = 6.0


def holder_name() -> str:
    """For one room of this process."""
    return f"{PROCESS}:{new_id()[-8:]}"


def process_of(holder: str) -> str:
    return holder.rpartition(":")[0]


def _runs_here(process: str) -> bool:
    """Silent, but seen to live on this machine: it is stopped or starved, and may go on in the middle of a
    sentence. A restarted container has the old one's name and number, so that our own number proves nothing."""
    host, _, rest = process.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(int(pid))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return False


class Presence:
    """Time is the database's. A process that was only asleep, and is taken for dead, finds its leases gone
    and takes them anew: nothing is done twice for that, as every deed has its own guard."""

    def __init__(self, db: Database, process: str = PROCESS) -> None:
        self._db = db
        self._process = process

    async def beat(self) -> None:
        until = {"$add": ["$$NOW", int(_ALIVE_SECONDS * 1000)]}
        await self._db["processes"].update_one({"_id": self._process}, [{"$set": {"until": until}}], upsert=True)

    async def leave(self) -> None:
        """At an orderly end: what was stopped in the middle is anybody's at once."""
        await self._free(self._process)
        await self._db["processes"].delete_one({"_id": self._process})

    async def bury_the_dead(self) -> list[str]:
        """Frees what processes hold that no longer say that they live; may be cut off anywhere and repeated."""
        silent = self._db["processes"].find({"$expr": {"$lt": ["$until", "$$NOW"]}}, {"until": 1})
        dead = [doc async for doc in silent if doc["_id"] != self._process and not _runs_here(doc["_id"])]
        for process in dead:
            await self._free(process["_id"])
            await self._db["processes"].delete_one({"_id": process["_id"], "until": process["until"]})
        return [process["_id"] for process in dead]

    async def _free(self, process: str) -> None:
        await self._db["leases"].delete_many({"process": process})
        await self._db["errands"].update_many(
            {"process": process}, {"$set": {"due": now()}, "$unset": {"process": 1}}
        )
        await self._db["idempotency"].update_many({"process": process}, {"$unset": {"process": 1}})
        await self._db["messages"].update_many(
            {"delivery.state": "sending", "delivery.process": process}, {"$set": {"delivery.abandoned": True}}
        )
