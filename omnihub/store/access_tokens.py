import asyncio
import os

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from omnihub.store.vault import Vault, VaultError

log = structlog.get_logger("omnihub.store")

_LOCK_MS = 30_000
_POLL_SECONDS = 0.05
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class AccessTokens:
    """What providers lend us for some hours, sealed, one for all processes. A loss costs a new fetch."""

    def __init__(self, redis: "Redis", prefix: str, vault: Vault) -> None:
        self._redis = redis
        self._prefix = f"{prefix}token:"
        self._vault = vault

    async def load(self, name: str) -> str | None:
        """None where there is none. Raises RedisError."""
        sealed = await self._redis.get(self._prefix + name)
        if sealed is None:
            return None
        try:
            return self._vault.open(sealed.decode() if isinstance(sealed, bytes) else sealed)
        except VaultError:  # sealed under another key: as good as none
            return None

    async def keep(self, name: str, value: str, seconds: float) -> None:
        try:
            await self._redis.set(self._prefix + name, self._vault.seal(value), px=max(1, int(seconds * 1000)))
        except RedisError as error:
            log.warning("tokens.not_kept", name=name, error=str(error))

    async def lock(self, name: str) -> str | None:
        """The lock's secret; None while somebody else holds it. Raises RedisError."""
        secret = os.urandom(12).hex()
        taken = await self._redis.set(f"{self._prefix}{name}:lock", secret, nx=True, px=_LOCK_MS)
        return secret if taken else None

    async def unlock(self, name: str, secret: str) -> None:
        try:
            await self._redis.eval(_RELEASE, 1, f"{self._prefix}{name}:lock", secret)
        except RedisError as error:  # it ends by itself
            log.warning("tokens.not_unlocked", name=name, error=str(error))

    async def pause(self) -> None:
        """Between two looks at what another process fetches."""
        await asyncio.sleep(_POLL_SECONDS)
