import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TimedOut

from omnihub.store.engines.endpoints import redis_url
from omnihub.store.engines.errors import explained
from omnihub.store.engines.program import Program

_POLL_S = 0.02
_UNREADABLE = re.compile("Bad file format reading the append only file|Unexpected end of file reading the append")
# A file up to Redis 6, a directory since 7.
_AOF_NAMES = ("appendonly.aof", "appendonlydir")


@dataclass(frozen=True, slots=True)
class RedisServer(Program):
    name: ClassVar[str] = "redis"
    grace: ClassVar[float] = 10.0

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def cwd(self) -> Path:
        return self.data

    @property
    def uri(self) -> str:
        return redis_url(self.socket)

    def command(self) -> list[str]:
        return [
            str(self.binary),
            *("--port", "0"),
            *("--unixsocket", str(self.socket)),
            *("--unixsocketperm", "600"),
            *("--dir", str(self.data)),
            *("--logfile", str(self.log)),
            *("--save", ""),
            *("--appendonly", "yes"),
            *("--appendfsync", "everysec"),
            *("--aof-load-truncated", "yes"),
            *("--maxmemory-policy", "noeviction"),
        ]

    async def serving(self) -> None:
        async with _client(self.uri) as client:
            while True:
                try:
                    await client.ping()
                except (NotConnected, TimedOut):  # not listening yet, or loading what it remembers
                    await asyncio.sleep(_POLL_S)
                else:
                    return

    def heal(self, last_words: str) -> str | None:
        """Mongo remembers, Redis rings: an unreadable file is put aside and every bell is rung again."""
        if not _UNREADABLE.search(last_words):
            return None
        moved = [aside for name in _AOF_NAMES if (aside := self._put_aside(self.data / name))]
        names = ", ".join(str(aside) for aside in moved)
        return f"Redis could not read its append-only file; it was put aside as {names}" if moved else None

    def _put_aside(self, file: Path) -> Path | None:
        if not file.exists():
            return None
        number = 1
        while (aside := file.with_name(f"{file.name}.unreadable-{number}")).exists():
            number += 1
        with explained(file):
            return file.rename(aside)


async def alive(url: str) -> bool:
    async with _client(url) as client:
        try:
            await client.ping()
        except RedisError:
            return False
        return True


def _client(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=2, retry=Retry(NoBackoff(), 0))
