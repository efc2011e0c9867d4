from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from bson.codec_options import CodecOptions
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import ReadPreference
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError, WTimeoutError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

Doc = dict[str, Any]
Session = AsyncIOMotorClientSession
Collection = AsyncIOMotorCollection[Doc]
T = TypeVar("T")

DURABLE = WriteConcern(w="majority", j=True, wtimeout=15_000)


def now() -> datetime:
    """UTC, cut to the milliseconds that BSON keeps, so that what was written equals what is read."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


_PASSING = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")


def is_outage(error: BaseException) -> bool:
    """Whether the database was away or busy, so that the same again may succeed. Anything else that it
    refuses it will refuse again."""
    if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError):
        return True
    return isinstance(error, PyMongoError) and any(error.has_error_label(label) for label in _PASSING)


class Database:
    """The only holder of a MongoDB client. Every write waits for the majority and the journal."""

    def __init__(self, uri: str, name: str, pool: int) -> None:
        self.client: AsyncIOMotorClient[Doc] = AsyncIOMotorClient(
            uri,
            maxPoolSize=pool,
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            socketTimeoutMS=60_000,
            appname="omnihub",
        )
        self.db: AsyncIOMotorDatabase[Doc] = self.client.get_database(
            name, codec_options=CodecOptions(tz_aware=True, tzinfo=UTC), write_concern=DURABLE
        )

    def __getitem__(self, name: str) -> Collection:
        return self.db[name]

    async def ping(self) -> Mapping[str, Any]:
        """Raises PyMongoError when the primary cannot be reached."""
        return await self.client.admin.command("ping", read_preference=ReadPreference.PRIMARY)

    async def transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """All of `work` or nothing, on one snapshot; repeated when another writer got in between."""
        async with await self.client.start_session() as session:
            done: T = await session.with_transaction(
                cast("Callable[..., Coroutine[Any, Any, T]]", work),
                read_concern=ReadConcern("snapshot"),
                write_concern=DURABLE,
            )
            return done

    def close(self) -> None:
        self.client.close()


__all__ = ["DURABLE", "Collection", "Database", "Doc", "PyMongoError", "Session", "is_outage", "now"]
