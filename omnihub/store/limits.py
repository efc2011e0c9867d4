import asyncio
import time

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger("omnihub.store")

# A Redis that neither answers nor refuses must not hold up what it only counts.
_PATIENCE_SECONDS = 1.0


class Limits:
    """Counts per key in windows of fixed length, shared by all processes. When Redis is away, all pass:
    a limit protects against abuse, it must never cost a customer's message."""

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix

    async def hit(self, key: str, count: int, seconds: int) -> float:
        """Counts one. Returns 0.0 when it is within the limit, else the seconds until the window ends."""
        window, passed = divmod(time.time(), seconds)
        name = f"{self._prefix}limit:{key}:{int(window)}"
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._redis.pipeline(transaction=False) as pipe:
                pipe.incr(name)
                pipe.expire(name, seconds + 1)
                used = (await pipe.execute())[0]
        except (RedisError, TimeoutError) as error:
            log.warning("limit.unavailable", key=key, error=str(error))
            return 0.0
        return 0.0 if used <= count else max(0.1, seconds - passed)

    async def clear(self, key: str, seconds: int) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._redis.delete(f"{self._prefix}limit:{key}:{int(time.time() // seconds)}")
        except (RedisError, TimeoutError) as error:
            log.warning("limit.unavailable", key=key, error=str(error))

    async def first_use(self, key: str, owner: str, seconds: int) -> bool:
        """True the first time within `seconds`, and again for the same owner: who tries again is no cheat."""
        name = f"{self._prefix}once:{key}"
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if await self._redis.set(name, owner.encode(), nx=True, ex=seconds):
                    return True
                return bool(await self._redis.get(name) == owner.encode())
        except (RedisError, TimeoutError) as error:
            log.warning("limit.unavailable", key=key, error=str(error))
            return True
