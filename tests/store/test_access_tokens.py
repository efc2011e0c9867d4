import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from omnihub.connectors.tokens import CommonTokens, FreshToken
from omnihub.model.errors import Refused
from omnihub.settings import Settings
from omnihub.store.access_tokens import AccessTokens
from omnihub.store.engines import Endpoints
from omnihub.store.store import Store


class Provider:
    """Hands out a new token at every call, as WeChat's older one does."""

    def __init__(self, seconds: float = 7200) -> None:
        self.seconds = seconds
        self.calls = 0
        self.asked = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def fetch(self) -> FreshToken:
        self.calls += 1
        self.asked.set()
        number = self.calls
        await self.answering.wait()
        return FreshToken(value=f"token {number}", seconds=self.seconds)


@pytest.fixture
async def processes(
    store: Store, settings: Settings, endpoints: Endpoints
) -> AsyncIterator[tuple[CommonTokens, CommonTokens]]:
    """Two processes of one hub, each with its own connection."""
    other = Redis.from_url(endpoints.redis_url)
    theirs = AccessTokens(other, settings.redis.prefix, store.vault)
    yield CommonTokens(store.access_tokens, RedisError), CommonTokens(theirs, RedisError)
    await other.aclose()


async def test_one_process_fetches_and_all_use(processes: tuple[CommonTokens, CommonTokens]) -> None:
    provider = Provider()
    provider.answering.clear()
    asked = [asyncio.create_task(one.get("wechat:a", provider.fetch)) for one in processes for _ in range(5)]
    await provider.asked.wait()
    provider.answering.set()
    assert set(await asyncio.gather(*asked)) == {"token 1"}
    assert provider.calls == 1


async def test_a_refused_token_is_replaced_once(processes: tuple[CommonTokens, CommonTokens]) -> None:
    provider = Provider()
    first, second = processes
    stale = await first.get("wechat:a", provider.fetch)
    fresh = await asyncio.gather(*(one.get("wechat:a", provider.fetch, stale=stale) for one in processes * 3))
    assert set(fresh) == {"token 2"}
    assert await second.get("wechat:a", provider.fetch) == "token 2"
    assert provider.calls == 2


async def test_what_is_over_is_fetched_anew(processes: tuple[CommonTokens, CommonTokens]) -> None:
    provider = Provider(seconds=0.002)
    first, second = processes
    tokens = {await first.get("wechat:a", provider.fetch)}
    while len(tokens) == 1:
        tokens.add(await second.get("wechat:a", provider.fetch))
    assert tokens == {"token 1", "token 2"}


async def test_a_failing_fetch_frees_the_way(processes: tuple[CommonTokens, CommonTokens]) -> None:
    async def refused() -> FreshToken:
        raise Refused("40125 invalid appsecret")

    first, second = processes
    with pytest.raises(Refused, match="40125"):
        await first.get("wechat:a", refused)
    assert await second.get("wechat:a", Provider().fetch) == "token 1"


async def test_tokens_are_sealed(store: Store, processes: tuple[CommonTokens, CommonTokens]) -> None:
    await processes[0].get("wechat:a", Provider().fetch)
    kept = [await store.redis.get(key) for key in await store.redis.keys("*token:wechat:a")]
    assert kept
    assert all(b"token 1" not in value for value in kept)


async def test_without_redis_each_process_keeps_its_own(store: Store, settings: Settings) -> None:
    nobody = Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=1)
    tokens = CommonTokens(AccessTokens(nobody, settings.redis.prefix, store.vault), RedisError)
    provider = Provider()
    assert [await tokens.get("a", provider.fetch) for _ in range(2)] == ["token 1", "token 1"]
    await nobody.aclose()
