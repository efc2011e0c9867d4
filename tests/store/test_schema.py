import asyncio

import pytest

from omnihub.store import schema
from omnihub.store.database import Database, now
from omnihub.store.store import Store
from omnihub.store.tickets import Filter

pytestmark = pytest.mark.own_database


async def test_every_declared_index_is_made(store: Store) -> None:
    assert await schema.missing_indexes(store.db) == []
    await store.db["tickets"].drop_index("number_1")
    assert await schema.missing_indexes(store.db) == ["tickets.number_1"]
    await store.prepare()
    assert await schema.missing_indexes(store.db) == []


async def test_processes_that_start_at_once_prepare_one_database(store: Store) -> None:
    await store.db.client.drop_database(store.db.db.name)
    await asyncio.gather(*(schema.ensure(store.db) for _ in range(4)))
    assert await schema.missing_indexes(store.db) == []


async def test_migrations_run_in_order_once_and_again_where_they_were_cut_off(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    async def first(db: Database) -> None:
        ran.append("1 to 2")

    async def second(db: Database) -> None:
        ran.append("2 to 3")
        if ran.count("2 to 3") == 1:
            raise ConnectionError("cut off")

    known = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", known + 2)
    monkeypatch.setattr(schema, "MIGRATIONS", {known: first, known + 1: second})
    with pytest.raises(ConnectionError):
        await schema.ensure(store.db)
    await schema.ensure(store.db)
    await schema.ensure(store.db)
    assert ran == ["1 to 2", "2 to 3", "2 to 3"]


async def test_a_database_of_a_newer_hub_is_refused(store: Store) -> None:
    await store.db["schema"].update_one({"_id": "version"}, {"$set": {"value": schema.SCHEMA_VERSION + 1}})
    with pytest.raises(schema.SchemaTooNew, match="newer omnihub"):
        await store.prepare()


async def test_tickets_of_before_find_their_way_into_lists(store: Store) -> None:
    old = {
        "_id": "t1", "number": 1, "status": "open", "spam": False, "snoozed_until": None, "merged_into": None,
        "assignee_id": "anna", "team_id": None, "account_ids": ["a1"], "channels": ["email"], "tags": ["vip"],
        "last_message_at": now(), "bucket": "active",
    }  # fmt: skip
    await store.db["tickets"].insert_one(old)
    await store.db["tickets"].create_index([("bucket", 1), ("tags", 1)])
    await store.db["schema"].update_one({"_id": "version"}, {"$set": {"value": 1}})
    await store.prepare()
    page, _ = await store.tickets.page(Filter(tag="vip", status="open"), "", 10)
    assert [ticket["_id"] for ticket in page] == ["t1"]
    assert (await store.tickets.counts("anna"))["mine"] == 1
    assert "bucket_1_tags_1" not in await store.db["tickets"].index_information()
