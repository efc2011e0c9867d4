import asyncio
import socket
from datetime import timedelta

from omnihub.store.database import Session, now
from omnihub.store.errands import Errand
from omnihub.store.presence import Presence
from omnihub.store.store import Store


async def silenced(store: Store, process: str) -> None:
    """As if it had been killed some time ago."""
    await store.db["processes"].update_one({"_id": process}, {"$set": {"until": now() - timedelta(seconds=1)}})


async def test_what_a_killed_process_holds_is_free_for_the_next(store: Store) -> None:
    dead, alive = Presence(store.db, "host:1:a"), Presence(store.db, "host:2:b")
    await dead.beat()
    await alive.beat()
    assert await store.leases.take("mailbox", "host:1:a:x", 600)
    assert await store.leases.take("exchange", "host:2:b:x", 600)
    assert await alive.bury_the_dead() == []
    assert not await store.leases.take("mailbox", "host:2:b:x", 600)
    await silenced(store, "host:1:a")
    assert await alive.bury_the_dead() == ["host:1:a"]
    assert await store.leases.take("mailbox", "host:2:b:x", 600)
    assert await alive.bury_the_dead() == []


async def test_the_living_bury_others_but_never_themselves(store: Store) -> None:
    asleep = Presence(store.db, "host:1:a")
    await asleep.beat()
    assert await store.leases.take("mailbox", "host:1:a:x", 600)
    await silenced(store, "host:1:a")
    assert await asleep.bury_the_dead() == []
    assert not await store.leases.take("mailbox", "host:2:b:x", 600)


async def test_who_leaves_in_order_is_missed_by_nobody(store: Store) -> None:
    one = Presence(store.db, "host:1:a")
    await one.beat()
    await one.leave()
    assert await store.db["processes"].count_documents({}) == 0


async def test_an_errand_comes_again_when_its_process_died(store: Store) -> None:
    errand = Errand(_id="e1", kind="media", data={}, due=now(), attempts=0)

    async def note(session: Session) -> None:
        await store.errands.add([errand], session)

    await store.transaction(note)
    assert await store.errands.take(600)
    assert await store.errands.take(600) is None
    ours = (await store.db["errands"].find_one({"_id": "e1"}) or {})["process"]
    await Presence(store.db, ours).beat()
    await silenced(store, ours)
    await Presence(store.db, "host:2:b").bury_the_dead()
    again = await store.errands.take(600)
    assert again is not None
    assert again["attempts"] == 2


async def test_who_is_stopped_on_this_machine_is_not_dead(store: Store) -> None:
    sleeper = await asyncio.create_subprocess_exec("sleep", "60")
    name = f"{socket.gethostname()}:{sleeper.pid}:a"
    try:
        await Presence(store.db, name).beat()
        await silenced(store, name)
        assert await Presence(store.db, "host:2:b").bury_the_dead() == []
    finally:
        sleeper.kill()
        await sleeper.wait()
    assert await Presence(store.db, "host:2:b").bury_the_dead() == [name]


async def test_who_leaves_in_the_middle_of_an_errand_gives_it_back(store: Store) -> None:
    async def note(session: Session) -> None:
        await store.errands.add([Errand(_id="e1", kind="media", data={}, due=now(), attempts=0)], session)

    await store.transaction(note)
    assert await store.errands.take(600)
    await store.presence.beat()
    await store.presence.leave()
    assert await store.errands.take(600)
