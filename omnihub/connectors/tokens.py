"""The access tokens that providers hand out for some hours: one for all processes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True, kw_only=True)
class FreshToken:
    """`seconds`: how long the provider says that it is valid."""

    value: str
    seconds: float


Fetch = Callable[[], Awaitable[FreshToken]]


class SharedTokens(Protocol):
    async def get(self, name: str, fetch: Fetch, *, stale: str = "") -> str:
        """The token of this name. Where there is none, or it is the `stale` one that the provider just
        refused, exactly one caller among all processes fetches a new one while the others wait.
        Raises what `fetch` raises."""


MARGIN_SECONDS = 120.0


def useful_seconds(token: FreshToken) -> float:
    """A token is renewed a little before it ends; one of a very short life after half of it."""
    return max(token.seconds - MARGIN_SECONDS, token.seconds / 2)


class LocalTokens:
    """Within one process: for trying an account's settings before they are kept, and for tests."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, name: str, fetch: Fetch, *, stale: str = "") -> str:
        async with self._locks.setdefault(name, asyncio.Lock()):
            value, until = self._known.get(name, ("", 0.0))
            if value and value != stale and time.monotonic() < until:
                return value
            token = await fetch()
            self._known[name] = (token.value, time.monotonic() + useful_seconds(token))
            return token.value


class TokenStore(Protocol):
    """What the store offers for keeping tokens where all processes see them."""

    async def load(self, name: str) -> str | None: ...

    async def keep(self, name: str, value: str, seconds: float) -> None: ...

    async def lock(self, name: str) -> str | None: ...

    async def unlock(self, name: str, secret: str) -> None: ...

    async def pause(self) -> None: ...


class CommonTokens:
    """One token for all processes. `away`: the errors that mean that the store cannot be asked; each process
    then keeps its own, which most providers allow for a while."""

    def __init__(self, store: TokenStore, away: type[Exception]) -> None:
        self._store = store
        self._away = away
        self._local = LocalTokens()
        self._queues: dict[str, asyncio.Lock] = {}

    async def get(self, name: str, fetch: Fetch, *, stale: str = "") -> str:
        try:
            known = await self._store.load(name)
            if known and known != stale:
                return known
            async with self._queues.setdefault(name, asyncio.Lock()):
                return await self._fetched(name, fetch, stale)
        except self._away:
            return await self._local.get(name, fetch, stale=stale)

    async def _fetched(self, name: str, fetch: Fetch, stale: str) -> str:
        while True:
            secret = await self._store.lock(name)
            try:
                # Looked at under the lock: whoever held it before may just have kept a new one.
                known = await self._store.load(name)
                if known and known != stale:
                    return known
                if secret:
                    token = await fetch()
                    await self._store.keep(name, token.value, useful_seconds(token))
                    return token.value
            finally:
                if secret:
                    await self._store.unlock(name, secret)
            await self._store.pause()
