import asyncio
import os
import signal
import sys

import pytest

from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.model.raw import RawRequest
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store
from tests.conftest import Eventually
from tests.mailbox import PostOffice, mail, open_post_office


@pytest.fixture
async def post(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return await open_post_office(store, connectors, settings)


async def count(store: Store, collection: str) -> int:
    return int(await store.db[collection].count_documents({}))


async def test_a_hundred_first_mails_at_once_make_one_contact(
    post: PostOffice, connectors: Connectors, settings: Settings
) -> None:
    raws = [mail("Anna <anna@customer.test>", mid=f"{n}@c", subject=f"Mail {n}") for n in range(100)]
    entries = await post.store.journal.append_many(
        post.account.id, [RawRequest(source="test", body=raw, received_at=now()) for raw in raws]
    )
    ids = [entry.id for entry in entries]
    intakes = [Intake(post.store, connectors, settings) for _ in range(10)]
    shares = [await post.store.journal.load(ids[start::10]) for start in range(10)]
    # Each share twice: as after a ring that was repeated.
    await asyncio.gather(*(i.process(share) for i, share in zip(intakes * 2, shares * 2, strict=True)))
    assert await count(post.store, "messages") == 100
    assert await count(post.store, "contacts") == 1
    assert await count(post.store, "identities") == 1
    numbers = [doc["number"] async for doc in post.store.db["tickets"].find()]
    assert len(set(numbers)) == 100


async def test_replaying_the_whole_journal_changes_nothing(post: PostOffice) -> None:
    await post.deliver(
        mail("anna@customer.test", mid="a@c"),
        mail("anna@customer.test", mid="b@c", refs=["a@c"]),
        mail("bob@customer.test", mid="c@c"),
    )
    before = await post.look()
    events = await count(post.store, "events")
    await post.store.journal.replay(states=("done", "dead"))
    assert await post.intake.drain() == 3
    assert await post.look() == before
    assert await count(post.store, "events") == events


async def test_an_empty_mail_becomes_a_dead_letter_with_its_reason(post: PostOffice) -> None:
    await post.deliver(b"   \r\n", mail("anna@customer.test", mid="a@c"))
    dead = await post.store.journal.dead()
    assert [letter.error for letter in dead] == ["the mail is empty"]
    assert await count(post.store, "messages") == 1
    await post.store.journal.replay(ids=[dead[0].event.id])
    await post.intake.drain()
    assert len(await post.store.journal.dead()) == 1


async def test_one_poisonous_message_does_not_hold_back_its_batch(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omnihub.inbox import intake as module

    whole = module.take_in

    def fails_on_poison(item, *args):  # type: ignore[no-untyped-def]
        if item.message.subject == "poison":
            raise RuntimeError("a defect of ours")
        return whole(item, *args)

    monkeypatch.setattr(module, "take_in", fails_on_poison)
    good = [mail("anna@customer.test", mid=f"{n}@c") for n in range(3)]
    placed = await post.deliver(good[0], mail("bob@customer.test", mid="p@c", subject="poison"), *good[1:])
    assert sorted(placed.messages) == ["0@c", "1@c", "2@c"]
    dead = await post.store.journal.dead()
    assert ["a defect of ours" in letter.error for letter in dead] == [True]


async def test_a_flushed_redis_loses_nothing(post: PostOffice, settings: Settings, eventually: Eventually) -> None:
    running = asyncio.create_task(post.intake.run())
    try:
        await post.store.journal.append(
            post.account.id,
            RawRequest(source="test", body=mail("anna@customer.test", mid="a@c"), received_at=now()),
            ring=False,
        )
        await post.store.redis.flushall()
        await post.store.journal.append(
            post.account.id,
            RawRequest(source="test", body=mail("anna@customer.test", mid="b@c"), received_at=now()),
        )

        async def both() -> bool:
            return await count(post.store, "messages") == 2

        await eventually(both, within=settings.intake.sweep_seconds + 10)
    finally:
        running.cancel()
        await asyncio.wait([running])


KILLED = """
import asyncio, os, signal, sys
from omnihub.app import open_hub
from omnihub.inbox import intake
from omnihub.settings import load

async def main():
    async with open_hub(load()) as hub:
        mine = hub.intake()
        async def die(*args):
            os.kill(os.getpid(), signal.SIGKILL)
        setattr(mine, sys.argv[1], die)
        await mine.drain()

asyncio.run(main())
"""


@pytest.mark.parametrize("line", ["_write", "_save", "_after"])
async def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(
    post: PostOffice, settings: Settings, line: str
) -> None:
    raws = [mail("anna@customer.test", mid=f"{n}@c", refs=[f"{n - 1}@c"] if n else []) for n in range(5)]
    for raw in raws:
        await post.store.journal.append(post.account.id, RawRequest(source="test", body=raw, received_at=now()))
    environment = os.environ | {
        "OMNIHUB_MONGODB__URI": settings.mongodb.uri.get_secret_value(),
        "OMNIHUB_MONGODB__DATABASE": settings.mongodb.database,
        "OMNIHUB_REDIS__URL": settings.redis.url.get_secret_value(),
        "OMNIHUB_REDIS__PREFIX": settings.redis.prefix,
        "OMNIHUB_SECURITY__SECRET_KEY": settings.security.secret_key.get_secret_value(),
        "OMNIHUB_STORAGE__VAR": str(settings.storage.var),
    }
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, line, env=environment)
    assert await killed.wait() == -signal.SIGKILL
    await post.intake.drain()
    placed = await post.look()
    assert sorted(placed.messages) == [f"{n}@c" for n in range(5)]
    assert placed.same(*placed.messages)
    assert len(placed.tickets) == 1
    assert placed.ticket("0@c")["message_count"] == 5
