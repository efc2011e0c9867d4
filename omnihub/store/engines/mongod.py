import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from omnihub.store.engines.endpoints import mongodb_uri
from omnihub.store.engines.errors import EngineError
from omnihub.store.engines.program import Program

_SOCKET = "mongod.sock"
# The member's name in its own set, relative to mongod's working directory: it stays true when var/ is
# moved or the machine is renamed, and no resolver is ever asked about it.
_MEMBER = f"./{_SOCKET}"
_SET = "omnihub"
_POLL_S = 0.02
# Answers to questions asked too early: AlreadyInitialized, NotYetInitialized, and what a change of
# state interrupts. Asking again settles all of them.
_TOO_EARLY = frozenset({11602, 13436, 23, 94})

Document = dict[str, Any]


_CAUSES = (
    (
        "DBPathInUse|Unable to lock the lock file",
        "Another mongod works on the embedded MongoDB's data",
        "Stop that one; the lock is let go of by itself.",
    ),
    (
        "UPGRADE PROBLEM|[Ii]nvalid feature ?[Cc]ompatibility ?[Vv]ersion",
        "The embedded MongoDB's data was written by another version of MongoDB",
        "Use the version that wrote it (6.0 in the default package), or move the data with mongodump "
        "and mongorestore.",
    ),
    (
        "WT_TRY_SALVAGE|WT_PANIC|file checksum error|encountered an illegal file format",
        "The embedded MongoDB's files are damaged",
        "Restore the last backup. Without one: keep a copy of the directory, then run mongod --dbpath "
        "on it once with --repair.",
    ),
    (
        "Permission denied|EACCES",
        "The embedded MongoDB may not read or write its files",
        "Make them belong to the user who runs the hub (chown -R); do not run it once as root and then as "
        "somebody else.",
    ),
)


@dataclass(frozen=True, slots=True)
class Mongod(Program):
    name: ClassVar[str] = "mongod"
    grace: ClassVar[float] = 30.0
    rotated_by_signal: ClassVar[bool] = True
    causes: ClassVar[tuple[tuple[str, str, str], ...]] = _CAUSES

    @property
    def socket(self) -> Path:
        return self.sockets / _SOCKET

    @property
    def cwd(self) -> Path:
        return self.sockets

    @property
    def uri(self) -> str:
        return mongodb_uri(self.socket)

    def command(self) -> list[str]:
        return [
            str(self.binary),
            *("--dbpath", str(self.data)),
            *("--replSet", _SET),
            *("--oplogSize", "256"),
            *("--bind_ip", _MEMBER),
            "--nounixsocket",  # no second one in /tmp
            *("--filePermissions", "0600"),
            *("--wiredTigerCacheSizeGB", f"{cache_gb(memory_bytes()):.2f}"),
            *("--logpath", str(self.log)),
            "--logappend",
            *("--logRotate", "reopen"),
            "--quiet",
            *("--slowms", "500"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A process killed in a transaction holds what it wrote until then; ours take well under a second.
            *("--setParameter", "transactionLifetimeLimitSeconds=10"),
            # Nobody reads the past: by default the files of what was dropped stay open for five minutes more.
            *("--setParameter", "minSnapshotHistoryWindowInSeconds=5"),
            # There is no other member that clients could turn to meanwhile.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        ]

    async def serving(self) -> None:
        await _listening(self.socket)
        async with AsyncMongoClient[Document](self.uri) as client:
            while True:
                if await _settled(client.admin):
                    return
                await asyncio.sleep(_POLL_S)

    def explain(self, status: int, last_words: str) -> EngineError:
        if status == -signal.SIGILL:
            return EngineError(
                "The embedded MongoDB uses instructions that this processor lacks (AVX).",
                "Give the virtual machine a newer CPU type, or set mongodb.uri to a server elsewhere.",
            )
        # Spelled out: a dataclass with slots is another class than the one being written here.
        return super(Mongod, self).explain(status, last_words)


async def alive(uri: str) -> bool:
    try:
        async with AsyncMongoClient[Document](uri, serverSelectionTimeoutMS=2000) as client:
            return bool((await client.admin.command("hello")).get("isWritablePrimary"))
    except PyMongoError:
        return False


def cache_gb(memory: int) -> float:
    """A sixteenth of the memory, between 0.25 GB (the least mongod takes) and 2 GB."""
    return min(max(memory / 16 / 2**30, 0.25), 2.0)


def memory_bytes() -> int:
    """Of the machine, or what the container may use of it."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit).read_text().strip()
        except OSError:  # no such kind of cgroup here
            continue
        if text.isdigit():
            return min(machine, int(text))
    return machine


async def _listening(socket: Path) -> None:
    while True:
        try:
            _, writer = await asyncio.open_unix_connection(str(socket))
        except OSError:  # not yet
            await asyncio.sleep(_POLL_S)
            continue
        writer.close()
        await writer.wait_closed()
        return


async def _settled(admin: AsyncDatabase[Document]) -> bool:
    """One step towards a writable primary; true when it is one."""
    try:
        if (await admin.command("hello")).get("isWritablePrimary"):
            return True
        config = await _config(admin)
        if config is None:
            await admin.command("replSetInitiate", {"_id": _SET, "members": [{"_id": 0, "host": _MEMBER}]})
        elif [member["host"] for member in config["members"]] != [_MEMBER]:
            await admin.command("replSetReconfig", _readdressed(config), force=True)
    except OperationFailure as failure:
        if failure.code not in _TOO_EARLY:
            raise EngineError(
                f"The embedded MongoDB cannot become writable: {failure}",
                "Its data may come from a replica set of another name: move it with mongodump and "
                "mongorestore, or set mongodb.uri to that set.",
            ) from failure
    except ConnectionFailure:
        # It drops connections when its state changes, or it died: the supervisor notices that.
        return False
    return False


async def _config(admin: AsyncDatabase[Document]) -> Document | None:
    try:
        config: Document = (await admin.command("replSetGetConfig"))["config"]
    except OperationFailure as failure:
        if failure.code == 94:  # NotYetInitialized
            return None
        raise
    return config


def _readdressed(config: Mapping[str, Any]) -> Document:
    """The same set with this node as its only member, wherever the data was before."""
    return {
        **config,
        "version": config["version"] + 1,
        "members": [{"_id": config["members"][0]["_id"], "host": _MEMBER}],
    }
