import asyncio

import pytest
from redis.asyncio import Redis

from omnihub.store.bell import Bell, door_bell
from omnihub.store.engines import Endpoints


@pytest.mark.parametrize("after", [0.0, 0.0005, 0.001, 0.0015, 0.002, 0.004, 0.05])
async def test_who_listens_ends_when_cancelled_even_while_connecting(endpoints: Endpoints, after: float) -> None:
    for _ in range(12):
        redis = Redis.from_url(endpoints.redis_url)
        listening = asyncio.create_task(_listen(Bell(redis, "test:")))
        await asyncio.sleep(after)
        listening.cancel()
        done, _ = await asyncio.wait([listening], timeout=3)
        listening.cancel()
        await redis.aclose()
        assert done, "the cancellation was lost"


async def _listen(bell: Bell) -> None:
    while True:
        await bell.answer("intake", "somebody", 10, 0.5)


async def test_a_door_where_nobody_listens_forgets_its_rings(endpoints: Endpoints) -> None:
    redis = Redis.from_url(endpoints.redis_url)
    bell, name = Bell(redis, "test:"), door_bell("quiet")
    await bell.answer(name, "somebody", 10, 0.01)  # a listener that has gone since
    for number in range(1500):
        await bell.ring_door("quiet", f"event {number}")
    assert await bell.waiting(name) < 1200
    assert 0 < await redis.ttl(f"test:bell:{name}") <= 600
    assert await bell.answer(name, "somebody", 1, 0.01)
    await redis.aclose()
