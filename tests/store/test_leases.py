import asyncio

from omnihub.store.store import Store
from tests.conftest import Eventually


async def test_a_lease_has_one_holder(store: Store) -> None:
    names = [f"p{n}" for n in range(20)]
    taken = await asyncio.gather(*(store.leases.take("mailbox", name, 60) for name in names))
    assert sum(taken) == 1
    holder = names[taken.index(True)]
    assert await store.leases.take("mailbox", holder, 60)
    await store.leases.release("mailbox", "somebody else")
    assert not await store.leases.take("mailbox", "another", 60)
    await store.leases.release("mailbox", holder)
    assert await store.leases.take("mailbox", "another", 60)


async def test_a_lease_moves_when_its_holder_is_gone(store: Store, eventually: Eventually) -> None:
    assert await store.leases.take("mailbox", "dead", 0.2)
    assert not await store.leases.take("mailbox", "alive", 60)
    await eventually(lambda: store.leases.take("mailbox", "alive", 60), within=5)
    assert not await store.leases.take("mailbox", "dead", 60)
