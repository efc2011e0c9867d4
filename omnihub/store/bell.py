import asyncio
from collections.abc import Sequence
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

log = structlog.get_logger("omnihub.store")

_MAX_WAITING = 200_000
_GROUP = "workers"
_RING_SECONDS = 1.0


# A door rings whether anybody listens or not: what nobody answers must not pile up.
_MAX_AT_DOOR = 1_000
_DOOR_SECONDS = 600


def door_bell(account_id: str) -> str:
    """Rung when something came in at this account's door."""
    return f"door:{account_id}"


class Bell:
    """Rings ids through Redis streams. It only hastens: whoever misses a ring finds the work by sweeping,
    so every failure here is logged and survived."""

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    def _stream(self, name: str) -> str:
        return f"{self._prefix}bell:{name}"

    async def ring(self, name: str, ids: Sequence[str]) -> None:
        if not ids:
            return
        stream = self._stream(name)
        try:
            async with asyncio.timeout(_RING_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                for one in ids:
                    pipe.xadd(stream, {"id": one}, maxlen=_MAX_WAITING, approximate=True)
                await pipe.execute()
        except (RedisError, TimeoutError) as error:
            log.warning("bell.ring_failed", bell=name, count=len(ids), error=str(error))

    async def ring_door(self, account_id: str, event_id: str) -> None:
        """Its listener looks by itself, too: a door that is quiet for a while forgets its rings."""
        name = door_bell(account_id)
        stream = self._stream(name)
        try:
            async with asyncio.timeout(_RING_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(stream, {"id": event_id}, maxlen=_MAX_AT_DOOR, approximate=True)
                pipe.expire(stream, _DOOR_SECONDS)
                await pipe.execute()
        except (RedisError, TimeoutError) as error:
            log.warning("bell.ring_failed", bell=name, count=1, error=str(error))

    async def answer(self, name: str, consumer: str, count: int, seconds: float) -> list[str] | None:
        """Ids rung since the last answer, at most `count`; [] when the time passed; None when Redis is away."""
        found = await self._answered(self._stream(name), name, consumer, count, seconds)
        # redis-py 8.1 loses a cancellation that comes while it shakes hands on a new connection; whoever was
        # to end would listen on.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        return found

    async def _answered(
        self, stream: str, name: str, consumer: str, count: int, seconds: float
    ) -> list[str] | None:
        try:
            return await self._read(stream, consumer, count, seconds)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._create_group(stream)
            return []
        except RedisError as error:
            log.warning("bell.answer_failed", bell=name, error=str(error))
            return None

    async def _read(self, stream: str, consumer: str, count: int, seconds: float) -> list[str]:
        answer = await self._redis.xreadgroup(
            _GROUP, consumer, {stream: ">"}, count=count, block=max(1, int(seconds * 1000)), noack=True
        )
        if not answer:
            return []
        batches = answer.values() if isinstance(answer, dict) else [pair[1] for pair in answer]
        entries = [entry for batch in batches for entry in _flat(batch)]
        await self._redis.xdel(stream, *[entry_id for entry_id, _ in entries])
        return [fields[b"id"].decode() for _, fields in entries]

    async def _create_group(self, stream: str) -> None:
        try:
            await self._redis.xgroup_create(stream, _GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        except RedisError as error:
            log.warning("bell.group_failed", stream=stream, error=str(error))

    async def waiting(self, name: str) -> int:
        try:
            return int(await self._redis.xlen(self._stream(name)))
        except RedisError:
            return 0


Entry = tuple[bytes, dict[bytes, bytes]]


def _flat(batch: object) -> list[Entry]:
    # RESP3 wraps a stream's entries in one more list than RESP2 does.
    entries = cast("list[object]", batch)
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], (list, tuple)):
        return [cast("Entry", entry) for inner in entries for entry in cast("list[object]", inner)]
    return [cast("Entry", entry) for entry in entries]
