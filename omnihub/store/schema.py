"""Indexes stand beside the queries that they serve, in each repository's INDEXES; migrations stand here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from omnihub.store import (
    accesses,
    accounts,
    attachments,
    call_backs,
    contacts,
    conversations,
    counters,
    errands,
    events,
    journal,
    leases,
    messages,
    operations,
    presence,
    search,
    sessions,
    tickets,
    users,
)
from omnihub.store.database import Database, now

log = structlog.get_logger("omnihub.store")

SCHEMA_VERSION = 2
_NAMESPACE_EXISTS = 48
Migration = Callable[[Database], Awaitable[None]]
# From version n to n + 1. A migration may be cut off anywhere and must be harmless when it runs again.
MIGRATIONS: Mapping[int, Migration] = {1: tickets.name_lists}

_OWNERS = (
    accesses,
    accounts,
    attachments,
    call_backs,
    contacts,
    conversations,
    counters,
    errands,
    events,
    journal,
    leases,
    messages,
    operations,
    search,
    presence,
    sessions,
    tickets,
    users,
)


class SchemaTooNew(Exception):
    """The database was written by a newer omnihub."""


def declared_indexes() -> dict[str, Sequence[IndexModel]]:
    return {name: models for owner in _OWNERS for name, models in owner.INDEXES.items()}


async def ensure(db: Database) -> None:
    """Brings the database to this schema. Raises SchemaTooNew."""
    known = await db["schema"].find_one({"_id": "version"})
    version = known["value"] if known else SCHEMA_VERSION
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the database has schema {version}, this omnihub knows {SCHEMA_VERSION}: run a newer omnihub"
        )
    for step in range(version, SCHEMA_VERSION):
        log.info("migrating", from_version=step, to_version=step + 1)
        await MIGRATIONS[step](db)
        await _remember(db, step + 1)
    for name, models in declared_indexes().items():
        await _ensure_indexes(db, name, models)
    await _remember(db, SCHEMA_VERSION)


async def _remember(db: Database, version: int) -> None:
    await db["schema"].update_one({"_id": "version"}, {"$set": {"value": version, "at": now()}}, upsert=True)


async def _ensure_indexes(db: Database, name: str, models: Sequence[IndexModel]) -> None:
    # A transaction cannot create a collection under contention, so all of them exist beforehand.
    if name not in await db.db.list_collection_names(filter={"name": name}):
        try:
            await db.db.create_collection(name, check_exists=False)
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:  # another process made it just now
                raise
    if models:
        await db[name].create_indexes(list(models))


async def missing_indexes(db: Database) -> list[str]:
    """Declared indexes that the database does not have, as collection.name."""
    missing: list[str] = []
    for name, models in declared_indexes().items():
        present = set(await db[name].index_information())
        wanted = [str(model.document["name"]) for model in models]
        missing += [f"{name}.{index}" for index in wanted if index not in present]
    return missing
